"""What the page shows of a search: a chart of what a budget of draws buys, its table, and every draw."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gan_bench.findings.search import Search, Tuning, searches
from gan_bench.findings.settings_text import text
from gan_bench.findings.tables import Results
from gan_bench_reports.formats import number

COLOURS = 8  # of the palette in styles/base.css
WIDTH, HEIGHT = 640, 300  # of the chart, in its own units
LEFT, RIGHT, TOP, BOTTOM = 60, 12, 10, 34  # of its margins
BUDGETS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500)  # that the table has


@dataclass(frozen=True)
class Line:
    """A level's line in the chart."""

    tuning: Tuning
    colour: int
    points: str  # of an SVG polyline
    band: str  # of an SVG polygon around the part that has intervals
    dots: list[tuple[float, float, str]]  # place, and what stands there in words


@dataclass(frozen=True)
class SearchChart:
    """Levels whose draws are chosen by one score."""

    title: str
    better: str
    log: bool
    lines: list[Line]
    budgets: list[int]  # columns of the table
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    width: int = WIDTH
    height: int = HEIGHT
    box: tuple[int, int, int, int] = field(default=(LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM))


@dataclass(frozen=True)
class SearchView:
    """The search of a store."""

    facts: Search
    charts: list[SearchChart]
    intervals: bool  # whether any level has them


Colours = Mapping[tuple[str, str], int]  # of the levels of comparisons, by title and label


def search_views(results: Results, colours: Colours) -> list[SearchView]:
    """What is shown of each store's search. Levels that are compared keep their colours."""
    views = []
    for found in searches(results):
        charts = list(_charts(found.tunings, colours))
        views.append(SearchView(found, charts, any(one.interval for each in found.tunings for one in each.best)))
    return views


def chosen_values(tuning: Tuning) -> str:
    """The chosen draw's values in words."""
    chosen = tuning.chosen
    return ", ".join(f"{path} {text(value)}" for path, value in chosen.values.items()) if chosen else ""


def tuned_levels(results: Results) -> dict[tuple[str, str, str], str]:
    """Store, title and level -> the values that were chosen for it."""
    return {
        (found.store, title, label): chosen_values(tuning)
        for found in searches(results)
        for tuning in found.tunings
        for title, label in tuning.levels.items()
    }


def _charts(tunings: list[Tuning], colours: Colours) -> Iterator[SearchChart]:
    """A chart for each score that chooses, as it differs between datasets."""
    by_score: dict[str, list[tuple[int, Tuning]]] = {}
    for index, tuning in enumerate(tunings):
        if tuning.column and any(one.mean is not None for one in tuning.best):
            own = (colours[level] for level in tuning.levels.items() if level in colours)
            by_score.setdefault(tuning.column.label, []).append((next(own, index % COLOURS), tuning))
    for lines in by_score.values():
        yield _chart(lines)


def _chart(own: list[tuple[int, Tuning]]) -> SearchChart:
    column = own[0][1].column
    assert column is not None
    means = [one.mean for _, tuning in own for one in tuning.best if one.mean is not None]
    ends = [end for _, tuning in own for one in tuning.best for end in one.interval or ()]
    log = column.scale == "log" and min(means) > 0
    seen = [value for value in [*means, *ends] if value > 0 or not log]
    low, high = min(seen), max(seen)
    most = max(tuning.best[-1].k for _, tuning in own)

    def y(value: float) -> float:
        value = max(value, low)
        share = (
            math.log(value / low) / math.log(high / low) if log and high > low else (value - low) / ((high - low) or 1)
        )
        return round(HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP), 1)

    def x(k: int) -> float:
        share = math.log(k) / math.log(most) if most > 1 else 0.5
        return round(LEFT + share * (WIDTH - RIGHT - LEFT), 1)

    lines = []
    for colour, tuning in own:
        told = [(one, one.mean) for one in tuning.best if one.mean is not None]
        banded = [(x(one.k), *one.interval) for one, _ in told if one.interval]
        there, back = [(at, a) for at, a, _ in banded], [(at, b) for at, _, b in reversed(banded)]
        lines.append(
            Line(
                tuning,
                colour,
                " ".join(f"{x(one.k)},{y(value)}" for one, value in told),
                " ".join(f"{at},{y(value)}" for at, value in [*there, *back]),
                [(x(one.k), y(value), f"{tuning.label}: {number(value)} with {one.k}") for one, value in told],
            )
        )
    budgets = [k for k in BUDGETS if k < most * 0.9] + [most]
    between = [low * (high / low) ** (i / 4) if log else low + (high - low) * i / 4 for i in range(5)]
    return SearchChart(
        title=column.title,
        better=column.better,
        log=log,
        lines=lines,
        budgets=budgets,
        x_ticks=[(x(k), str(k)) for k in budgets],
        y_ticks=[(y(value), number(value)) for value in between],
    )


def budget_cell(tuning: Tuning, k: int) -> dict[str, Any]:
    """What the table says of k draws of a level."""
    one = next((one for one in tuning.best if one.k == k), None)
    return {"mean": one and one.mean, "interval": one and one.interval, "none": one.none if one else 0.0}
