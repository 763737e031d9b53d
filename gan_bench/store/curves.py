"""curves.jsonl: how its lines are written, checked and read."""

from __future__ import annotations

import json
import re
import zlib
from itertools import chain
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

from gan_bench.store.checksums import TIMES

if TYPE_CHECKING:
    pass
WINDOW = 25  # G steps whose means make one line of the curves


def curve_step(line: bytes) -> int | None:
    """The step of a complete line of the curves; None where it is damaged."""
    try:
        row = json.loads(line) if line.endswith(b"\n") and has_its_sum(line) else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or not all(type(row.get(name)) is int for name in ("step", "d_steps", "images")):
        return None
    numbers = all(value is None or type(value) in (int, float) for value in row.values())
    return row["step"] if numbers and {"seconds", "loss_d", "loss_g"} <= row.keys() else None


LEADING = re.compile(rb"\d{1,10}(?=[,}])")  # the number that a text begins with


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


def read_curves(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a curves.jsonl; the line that is being written is left out."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return []
    lines = text[: text.rfind(b"\n") + 1].splitlines()
    if not all(map(has_its_sum, lines)):
        raise ValueError(f"{path.name} is damaged: a line does not have its checksum")
    try:
        rows = json.loads(b"[" + b",".join(lines) + b"]")  # one call: several times faster than one a line
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} is damaged: {error}") from error
    if not all(isinstance(row, dict) and type(row.get("step")) is int for row in rows):
        raise ValueError(f"{path.name} is damaged: a line is no object with a step")
    if not set(map(type, chain.from_iterable(row.values() for row in rows))) <= {int, float, NoneType}:
        raise ValueError(f"{path.name} is damaged: a value is no number")
    for row in rows:
        row.pop("crc", None)
    return rows


def holds_windows(curves: Path, steps: int, *, ended: bool) -> bool:
    """Whether a curves.jsonl has a line for each window up to so many G steps.

    One that has `ended` holds nothing else; an unfinished run may have gone further, and its last line be half-written.
    """
    lines = curves.read_bytes().splitlines(keepends=True) if curves.exists() else []
    found = [curve_step(line) for line in lines]
    if not ended:
        found = [step for step in found if step is not None and step <= steps - steps % WINDOW]
    last = [steps] if ended and steps % WINDOW else []
    # Its length first: a damaged number of steps may be of any size.
    return len(found) == steps // WINDOW + len(last) and found == [*range(WINDOW, steps + 1, WINDOW), *last]
