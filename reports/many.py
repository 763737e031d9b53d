"""A page of thousands of runs: what answers the grid's questions, and of each run's own things a sample.

Verdicts rest on all runs; so do means, bands and the summaries of cells. `gan-bench watch` serves what is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from gan_bench.findings.answers import best_first, by_standing
from gan_bench.findings.comparisons import Comparison, Level
from gan_bench.findings.score_columns import ScoreColumn
from gan_bench.findings.tables import Results

MANY_RUNS = 2_000  # of which a page shows no more than aggregates
LEVELS, LEAST_LEVELS = 24, 6  # of a comparison, of which it shows findings, curves and pictures
ALL_LEVELS = 120  # of all comparisons together, as far as `LEAST_LEVELS` allows
EFFECTS = 200  # of a comparison's axes that are listed
CELLS = 1_000  # rows in the table of cells
TROUBLED = 60  # runs that failed, or are damaged or stale, whose details are shown


def shortened(facts: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons with the reference and the best of their levels alone, where they have too many."""
    most = max(LEAST_LEVELS, min(LEVELS, ALL_LEVELS // max(1, len(facts))))
    return [_shortened(one, most) for one in facts]


def _shortened(facts: Comparison, most: int) -> Comparison:
    ranked: Iterable[Level] = (entry.level for entry in best_first(facts.answers))
    if len(facts.headlines) > 1:
        ranked = (one.level for one in by_standing(facts))
    kept = {id(level) for level in [facts.reference, *(list(ranked) or facts.levels)][:most]}
    levels = [level for level in facts.levels if id(level) in kept]
    differences = {
        score: [entry for entry in entries if id(entry.level) in kept] for score, entries in facts.differences.items()
    }
    words = [own for own, level in zip(facts.words, facts.levels, strict=False) if id(level) in kept]
    return replace(facts, levels=levels, words=words, differences=differences)


@dataclass(frozen=True)
class Sample:
    """Which runs a page shows something of."""

    bands: frozenset[str]  # whose curves are in bands
    alone: frozenset[str]  # of each level that is shown the first: with its curves, and a slider of its pictures
    gallery: frozenset[str]  # of each such level the one with the best score

    @classmethod
    def of(cls, results: Results, facts: Sequence[Comparison]) -> Sample:
        """What is shown of these comparisons."""
        runs = results.runs.set_index("run")
        alone, best = set(), set()
        for one in facts:
            for level in one.levels:
                seeds = level.seeds["finished"] or list(level.runs)
                alone |= {level.runs[min(seeds)]} if seeds else set()
                if one.headline and level.seeds["finished"]:
                    own = runs[f"{one.headline.label} best"].loc[[level.runs[seed] for seed in seeds]].dropna()
                    if len(own):
                        best.add(own.idxmin() if one.headline.better == "lower" else own.idxmax())
        every = {run for one in facts for run in one.runs}
        return cls(frozenset(every), frozenset(alone), frozenset(best))

    def part(self, results: Results) -> Results:
        """Results with no more curves and pictures than are shown."""
        shown = self.alone | self.gallery
        return replace(
            results,
            curves=results.curves[results.curves["run"].isin(self.bands)],
            snapshots=results.snapshots[results.snapshots["run"].isin(self.bands)],
            pictures=results.pictures[results.pictures["run"].isin(shown)],
            neighbours=results.neighbours[results.neighbours["run"].isin(shown)],
        )


@dataclass(frozen=True)
class CellRow:
    """The runs of one cell, in short."""

    number: int
    name: str
    store: str  # where several are shown
    runs: list[str]
    statuses: dict[str, int]
    health: dict[str, int]  # how many have which diagnosis
    scores: list[
        tuple[float, float, int]
    ]  # of each column mean and standard deviation at the last snapshot, and of how many
    seconds: float  # mean training time

    @property
    def finished(self) -> int:
        """How many have finished."""
        return self.statuses.get("finished", 0)

    @property
    def troubled(self) -> str:
        """Those that have not, in words."""
        return ", ".join(f"{n} {status}" for status, n in self.statuses.items() if status != "finished")


def cell_rows(results: Results, columns: Sequence[ScoreColumn]) -> list[CellRow]:
    """All cells, store by store, in the grid's order."""
    place = {run: i for i, run in reversed([*enumerate(results.comparisons["run"])])}
    runs = results.runs.assign(place=results.runs["run"].map(place).fillna(len(place)))
    runs["cell"] = runs["cell"].where(runs["cell"] != "", runs["run"])
    several = len(results.stores) > 1
    groups = sorted(
        runs.groupby(["store", "cell"], sort=False), key=lambda group: (group[0][0], group[1]["place"].min())
    )
    return [
        _row(number, name, store if several else "", own, columns)
        for number, ((store, name), own) in enumerate(groups, 1)
    ]


def _row(number: int, name: str, store: str, own: pd.DataFrame, columns: Sequence[ScoreColumn]) -> CellRow:
    finished = own[own["status"] == "finished"]
    scores = [finished[f"{column.label} last"].dropna() for column in columns]
    health = Counter(name for names in own["health"] if names and names != "healthy" for name in names.split(", "))
    return CellRow(
        number,
        name,
        store,
        own["run"].tolist(),
        own["status"].value_counts().to_dict(),
        dict(health.most_common()),
        [(float(values.mean()), float(values.std(ddof=1)), len(values)) for values in scores],
        float(pd.to_numeric(finished["seconds"]).mean()) if len(finished) else float("nan"),
    )


def troubled(results: Results) -> list[str]:
    """Runs that failed, are damaged or stale: as many as are shown, some of each cause."""
    runs = results.runs
    wrong = runs[runs["status"].isin(("failed", "damaged")) | (runs["stale"] != "")]
    place = wrong.groupby(["status", "reason", "stale"]).cumcount()
    return wrong.assign(place=place).sort_values("place", kind="stable")["run"].head(TROUBLED).tolist()
