"""Checksums of a store's text files: a flipped bit in a number leaves JSON that is none the wiser."""

from __future__ import annotations

import json
import zlib
from typing import Any

# All that differs when a run is repeated: timings, times of day, memory, and what is known of its sessions.
TIMES = frozenset(("seconds", "time", "images_per_second", "share_of_peak", "peak_memory", "sessions", "ended"))


def checksum(value: Any) -> str:
    """CRC-32 of a JSON value in hexadecimal digits; equal for runs that are equal, for `TIMES` are left out."""
    text = json.dumps(_timeless(value), sort_keys=True)
    return f"{zlib.crc32(text.encode()):08x}"


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(item) for key, item in value.items() if key not in TIMES}
    return [_timeless(item) for item in value] if isinstance(value, list) else value
