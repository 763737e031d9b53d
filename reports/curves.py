"""Curves as the page holds them: thinned, a run's once, and bands over seeds for each cell.

All are stored over generator steps. How many images and seconds a run had behind it at a step is its clock, of so few points
that a chart over another axis costs the page next to nothing. Only the bands over seconds are stored beside those over steps,
since a mean over seeds at equal seconds is another one.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd

CLOCKS = ("images", "seconds")
NO_QUANTITIES = {"run", "step", "d_steps", *CLOCKS}  # columns of the table of curves
NUMBERS = 320_000  # in all curves of a page: about 2 MB
MOST, LEAST = 500, 96  # points of a curve
MOMENTS = 400_000  # at which the runs of a band over seconds are read, all together
TICKS = 200  # points of a clock, at most
STRAIGHT = 0.002  # of its range, by which a clock may be off between its points: about a pixel

Curve = tuple[np.ndarray, np.ndarray]  # x, y
Columns = list[list[float]]  # x, and what is drawn over it


def thin(points: int, *columns: np.ndarray) -> np.ndarray:
    """Rows to keep, about `points` of them: the ends, and where a column is lowest and highest in each stretch.

    So no spike of any column is lost.
    """
    n = len(columns[0])
    if n <= points:
        return np.arange(n)
    width = -(-n // max(points // (2 * len(columns)), 1))
    starts = np.arange(0, n, width)
    kept = [np.array([0, n - 1])]
    for column in columns:
        stretches = np.pad(column, (0, -n % width), mode="edge").reshape(-1, width)
        kept += [starts + stretches.argmin(axis=1), starts + stretches.argmax(axis=1)]
    return np.unique(np.minimum(np.concatenate(kept), n - 1))


def knots(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Rows between which straight lines follow a clock: where it is farthest off first, `TICKS` at most."""

    def worst(a: int, b: int) -> tuple[float, int, int, int]:
        off = np.abs(np.interp(x[a : b + 1], x[[a, b]], y[[a, b]]) - y[a : b + 1])
        return -float(off.max()), a, a + int(off.argmax()), b

    kept = [0, len(x) - 1]
    stretches = [worst(*kept)]
    while len(kept) < TICKS and -stretches[0][0] > STRAIGHT * np.ptp(y):
        _, a, middle, b = heapq.heappop(stretches)
        kept.append(middle)
        for ends in ((a, middle), (middle, b)):
            heapq.heappush(stretches, worst(*ends))
    return np.unique(kept)


class Curves:
    """Curves of runs and bands of cells, from the tables of training windows and of scores."""

    def __init__(
        self,
        curves: pd.DataFrame,
        snapshots: pd.DataFrame,
        cells: Sequence[Sequence[str]],
        alone: Collection[str] | None = None,
    ) -> None:
        """`cells` are the runs whose bands will be asked for; all runs' own curves will be, or only those `alone`."""
        scores = set(snapshots["score"])
        # A quantity of the same name as a score would be taken for it.
        self.quantities = {
            name: f"{name} (curve)" if name in scores else str(name) for name in curves if name not in NO_QUANTITIES
        }
        self._curves: dict[str, dict[str, Curve]] = {}
        self._clocks: dict[str, dict[str, Curve]] = {}
        # Two processes that wrote into one run's files may have left a step twice; the last one holds.
        windows = curves.drop_duplicates(["run", "step"], keep="last")
        for run, column, curve in _curves(windows, "run", list(self.quantities)):
            self._curves.setdefault(run, {})[self.quantities[column]] = curve
        scored = snapshots.drop_duplicates(["run", "step", "score"], keep="last")
        for (run, label), _, curve in _curves(scored, ["run", "score"], ["value"]):
            self._curves.setdefault(run, {})[label] = curve
        moments = pd.concat([table.reindex(columns=["run", "step", *CLOCKS]) for table in (windows, scored)])
        for run, name, (steps, values) in _curves(moments.drop_duplicates(["run", "step"]), "run", CLOCKS):
            self._clocks.setdefault(run, {})[name] = steps, np.maximum.accumulate(values)  # whatever a file says
        self.longest = max((len(x) for curves in self._curves.values() for x, _ in curves.values()), default=0)
        self.points = self._affordable(cells, alone)

    @property
    def note(self) -> str:
        """What is thinned, in words; "" where nothing is."""
        if self.longest <= self.points:
            return ""
        return f"curves of up to {self.longest:,} points are drawn with {self.points}, the extremes of each stretch among them"

    def of_run(self, run: str) -> dict[str, Columns]:
        """Every curve of a run over steps, by quantity or score label."""
        return {name: self._columns(curve[0], curve[1]) for name, curve in self._curves.get(run, {}).items()}

    def clock(self, run: str) -> dict[str, Columns]:
        """Steps, and the images and seconds that the run had behind it there; straight between them."""
        clocks = self._clocks.get(run, {})
        return {
            name: [_plain(x[kept]), _plain(y[kept], 6)] for name, (x, y) in clocks.items() for kept in [knots(x, y)]
        }

    def bands(self, runs: Iterable[str]) -> dict[str, dict[str, Columns]]:
        """Over steps and over seconds, by quantity or score label: x, the runs' mean, the lowest and the highest of them.

        They go as far as all runs that have the quantity. In seconds no two runs have points at the same moments, so each
        is interpolated linearly at the moments of all.
        """
        bands: dict[str, dict[str, Columns]] = {"steps": {}, "seconds": {}}
        own = {run: self._curves[run] for run in runs if run in self._curves}
        for name in dict.fromkeys(name for curves in own.values() for name in curves):
            parts = {run: curves[name] for run, curves in own.items() if name in curves}
            if len(parts) < 2:
                continue
            xs = [x for x, _ in parts.values()]
            alike = all(np.array_equal(xs[0], x) for x in xs[1:])
            steps = xs[0] if alike else reduce(np.intersect1d, xs)
            values = [y if alike else y[np.isin(x, steps)] for x, y in parts.values()]
            self._band(bands["steps"], name, steps, values)
            clocks = [self._clocks.get(run, {}).get("seconds") for run in parts]
            if all(clocks):
                timed = [
                    (np.interp(x, *clock), y) for (x, y), clock in zip(parts.values(), clocks, strict=True) if clock
                ]
                moments = np.sort(np.concatenate([x for x, _ in timed]))
                first, last = max(x[0] for x, _ in timed), min(x[-1] for x, _ in timed)
                moments = moments[(moments >= first) & (moments <= last) & (np.diff(moments, prepend=-np.inf) > 0)]
                moments = moments[:: 1 + len(moments) * len(timed) // MOMENTS]
                self._band(bands["seconds"], name, moments, [np.interp(moments, x, y) for x, y in timed])
        return bands

    def points_of(self, run: str, name: str) -> Columns:
        """Every point of a run's curve: steps, values."""
        return [column.tolist() for column in self._curves.get(run, {}).get(name, ())] or [[], []]

    def names(self, runs: Iterable[str]) -> list[str]:
        """Quantities that any of the runs has."""
        own = [self._curves.get(run, {}) for run in runs]
        return [name for name in self.quantities.values() if any(name in curves for curves in own)]

    def _band(self, bands: dict[str, Columns], name: str, x: np.ndarray, values: list[np.ndarray]) -> None:
        if len(x):
            every = np.stack(values)
            bands[name] = self._columns(x, every.mean(axis=0), every.min(axis=0), every.max(axis=0))

    def _columns(self, x: np.ndarray, *columns: np.ndarray) -> Columns:
        kept = thin(self.points, *columns)
        return [_plain(x[kept], 6), *(_plain(column[kept], 4) for column in columns)]

    def _affordable(self, cells: Sequence[Sequence[str]], alone: Collection[str] | None) -> int:
        """Points that a curve may have, so that all together stay within `NUMBERS` as far as `LEAST` allows."""
        own = [run for cell in cells for run in cell if alone is None or run in alone]
        lengths = [(len(x), 2) for run in own for x, _ in self._curves.get(run, {}).values()]
        for cell in cells:
            every = [self._curves.get(run, {}) for run in cell]
            for name in {name for curves in every for name in curves} if len(every) > 1 else ():
                lengths.append((max(len(curves[name][0]) for curves in every if name in curves), 8))
        counts, numbers = np.array(lengths or [(0, 0)]).T
        affordable = (n for n in range(MOST, LEAST, -4) if (np.minimum(counts, n) * numbers).sum() <= NUMBERS)
        return next(affordable, LEAST)


def _curves(table: pd.DataFrame, key: str | list[str], columns: Sequence[str]) -> Iterator[tuple[Any, str, Curve]]:
    """By key and column the curve over steps, where it has any; without values that are no finite number (never computed)."""
    table = table.sort_values("step", kind="stable")
    steps = table["step"].to_numpy(dtype=np.int64)
    values = {name: pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=float) for name in columns}
    for group, rows in table.groupby(key).indices.items():
        for name in columns:
            finite = rows[np.isfinite(values[name][rows])]
            if len(finite):
                yield group, name, (steps[finite], values[name][finite])


def _plain(values: np.ndarray, digits: int = 6) -> list[float]:
    """Numbers for JSON; whole ones as they are."""
    if values.dtype.kind == "i":
        return values.tolist()
    return [int(v) if v.is_integer() and abs(v) < 1e9 else float(f"{v:.{digits}g}") for v in values.tolist()]
