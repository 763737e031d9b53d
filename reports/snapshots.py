"""The numbers behind the charts of scores, as tables: for whoever can't see the charts, or has no JavaScript."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gan_bench.findings.comparisons import Comparison
from gan_bench_reports.curves import Curves

ROWS = 24  # of a table; of more snapshots some are left out


@dataclass(frozen=True)
class SnapshotTable:
    """One score at the snapshots: a row a snapshot, a column a level."""

    title: str
    better: str
    rows: list[tuple[int, list[tuple[float, float, float] | None]]]  # step; of each level mean, lowest and highest seed
    left_out: int


def snapshot_tables(facts: Comparison, curves: Curves, failed: set[str]) -> list[SnapshotTable]:
    """A table for each score of a comparison, over the runs that have not failed."""
    tables = []
    for column in facts.scores:
        levels = [
            [
                dict(zip(*curves.points_of(run, column.label), strict=True))
                for run in level.runs.values()
                if run not in failed
            ]
            for level in facts.levels
        ]
        steps = sorted({step for level in levels for values in level for step in values})
        chosen = [
            steps[i] for i in np.unique(np.linspace(0, len(steps) - 1, min(len(steps), ROWS)).round().astype(int))
        ]
        rows = [
            (step, [_summary([values[step] for values in level if step in values]) for level in levels])
            for step in chosen
        ]
        if rows:
            tables.append(SnapshotTable(column.title, column.better, rows, len(steps) - len(chosen)))
    return tables


def _summary(values: list[float]) -> tuple[float, float, float] | None:
    return (sum(values) / len(values), min(values), max(values)) if values else None
