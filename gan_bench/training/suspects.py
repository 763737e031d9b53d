"""What went wrong in a cell's networks or tricks: in one line, with file and line of whoever may be the cause."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from gan_bench.api.faults import cause, place_of

if TYPE_CHECKING:
    from gan_bench.grid import Cell

NOBODYS = OSError, MemoryError, torch.OutOfMemoryError  # faults of the machine


def told(error: BaseException, cell: Cell) -> str:
    """An error in one line. Where no line of a plugin was on its way, those that may be the cause are named."""
    text = cause(error)
    if not text.startswith(type(error).__name__) or isinstance(error, NOBODYS):
        return text
    return f"{text} ({suspects(cell)})"


def suspects(cell: Cell) -> str:
    """The tricks of a cell with file and line; its architecture where it has none."""
    methods: dict[str, Callable[..., Any]] = {trick.name: trick.edit for trick in cell.tricks}
    methods = methods or {cell.architecture.name: cell.architecture.generator}
    return "in " + " or ".join(f"{name} at {place_of(method)}" for name, method in methods.items())
