"""Reads a grid file, and finds the line on which a value stands."""

from __future__ import annotations

import math
import os
import re
import tomllib
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.items import AoT, Table

from gan_bench.errors import GridError

DocPath = tuple[str | int, ...]  # keys and list indices from the top of the document

MAX_BYTES = 1_000_000
MAX_DEPTH = 16
MARKER = "gan-bench:here"


def read_toml(file: Path) -> tuple[str, dict[str, Any]]:
    """Text and values of a TOML file.

    GridError: unreadable, too large, not UTF-8, not TOML, or it holds values that no setting has (dates, infinity,
    numbers beyond 64 bits).
    """
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)  # a device has no end
            size = max(len(data), os.fstat(opened.fileno()).st_size)
    except OSError as error:
        raise GridError(f"can't be read: {error.strerror}", file=file) from None
    if size > MAX_BYTES:
        raise GridError(f"a grid file has at most {MAX_BYTES:,} bytes", file=file, value=size)
    try:
        text = data.decode("utf-8-sig")  # some editors put a byte-order mark first
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise GridError("is not UTF-8 text", file=file, line=line, value=data[error.start : error.start + 1]) from None
    try:
        values = tomllib.loads(text)
    except RecursionError:
        raise GridError("lists or tables are nested too deeply", file=file) from None
    except ValueError as error:  # TOMLDecodeError, or a number of thousands of digits
        message, line = _syntax(str(error), text)
        raise GridError(f"is not valid TOML: {message}", file=file, line=line) from None
    fault = unusable(values)
    if fault:
        path, rule, value = fault
        raise GridError(rule, file=file, line=line_of(text, path), path=dotted(path), value=value)
    return text, values


def _syntax(message: str, text: str) -> tuple[str, int]:
    """tomllib's message without its place, and the line."""
    match = re.fullmatch(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", message, re.DOTALL)
    if not match:
        return message, 1
    return match[1][:1].lower() + match[1][1:], int(match[2]) if match[2] else text.count("\n") + 1


def unusable(value: Any, path: DocPath = ()) -> tuple[DocPath, str, Any] | None:
    """Place, rule and value of the first thing that no setting can be (so that all else is also JSON), or None."""
    if len(path) > MAX_DEPTH:
        return path, f"lists and tables are nested more than {MAX_DEPTH} deep", ...
    if isinstance(value, dict):
        return next(filter(None, (unusable(item, (*path, key)) for key, item in value.items())), None)
    if isinstance(value, list):
        return next(filter(None, (unusable(item, (*path, index)) for index, item in enumerate(value))), None)
    if isinstance(value, float) and not math.isfinite(value):
        return path, "must be a finite number", value
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return path, "whole numbers must fit into 64 bits", ...
    if not isinstance(value, (str, int, float)):
        return path, "no setting is a date or time", str(value)
    return None


def readable(text: str) -> str:
    """The text on one line, with terminal codes and the like made visible."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def dotted(path: DocPath) -> str:
    """A path for people: `compare[0].title`."""
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            text += ("." if text else "") + readable(key)
    return text


def line_of(text: str, path: DocPath) -> int | None:
    """The line (from 1) of the value at `path`, or of the nearest table or list around it; None: there is none.

    tomlkit keeps the layout of what it writes, so the value is replaced by a marker and the marker's line looked up.
    """
    for length in range(len(path), 0, -1):
        try:
            line = _marked(text, path[:length])
        except Exception:  # noqa: BLE001 - tomlkit raises much; without a line the error is still told in full
            line = None
        if line:
            return line
    return None


def _marked(text: str, path: DocPath) -> int | None:
    document: Any = tomlkit.parse(text)
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    item = parent[path[-1]]
    if isinstance(item, AoT):
        item = item[0]
    if isinstance(item, Table):
        item.comment(MARKER)  # on its header's line
    else:
        parent[path[-1]] = MARKER
    for number, line in enumerate(tomlkit.dumps(document).split("\n"), 1):
        if MARKER in line:
            return number
    # A table without a header of its own (`a.b = 1`, `[a.b]`): where its first key stands.
    return _marked(text, (*path, next(iter(item)))) if isinstance(item, dict) and item else None
