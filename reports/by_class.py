"""Scores of each class, where samples were asked for by class: of a comparison's levels, and of each run."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from gan_bench.console import one_line
from gan_bench.findings.comparisons import Comparison, Level
from gan_bench.findings.tables import Results

ROWS = 50  # classes of a table; of more, those that lie evenly between the worst and the best stand there

T = TypeVar("T")
Value = tuple[float, float]  # mean and standard deviation over seeds


@dataclass(frozen=True)
class LevelClasses:
    """One score: a row a class, a column a level."""

    title: str
    levels: list[Level]  # those that have it
    rows: list[tuple[str, list[Value | None]]]
    classes: int  # that there are


@dataclass(frozen=True)
class RunClasses:
    """One run's last snapshot: a row a class, a column a score."""

    step: int
    scores: list[str]
    rows: list[tuple[str, list[float | None]]]
    classes: int


class ByClass:
    """Finds the scores of each class."""

    def __init__(self, results: Results) -> None:
        self._steps: dict[str, int] = {}
        self._values: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
        for run, step, score, name, value in results.by_class.itertuples(index=False):
            self._steps[run], self._values[run][score][one_line(name)] = step, value

    def of_levels(self, facts: Comparison, failed: set[str]) -> list[LevelClasses]:
        """A table for each score of a comparison that is told by class, over the runs that have not failed."""
        tables = []
        for column in facts.scores:
            found: list[tuple[Level, dict[str, list[float]]]] = []
            for level in facts.levels:
                values: dict[str, list[float]] = defaultdict(list)
                for run in level.runs.values():
                    for name, value in self._of(run, column.label).items():
                        if run not in failed:
                            values[name].append(value)
                if values:
                    found.append((level, values))
            if not found:
                continue
            rows = [
                (name, [_summary(values.get(name, [])) for _, values in found])
                for name in dict.fromkeys(name for _, values in found for name in values)
            ]
            shown = _some(rows, [next((one[0] for one in own if one), np.nan) for _, own in rows])
            tables.append(LevelClasses(column.label, [level for level, _ in found], shown, len(rows)))
        return tables

    def of_run(self, run: str) -> RunClasses | None:
        """The table of a run; None where its samples were not asked for by class."""
        if run not in self._steps:
            return None
        scores = list(self._values[run])
        names = dict.fromkeys(name for score in scores for name in self._values[run][score])
        rows = [(name, [_number(self._values[run][score].get(name)) for score in scores]) for name in names]
        shown = _some(rows, [np.nan if own[0] is None else own[0] for _, own in rows])
        return RunClasses(self._steps[run], scores, shown, len(rows))

    def _of(self, run: str, score: str) -> dict[str, float]:
        return self._values[run].get(score, {}) if run in self._steps else {}


def _number(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else value


def _summary(values: list[float]) -> Value | None:
    known = [value for value in values if not np.isnan(value)]
    return (float(np.mean(known)), float(np.std(known, ddof=1)) if len(known) > 1 else float("nan")) if known else None


def _some(rows: list[T], values: list[float]) -> list[T]:
    """All rows in their order, or as many as are shown, spread over their values."""
    if len(rows) <= ROWS:
        return rows
    order = np.argsort(values, kind="stable")
    return [rows[order[place]] for place in np.linspace(0, len(rows) - 1, ROWS).round().astype(int)]
