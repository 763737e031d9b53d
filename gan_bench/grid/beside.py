"""A dataset's relative paths, which are looked for beside the grid file first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gan_bench.api.kinds import Dataset


def beside(dataset: Dataset, folder: Path) -> dict[str, Any]:
    """Those of its parameters, as JSON values, in which a relative path exists below a folder, and leads there then."""
    dumped = dataset.model_dump(mode="json")
    found = {name: _placed(value, dumped[name], folder) for name, value in _values(dataset)}
    return {name: value for name, value in found.items() if value != dumped[name]}


def missing(dataset: Dataset) -> Iterator[str]:
    """Its parameters with a relative path that leads nowhere from the working directory either."""
    for name, value in _values(dataset):
        paths = (Path(os.path.expanduser(path)) for path in _paths(value))
        if any(not path.is_absolute() and not os.path.exists(path) for path in paths):
            yield name


def _values(dataset: Dataset) -> Iterator[tuple[str, Any]]:
    """Its parameters, of which `root` may be text that is meant as a path."""
    for name in type(dataset).model_fields:
        value = getattr(dataset, name)
        yield name, Path(value) if name == "root" and isinstance(value, str) and value else value


def _placed(value: Any, dumped: Any, folder: Path) -> Any:
    if isinstance(value, Path):
        return str(folder / value) if os.path.exists(folder / value) else dumped
    if isinstance(value, dict):
        return dict(zip(dumped, _placed([*value.values()], [*dumped.values()], folder), strict=True))
    if isinstance(value, list | tuple | set | frozenset):
        return [_placed(one, other, folder) for one, other in zip(value, dumped, strict=True)]
    return dumped


def _paths(value: Any) -> Iterator[Path]:
    if isinstance(value, Path):
        yield value
    elif isinstance(value, list | tuple | set | frozenset | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _paths(item)
