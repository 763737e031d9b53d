"""Windows of curves as columns: a tenth of the memory that rows take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

Windows = Mapping[str, np.ndarray]  # by quantity (rows,): int64 where all values are whole, else float64, NaN for none


def columns(rows: Sequence[Mapping[str, Any]]) -> Windows:
    """Rows of curves.jsonl by quantity."""
    return {name: _column([row.get(name) for row in rows]) for name in dict.fromkeys(chain.from_iterable(rows))}


def _column(values: list[Any]) -> np.ndarray:
    whole = set(map(type, values)) == {int}
    return np.array(values, dtype=np.int64 if whole else np.float64)


def count(windows: Windows) -> int:
    """How many windows there are."""
    return len(next(iter(windows.values()), ()))


def joined(parts: Sequence[Windows]) -> dict[str, np.ndarray]:
    """The windows of all parts, one after the other; NaN where a part lacks a quantity."""
    sizes = [count(part) for part in parts]
    table: dict[str, np.ndarray] = {}
    for name in dict.fromkeys(chain.from_iterable(part for part, size in zip(parts, sizes, strict=True) if size)):
        own = [part.get(name) for part in parts]
        whole = all(one is not None and one.dtype == np.int64 for one, size in zip(own, sizes, strict=True) if size)
        column = np.empty(sum(sizes), np.int64 if whole else np.float64)
        at = 0
        for one, size in zip(own, sizes, strict=True):
            if size:
                column[at : at + size] = np.nan if one is None else one
            at += size
        table[name] = column
    return table
