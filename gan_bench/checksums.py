"""Checksums of a store's text files: a flipped bit in a number leaves JSON that is none the wiser."""

from __future__ import annotations

import json
import re
import zlib
from typing import Any

# All that differs when a run is repeated: timings, times of day, memory, and what is known of its sessions.
TIMES = frozenset(("seconds", "time", "images_per_second", "share_of_peak", "peak_memory", "sessions", "ended"))
LEADING = re.compile(rb"\d{1,10}(?=[,}])")  # the number that a text begins with


def checksum(value: Any) -> str:
    """CRC-32 of a JSON value in hexadecimal digits; equal for runs that are equal, for `TIMES` are left out."""
    text = json.dumps(_timeless(value), sort_keys=True)
    return f"{zlib.crc32(text.encode()):08x}"


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(item) for key, item in value.items() if key not in TIMES}
    return [_timeless(item) for item in value] if isinstance(value, list) else value


def curve_line(row: dict[str, Any]) -> bytes:
    """A line of a curves.jsonl: `crc` is the CRC-32 of what stands before it, and times stand after it."""
    head = json.dumps({key: value for key, value in row.items() if key not in TIMES})[:-1].encode()
    rest = {"crc": zlib.crc32(head)} | {key: value for key, value in row.items() if key in TIMES}
    return head + b", " + json.dumps(rest)[1:].encode() + b"\n"


def has_its_sum(line: bytes) -> bool:
    """Whether a line of a curves.jsonl is as it was written; earlier versions wrote no `crc`."""
    head, found, tail = line.rpartition(b', "crc": ')
    number = LEADING.match(tail)
    return not found or (number is not None and int(number[0]) == zlib.crc32(head))
