"""What commands tell a person while they work: standard error, warnings, durations."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    pass


@contextmanager
def warnings_told(console: Console) -> Iterator[None]:
    """Warnings become lines for a person."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    tell((warning.message for warning in caught), console)


def tell(warnings: Iterable[object], console: Console) -> None:
    """A line for each."""
    for warning in warnings:
        console.print(f"Warning: {warning}", style="yellow")


def plain_console() -> Console:
    """Where progress is told: standard error. Names and messages are text, whatever brackets they hold."""
    return Console(stderr=True, markup=False, highlight=False)


def short(seconds: float) -> str:
    """A duration for a person."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
