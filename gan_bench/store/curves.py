"""curves.jsonl: how its lines are written, cut back, checked and read."""

from __future__ import annotations

import json
import os
import re
import zlib
from itertools import chain
from pathlib import Path
from types import NoneType
from typing import Any

from gan_bench.files import replace_file
from gan_bench.store.checksums import TIMES
from gan_bench.store.trust import check_numbers

WINDOW = 25  # G steps whose means make one line of the curves
LEADING = re.compile(rb"\d{1,10}(?=[,}])")  # the number that a text begins with


class CurvesFile:
    """curves.jsonl while a process writes it: a file of its own, to which nobody else appends whatever its name means by then."""

    def __init__(self, path: Path, content: bytes) -> None:
        """Take the place of what is there."""
        self.path = path
        self._file = -1
        replace_file(path, lambda new: self._begin(new, content))

    def _begin(self, new: Path, content: bytes) -> None:
        self._file = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o666)
        self._write(content)

    def append(self, row: dict[str, Any]) -> None:
        """Append a window's means: a line whose `crc` is the CRC-32 of what stands before it; times stand after it."""
        head = json.dumps({key: value for key, value in row.items() if key not in TIMES})[:-1].encode()
        rest = {"crc": zlib.crc32(head)} | {key: value for key, value in row.items() if key in TIMES}
        self._write(head + b", " + json.dumps(rest)[1:].encode() + b"\n")

    def settle(self) -> None:
        """Wait until all is on the disk, in its place: another process that writes without asking may have put its own there."""
        os.fsync(self._file)
        if os.stat(self.path).st_ino != os.fstat(self._file).st_ino:
            content = os.pread(self._file, os.fstat(self._file).st_size, 0)
            self.close()
            replace_file(self.path, lambda new: self._begin(new, content))

    def _write(self, content: bytes) -> None:
        while content:  # a disk that fills up takes a part, and then raises
            content = content[os.write(self._file, content) :]

    def close(self) -> None:
        """Nothing more is written."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    __del__ = close


def cut_windows(path: Path, step: int) -> tuple[CurvesFile, int, int]:
    """Make the file anew, without windows that ended after this G step, and lines that can't be read.

    Returns it, the step at which the last window that is left ended, 0 where there is none, and how many lines could not be
    read.
    """
    kept, damaged, last = [], 0, 0
    for line in path.read_bytes().splitlines(keepends=True) if path.exists() else []:
        ended = _step(line)
        if ended is None:
            damaged += line.endswith(b"\n")  # the last line of a killed process is just not complete
        elif ended <= step:
            kept.append(line)
            last = ended
    return CurvesFile(path, b"".join(kept)), last, damaged


def read_windows(path: Path) -> list[dict[str, Any]]:
    """The complete lines; one that is being written is left out. ValueError: some are damaged."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return []
    lines = text[: text.rfind(b"\n") + 1].splitlines()
    try:
        if not all(map(_has_its_sum, lines)):
            raise ValueError("a line does not have its checksum")
        rows = json.loads(b"[" + b",".join(lines) + b"]")  # one call: several times faster than one a line
        if not all(isinstance(row, dict) and type(row.get("step")) is int for row in rows):
            raise ValueError("a line is no object with a step")
        if not set(map(type, chain.from_iterable(row.values() for row in rows))) <= {int, float, NoneType}:
            raise ValueError("a value is no number")
        check_numbers(chain.from_iterable(row.values() for row in rows))
    except RecursionError:
        raise ValueError(f"{path.name} is damaged: its values are nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{path.name} is damaged: {error}") from error
    for row in rows:
        row.pop("crc", None)
    return rows


def holds_windows(path: Path, steps: int, *, ended: bool) -> bool:
    """Whether there is a line for each window up to so many G steps.

    A run that has `ended` holds nothing else; an unfinished one may have gone further, and its last line be half-written.
    """
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    found = [_step(line) for line in lines]
    if not ended:
        found = [step for step in found if step is not None and step <= steps - steps % WINDOW]
    last = [steps] if ended and steps % WINDOW else []
    # Its length first: a damaged number of steps may be of any size.
    return len(found) == steps // WINDOW + len(last) and found == [*range(WINDOW, steps + 1, WINDOW), *last]


def _step(line: bytes) -> int | None:
    """The step of a complete line; None where it is damaged."""
    try:
        row = json.loads(line) if line.endswith(b"\n") and _has_its_sum(line) else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or not all(type(row.get(name)) is int for name in ("step", "d_steps", "images")):
        return None
    numbers = all(value is None or type(value) in (int, float) for value in row.values())
    return row["step"] if numbers and {"seconds", "loss_d", "loss_g"} <= row.keys() else None


def _has_its_sum(line: bytes) -> bool:
    """Whether a line is as it was written; earlier versions wrote no `crc`."""
    head, found, tail = line.rpartition(b', "crc": ')
    number = LEADING.match(tail)
    return not found or (number is not None and int(number[0]) == zlib.crc32(head))
