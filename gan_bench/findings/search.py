"""What a store's search found: each level's draws, the best that a budget of draws buys, and what became of the chosen one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import mean
from typing import Any

import pandas as pd

from gan_bench.findings.score_columns import ScoreColumn
from gan_bench.findings.tables import Results, run_key
from gan_bench.stats.tuning import BestOf, best_of, budgets
from gan_bench.store.grid_json import GridTuning


@dataclass(frozen=True)
class DrawFound:
    """A draw, and how its runs ended."""

    number: int
    values: dict[str, Any]  # by the setting's path
    runs: list[str]  # keys of the tables
    status: str  # finished, failed, unfinished, damaged: the worst of its runs'
    score: float | None  # mean over its runs at their last snapshots; None: some have none
    chosen: bool


@dataclass(frozen=True)
class Tuning:
    """The search of a level."""

    label: str  # of its cell
    levels: dict[str, str]  # title of a comparison -> what the level is called there
    column: ScoreColumn | None  # the score that chooses; None: no run has it yet
    draws: list[DrawFound]
    tested: list[float]  # the same number of the chosen draw's runs with fresh seeds, on the test half
    dependent: bool = False  # whether draws follow from the results of others: no subset stands for a smaller search

    @property
    def missing(self) -> int:
        """Draws that have not ended."""
        return sum(draw.status in ("unfinished", "damaged") for draw in self.draws)

    @property
    def chosen(self) -> DrawFound | None:
        """The draw that trains again."""
        return next((draw for draw in self.draws if draw.chosen), None)

    @property
    def paths(self) -> list[str]:
        """The settings that are drawn."""
        return list(dict.fromkeys(path for draw in self.draws for path in draw.values))

    def _first(self, k: int) -> float | None:
        """The best score of the first k draws."""
        scores = [draw.score for draw in self.draws[:k] if draw.score is not None]
        best = max if self.column and self.column.better == "higher" else min
        return best(scores) if scores else None

    @cached_property
    def best(self) -> list[BestOf]:
        """The expected best of each number of draws; where they are dependent, the best of the first ones.

        None while draws are missing, for those that take long may be the best.
        """
        scores = [draw.score for draw in self.draws if draw.score is not None]
        if self.missing or self.column is None:
            return []
        if self.dependent:
            return [BestOf(k, self._first(k), None, 0.0) for k in budgets(len(self.draws))]
        return best_of(scores, len(self.draws) - len(scores), self.column.better)


@dataclass(frozen=True)
class Search:
    """The search of a store."""

    store: str
    tunings: list[Tuning]
    to_come: int  # runs of the second stage, while it is not known which
    undrawn: int  # draws of all levels that follow from the results of others

    @property
    def missing(self) -> int:
        """Draws of all levels that have not ended."""
        return self.undrawn + sum(tuning.missing for tuning in self.tunings)

    @property
    def draws(self) -> int:
        """Draws of all levels."""
        return self.undrawn + sum(len(tuning.draws) for tuning in self.tunings)

    @property
    def dependent(self) -> bool:
        """Whether draws follow from the results of others."""
        return any(tuning.dependent for tuning in self.tunings)


def searches(results: Results) -> list[Search]:
    """The searches of the stores that have one."""
    runs = results.runs.set_index("run")
    found = []
    for name, grid in results.grids.items():
        if asked := grid.search:
            tunings = [_tuning(results, runs, name, level, asked.sampler != "random") for level in asked.levels]
            found.append(Search(name, tunings, asked.to_come, asked.undrawn))
    return found


def _tuning(results: Results, runs: pd.DataFrame, store: str, level: GridTuning, dependent: bool) -> Tuning:
    column = next((one for one in results.scores if one.protocol_id == level.score.protocol_id), None)
    draws = []
    for number, draw in enumerate(level.draws):
        keys = [run_key(run, store, results.grids) for run in draw.runs.values()]
        values = _last(runs, keys, column)
        score = mean(values) if len(values) == len(keys) else None
        draws.append(DrawFound(number, draw.values, keys, _status(runs, keys), score, number == level.chosen))
    return Tuning(level.label, level.levels, column, draws, _tested(results, runs, store, level, column), dependent)


def _status(runs: pd.DataFrame, keys: Sequence[str]) -> str:
    found = set(runs.loc[list(keys), "status"])
    return next(status for status in ("damaged", "unfinished", "failed", "finished") if status in found)


def _last(runs: pd.DataFrame, keys: Sequence[str], column: ScoreColumn | None) -> list[float]:
    """Scores of finished runs at their last snapshots."""
    if column is None:
        return []
    own = runs.loc[list(keys)]
    values: list[float] = own.loc[own["status"] == "finished", f"{column.label} last"].dropna().tolist()
    return values


def _tested(
    results: Results, runs: pd.DataFrame, store: str, level: GridTuning, column: ScoreColumn | None
) -> list[float]:
    """Scores of the runs that the chosen draw has in a comparison, by the number that chose it."""
    of = [one for one in results.grids[store].comparisons if one.title in level.levels]
    found = [each for each in of[0].levels if each.label == level.levels[of[0].title]] if of else []
    if column is None or level.chosen is None or not found:
        return []
    keys = [run_key(run, store, results.grids) for run in found[0].runs.values()]
    same = [
        one
        for one in results.scores
        if one.protocol.get("split") != column.protocol.get("split")
        and all(
            one.protocol.get(key) == column.protocol.get(key) for key in ("metric", "features", "extractor", "number")
        )
    ]
    return next((values for one in same if (values := _last(runs, keys, one))), [])
