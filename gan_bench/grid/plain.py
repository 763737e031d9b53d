"""Grids that Python holds: what would stand in a TOML file, and the file that says the same."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import tomlkit

from gan_bench.grid.schema import MAX_RUNS
from gan_bench.grid.source import Fault, Source
from gan_bench.grid.toml import MAX_DEPTH, DocPath, unusable


def plain_document(grid: Mapping[str, Any]) -> dict[str, Any]:
    """A grid as a TOML file of it is read. Fault: it holds what no such file can.

    Tuples, ranges and arrays become lists, paths text, numbers of NumPy numbers; a key whose value is None is left out. Plugin
    files are looked for in the current folder, and become absolute, for the file that the store gets lies elsewhere.
    """
    document: dict[str, Any] = _plain(grid, ())
    files = document.get("plugins")
    if isinstance(files, list):
        document["plugins"] = [os.path.abspath(file) if isinstance(file, str) and file else file for file in files]
    if found := unusable(document):
        path, rule, value = found
        raise Fault(rule, path, value=value)
    return document


def _plain(value: Any, path: DocPath) -> Any:
    if len(path) > MAX_DEPTH:  # or it holds itself
        raise Fault(f"lists and tables are nested more than {MAX_DEPTH} deep", path)
    if hasattr(value, "tolist"):  # of NumPy, pandas or PyTorch
        value = value.tolist()
    if isinstance(value, str | int | float):  # and truth values
        return value
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        if odd := next((key for key in value if not isinstance(key, str)), None):
            raise Fault("keys are text", path, value=odd)
        return {key: _plain(item, (*path, key)) for key, item in value.items() if item is not None}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        if len(value) > MAX_RUNS:
            raise Fault(f"a list of a grid has at most {MAX_RUNS:,} items", path, value=len(value))
        return [_plain(item, (*path, index)) for index, item in enumerate(value)]
    raise Fault("a setting is text, a number, true or false, a list or a table", path, value=value)


def seeds_text(seeds: Any) -> str | None:
    """Seeds as `--seeds` takes them, of text or of a list, range or array of numbers. GridError: they are neither."""
    if seeds is None or isinstance(seeds, str):
        return seeds
    try:
        numbers = _plain(seeds, ("seeds",))
        if not isinstance(numbers, list):
            raise Fault("must be a list", ("seeds",), value=seeds, cure='Write seeds = [0, 1], range(8) or "0-7".')
    except Fault as fault:
        raise Source(Path(), "").error(fault) from None
    return ",".join(map(str, numbers))


def toml_text(document: Mapping[str, Any]) -> str:
    """The text of a grid file that holds the document."""
    return tomlkit.dumps(document)
