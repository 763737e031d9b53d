"""Curves as the page holds them: thinned, a run's once, and a mean over seeds for each cell."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

QUANTITIES = ("loss_d", "loss_g", "logit_real", "logit_fake")
POINTS = 500  # a curve of more points is thinned

Curve = tuple[list[int], list[float]]


def thin(x: np.ndarray, y: np.ndarray, points: int = POINTS) -> tuple[np.ndarray, np.ndarray]:
    """At most `points` + 2 of a curve's points: its ends, and the lowest and highest of each stretch (no spike is lost)."""
    n = len(x)
    if n <= points:
        return x, y
    edges = np.linspace(0, n, points // 2 + 1).astype(int)[:-1]
    stretch = np.searchsorted(edges, np.arange(n), side="right") - 1
    by_value = np.lexsort((y, stretch))  # within each stretch in order of value
    lowest, highest = by_value[edges], by_value[np.append(edges[1:], n) - 1]
    keep = np.unique(np.concatenate([[0, n - 1], lowest, highest]))
    return x[keep], y[keep]


def curve(x: np.ndarray, y: np.ndarray) -> Curve:
    """A thinned curve as JSON values; values that are no finite number (never computed) are left out."""
    finite = np.isfinite(y)
    x, y = thin(x[finite], y[finite])
    return x.astype(int).tolist(), [float(f"{value:.4g}") for value in y]


class Curves:
    """Curves of runs and of cells, from the tables of training windows and of scores."""

    def __init__(self, curves: pd.DataFrame, snapshots: pd.DataFrame) -> None:
        quantities = [name for name in QUANTITIES if name in curves]
        # Two processes that wrote into one run's files may have left a step twice; the last one holds.
        windows = curves.drop_duplicates(["run", "step"], keep="last")
        scores = snapshots.drop_duplicates(["run", "step", "score"], keep="last")
        self.windows = {run: table[["step", *quantities]] for run, table in windows.groupby("run")}
        self.scores = {
            run: table.pivot(index="step", columns="score", values="value") for run, table in scores.groupby("run")
        }

    def of_run(self, run: str) -> dict[str, Curve]:
        """Every curve of a run, by quantity or score label."""
        return self._all(self._table(run))

    def mean(self, runs: Iterable[str]) -> dict[str, Curve]:
        """The mean over runs, at the steps that all of them have reached."""
        tables = [table for table in map(self._table, runs) if len(table)]
        if len(tables) < 2:
            return {}
        end = min(table.index.max() for table in tables)
        every = pd.concat(tables)
        return self._all(every[every.index <= end].groupby(level=0).mean())

    def _table(self, run: str) -> pd.DataFrame:
        parts = []
        if run in self.windows:
            parts.append(self.windows[run].set_index("step"))
        if run in self.scores:
            parts.append(self.scores[run])
        return pd.concat(parts, axis=1).sort_index() if parts else pd.DataFrame()

    @staticmethod
    def _all(table: pd.DataFrame) -> dict[str, Curve]:
        steps = table.index.to_numpy()
        return {str(name): curve(steps, table[name].to_numpy(dtype=float)) for name in table.columns}
