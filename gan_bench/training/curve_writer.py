"""Writes a run's curves: a line of means for each window of steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from gan_bench.store.curves import WINDOW, read_windows
from gan_bench.store.documents import FileFault
from gan_bench.store.folder import RunFolder
from gan_bench.training.window import Window


class Diverged(Exception):
    """A loss, an output of D, a gradient's norm or what a trick reports is not a finite number any more."""

    def __init__(self, step: int, names: Sequence[str]) -> None:
        super().__init__(f"not a finite number in the steps up to {step}: {', '.join(names)}")
        self.where = step, ", ".join(names)


class CurveWriter:
    """Appends the means of each window that ends to curves.jsonl.

    `late`: only when the next one has ended, so that a GPU is never waited for with nothing to do.
    """

    def __init__(self, folder: RunFolder, window: Window, *, late: bool) -> None:
        self.folder, self.window, self.late = folder, window, late
        self.rows: list[dict[str, Any]] = []  # of curves.jsonl
        self.means: dict[str, float | None] = {}  # of the latest of them
        self._ended: tuple[dict[str, Any], Callable[[], dict[str, float | None]]] | None = None  # and not written yet

    def cut(self, step: int) -> tuple[int, list[FileFault]]:
        """Go on after this step: drop what was written of later ones, and lines that can't be read, which are faults.

        Returns the step at which the last window that is left ended, 0 where there is none.
        """
        last, faults = self.folder.cut_curves(step)
        with suppress(ValueError):  # what is damaged there is told by whoever reads the store
            self.rows = read_windows(self.folder.curves_file)
        return last, faults

    def end_window(self, counters: dict[str, Any]) -> None:
        """Begin a new window; one cut short by the run's end stays open for longer training. Diverged: as `settle`."""
        self.settle()
        self._ended = counters, self.window.read()
        if counters["steps"] % WINDOW == 0:
            self.window.clear()
        if not self.late:
            self.settle()

    def settle(self) -> None:
        """Write down the window that has ended last, if it is not yet. Diverged: one of its means is no finite number."""
        if self._ended is None:
            return
        (counters, read), self._ended = self._ended, None
        self.means = read()
        step = counters.pop("steps")
        if bad := [name for name, mean in self.means.items() if mean is not None and not math.isfinite(mean)]:
            raise Diverged(step, bad)
        row = {"step": step, **counters, **self.means}
        self.folder.append_curve(row)
        self.rows.append(row)
