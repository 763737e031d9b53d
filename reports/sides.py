"""The picture of both sides of an answer: quality against diversity, a dot a seed, a cross a level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from gan_bench.findings.comparisons import Comparison, Level
from gan_bench.findings.differences import last_scores
from gan_bench.findings.score_columns import ScoreColumn
from gan_bench.findings.sides import Sides
from gan_bench_reports.formats import minus

DOTS = 6  # levels at most whose seeds are drawn beside their means
TICKS = 4  # about so many on an axis
WIDTH, HEIGHT = 320, 210  # of the picture, in its own units


@dataclass(frozen=True)
class Side:
    """One axis: from worse to better, left to right or upwards, whichever way the number itself goes."""

    column: ScoreColumn
    worst: float  # at 0
    best: float
    length: int
    ticks: tuple[tuple[float, str], ...] = ()  # position and label

    def at(self, value: float) -> float:
        """Position of a value from the worse end."""
        return round(self.length * (value - self.worst) / (self.best - self.worst), 1)


@dataclass(frozen=True)
class Mark:
    """A level in the picture."""

    level: Level
    dots: tuple[tuple[float, float], ...]  # places of seeds: to better quality, and to more diversity
    mean: tuple[float, float] | None
    said: str  # beside the reference
    standing: str


@dataclass(frozen=True)
class SidesPicture:
    """Quality from left to right, diversity upwards."""

    quality: Side
    diversity: Side
    marks: tuple[Mark, ...]
    real: tuple[float, float] | None  # where real training data stand


def sides_picture(comparison: Comparison, runs: pd.DataFrame) -> SidesPicture | None:
    """The picture of a comparison that is tested on both sides; None of another, or without a run that has both.

    `runs` is `Results.runs` by run.
    """
    both = [next((c for c in comparison.headlines if c.side == side), None) for side in ("quality", "diversity")]
    if both[0] is None or both[1] is None:
        return None
    columns = both[0], both[1]
    points = {id(level): _points(runs, level, columns) for level in comparison.levels}
    every = [point for own in points.values() for point in own]
    if not every:
        return None
    floors = [comparison.real.get(column.label) for column in columns]
    real = (floors[0][0], floors[1][0]) if floors[0] and floors[1] else None
    shown = [*every, real] if real else every
    quality, diversity = (
        _side(column, length, values)
        for column, length, values in zip(columns, (WIDTH, HEIGHT), zip(*shown, strict=True), strict=True)
    )

    def place(point: Sequence[float]) -> tuple[float, float]:
        return quality.at(point[0]), diversity.at(point[1])

    sides = {id(tests[0].level): Sides(comparison, tests) for tests in comparison.tests}
    dots = len(comparison.levels) <= DOTS
    marks = []
    for level in comparison.levels:
        own, beside = points[id(level)], sides.get(id(level))
        said = "reference" if level.reference else (beside.adjectives or beside.standing if beside else "")
        marks.append(
            Mark(
                level,
                tuple(map(place, own)) if dots else (),
                place(np.mean(own, axis=0)) if own else None,
                said,
                beside.standing if beside else "not tested",
            )
        )
    return SidesPicture(quality, diversity, tuple(marks), place(real) if real else None)


def _points(runs: pd.DataFrame, level: Level, columns: tuple[ScoreColumn, ScoreColumn]) -> list[tuple[float, float]]:
    first, second = (last_scores(runs, level, column) for column in columns)
    both = [(first[seed], second[seed]) for seed in first]
    return [point for point in both if all(map(math.isfinite, point))]


def _side(column: ScoreColumn, length: int, values: Sequence[float]) -> Side:
    low, high = min(values), max(values)
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 0.05
    ends = low - margin, high + margin
    if column.unit == "share":
        ends = max(ends[0], -0.02), min(ends[1], 1.02)
    worst, best = ends if column.better == "higher" else ends[::-1]
    step = _step((ends[1] - ends[0]) / TICKS)
    ticks = [step * i for i in range(math.ceil(ends[0] / step), math.floor(ends[1] / step) + 1)]
    side = Side(column, worst, best, length)
    return replace(side, ticks=tuple((side.at(tick), minus(f"{round(tick, 12):g}")) for tick in ticks))


def _step(rough: float) -> float:
    """The nearest of 1, 2, 5 times a power of ten that is not smaller."""
    power = 10 ** math.floor(math.log10(rough))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= rough)
