"""What a store's comparisons say: each level's scores, its paired difference to the reference, and the verdicts.

`compare` is what the report, the exported tables and the command line's last lines are made of. Of each comparison the
grid's first metric is tested, and all tests of one report are corrected together (`gan_bench.statistics`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from gan_bench.effects import effects
from gan_bench.finding_text import details, effect_sentence, sentence
from gan_bench.grid.labels import plugin_text, tricks_text
from gan_bench.questions import Question, questions
from gan_bench.results import Results, ScoreColumn
from gan_bench.settings_text import text
from gan_bench.statistics import Finding, Verdict, correct, paired_difference

STATUSES = ("finished", "failed", "unfinished", "damaged")
SIZES = ("generator_parameters", "discriminator_parameters", "generator_flops", "discriminator_flops")
MEANS = (*SIZES, "seconds", "images_per_second", "peak_memory")


@dataclass(frozen=True)
class Value:
    """Mean and standard deviation over seeds of one score at one moment."""

    mean: float
    deviation: float
    n: int
    best: bool = False  # the best mean of the comparison's levels


@dataclass
class Level:
    """One row of a comparison's table."""

    label: str
    reference: bool
    runs: dict[int, str]  # by seed
    seeds: dict[str, list[int]]  # by status: finished, failed, unfinished, damaged
    values: dict[str, dict[str, Value]]  # by score label, then last or best
    numbers: dict[str, float | None]  # means: parameters, FLOPs an image, seconds, images a second, peak memory
    stale: int  # runs whose results are out of date

    @property
    def cell(self) -> tuple[str, ...]:
        """What it shares with equal levels of other comparisons: its runs."""
        return tuple(sorted(self.runs.values()))

    @property
    def missing(self) -> list[int]:
        """Seeds that have neither finished nor failed."""
        return self.seeds["unfinished"] + self.seeds["damaged"]

    @property
    def troubled(self) -> str:
        """Runs that are missing in the means, and those that are out of date, in words."""
        counts = {status: len(seeds) for status, seeds in self.seeds.items() if status != "finished"}
        return ", ".join(f"{n} {status}" for status, n in {**counts, "stale": self.stale}.items() if n)


@dataclass
class Difference:
    """A level's difference to the reference, with its sentence."""

    level: Level
    finding: Finding
    primary: bool  # whether a verdict is given: of the grid's first metric alone
    sentence: str = ""
    details: str = ""

    @property
    def verdict(self) -> Verdict:
        """What is said of it."""
        return self.finding.verdict if self.primary else "not tested"


@dataclass
class AxisEffect:
    """A main effect or an interaction of a product comparison, with its sentence."""

    finding: Finding
    change: str  # the levels, in words
    references: str
    others: str  # axes that it is averaged over
    turns: bool
    sentence: str = ""


@dataclass
class Comparison:
    """One question, and what the runs say to it."""

    stores: list[str]  # whose runs these are
    title: str
    axes: list[str]
    budget: str
    levels: list[Level]
    scores: list[ScoreColumn]  # those that its runs have; the first is the headline's
    words: list[
        tuple[str, ...]
    ]  # of each level its value of each axis; empty where these are not known or not distinct
    real: dict[str, tuple[float, float]]  # by score label: the floor, and the number of real samples in it
    looks: int  # most snapshots that a best one was picked from
    differences: dict[str, list[Difference]] = field(default_factory=dict)  # by score label
    effects: list[AxisEffect] = field(default_factory=list)  # of a product of axes, by the headline score

    beside: list[Comparison] = field(default_factory=list)  # the same question in each store that asks it, untested
    apart: str = ""  # why it is not pooled with the same question of another store
    notes: list[str] = field(default_factory=list)  # on how it was pooled
    doubles: list[str] = field(default_factory=list)  # runs that do not count, for another store's copies do

    @property
    def store(self) -> str:
        """The stores in words."""
        return " and ".join(self.stores)

    @property
    def reference(self) -> Level:
        """The level that the others are compared with."""
        return next((level for level in self.levels if level.reference), self.levels[0])

    @property
    def headline(self) -> ScoreColumn | None:
        """The score that the short answer is about: the first of the grid's metrics."""
        return self.scores[0] if self.scores else None

    @property
    def answers(self) -> list[Difference]:
        """The headline score's differences."""
        return self.differences[self.headline.label] if self.headline else []

    @property
    def runs(self) -> list[str]:
        """Runs of all levels."""
        return [run for level in self.levels for run in level.runs.values()]

    @property
    def seeds(self) -> list[int]:
        """Seeds of all levels."""
        return sorted({seed for level in self.levels for seed in level.runs})


def compare(results: Results) -> list[Comparison]:
    """All comparisons, store by store, in the grid's order; equal ones of several stores together (`gan_bench.questions`)."""
    runs = results.runs.set_index("run")
    comparisons = [_comparison(results, runs, question) for question in questions(results)]
    _correct(comparisons)
    scored = set(results.snapshots[["run", "score"]].itertuples(index=False, name=None))
    for comparison in comparisons:
        _put_into_words(comparison, runs, scored)
    return comparisons


def _comparison(results: Results, runs: pd.DataFrame, question: Question, *, alone: bool = False) -> Comparison:
    stores, asked = question.stores, question.asked
    levels = [_level(results, runs, level) for level in asked["levels"]]
    mine = results.snapshots[results.snapshots["run"].isin({run for level in levels for run in level.runs.values()})]
    scores = [column for column in results.scores if column.label in set(mine["score"])]
    for column in scores:
        _mark_best(column, levels)
    real = results.real[results.real["store"].isin(stores)]
    floors = {row.score: (row.value, row.generated) for row in real.itertuples() if not math.isnan(row.value)}
    axes = asked.get("axes", [])
    comparison = Comparison(
        stores=stores,
        title=asked["title"],
        axes=axes,
        budget=asked.get("budget", "steps"),
        levels=levels,
        scores=scores,
        words=_words(axes, [level.get("values") for level in asked["levels"]]),
        real={column.label: floors[column.label] for column in scores if column.label in floors},
        looks=int(mine.groupby("run")["step"].nunique().max()) if len(mine) else 0,
        beside=[] if alone else [_comparison(results, runs, other, alone=True) for other in question.beside],
        apart=question.apart,
        notes=question.notes,
        doubles=question.doubles,
    )
    reference = comparison.reference
    for column in scores:
        comparison.differences[column.label] = [
            Difference(level, _difference(runs, level, reference, column), primary=column is scores[0])
            for level in levels
            if level is not reference
        ]
    comparison.effects = _effects(comparison, runs)
    return comparison


def _level(results: Results, runs: pd.DataFrame, asked: dict[str, Any]) -> Level:
    by_seed = {int(seed): run for seed, run in asked["runs"].items()}
    seeds: dict[str, list[int]] = {status: [] for status in STATUSES}
    for seed, run in by_seed.items():
        seeds[runs.at[run, "status"]].append(seed)
    finished = runs.loc[[by_seed[seed] for seed in seeds["finished"]]]
    known = runs.loc[list(by_seed.values())]
    return Level(
        asked["label"],
        asked["reference"],
        by_seed,
        seeds,
        values={
            column.label: {moment: _value(finished[f"{column.label} {moment}"]) for moment in ("last", "best")}
            for column in results.scores
        },
        numbers={name: _mean(known if name in SIZES else finished, name) for name in MEANS},
        stale=int((known["stale"] != "").sum()),
    )


def _value(values: pd.Series) -> Value:
    values = values.dropna()
    return Value(float(values.mean()), float(values.std(ddof=1)), len(values))


def _mean(table: pd.DataFrame, name: str) -> float | None:
    values = table[name].dropna() if name in table else []
    return float(sum(values) / len(values)) if len(values) else None


def _mark_best(column: ScoreColumn, levels: list[Level]) -> None:
    """Mark the best mean of each moment, where there are at least two to choose from."""
    for moment in ("last", "best"):
        scored = [level.values[column.label] for level in levels if level.values[column.label][moment].n]
        if len(scored) > 1:
            best = (max if column.better == "higher" else min)(scored, key=lambda values: values[moment].mean)
            best[moment] = replace(best[moment], best=True)


def last_scores(runs: pd.DataFrame, level: Level, column: ScoreColumn) -> dict[int, float]:
    """Scores of a level's finished runs, at their last snapshot, by seed. `runs` is `Results.runs` by run."""
    return {seed: float(runs.at[level.runs[seed], f"{column.label} last"]) for seed in level.seeds["finished"]}


def _difference(runs: pd.DataFrame, level: Level, reference: Level, column: ScoreColumn) -> Finding:
    return paired_difference(
        last_scores(runs, level, column),
        last_scores(runs, reference, column),
        column.scale,
        column.better,
        (level.seeds["failed"], reference.seeds["failed"]),
    )


def _words(axes: list[str], values: list[Any]) -> list[tuple[str, ...]]:
    """Each level's value of each axis; none of a store that does not say them, or in which two levels have the same."""
    if not all(isinstance(each, dict) and each.keys() >= set(axes) for each in values):
        return []
    words = [tuple(_axis_text(axis, each[axis]) for axis in axes) for each in values]
    return words if len(set(words)) == len(words) else []


def _axis_text(axis: str, value: Any) -> str:
    """One axis' value in words."""
    if axis == "tricks" and isinstance(value, list):
        return tricks_text([trick if isinstance(trick, dict) else {"name": text(trick)} for trick in value])
    if isinstance(value, dict):
        return plugin_text(value)
    return text(value) if "." not in axis else f"{axis.rpartition('.')[2]} {text(value)}"


def _effects(comparison: Comparison, runs: pd.DataFrame) -> list[AxisEffect]:
    """What each axis does, and how that depends on another."""
    column, axes = comparison.headline, comparison.axes
    if column is None or len(axes) < 2 or not comparison.words:
        return []
    cells = dict(zip(comparison.words, comparison.levels, strict=True))
    scores = {words: last_scores(runs, level, column) for words, level in cells.items()}
    reference = next(words for words, level in cells.items() if level is comparison.reference)
    return [
        AxisEffect(
            effect.finding,
            change=" together with ".join(level for _, level in effect.changed),
            references=" and ".join(reference[axis] for axis, _ in effect.changed)
            + (", beyond the sum of both alone" if len(effect.changed) > 1 else ""),
            others=" and ".join(axis for i, axis in enumerate(axes) if i not in {axis for axis, _ in effect.changed}),
            turns=effect.turns,
        )
        for effect in effects(scores, reference, column.scale, column.better)
    ]


def _correct(comparisons: list[Comparison]) -> None:
    """Correct what is tested for the number of tests in this report; of equal runs there is one."""
    tests: dict[Any, list[Difference | AxisEffect]] = {}
    for i, comparison in enumerate(comparisons):
        for answer in comparison.answers:
            same = (comparison.headline, answer.level.cell, comparison.reference.cell)
            tests.setdefault((same[0] and same[0].label, *same[1:]), []).append(answer)
        for j, effect in enumerate(comparison.effects):
            tests[i, j] = [effect]
    for same_test, finding in zip(tests.values(), correct([one[0].finding for one in tests.values()]), strict=True):
        for test in same_test:
            test.finding = finding


def _put_into_words(comparison: Comparison, runs: pd.DataFrame, scored: set[tuple[str, str]]) -> None:
    headline, reference = comparison.headline, comparison.reference
    for column in comparison.scores:
        for entry in comparison.differences[column.label]:
            both = (entry.level, reference)
            entry.sentence = sentence(
                entry.finding,
                level=entry.level.label,
                reference=reference.label,
                score=column.title,
                primary=None if entry.primary or headline is None else headline.label,
                failed={each.label: each.seeds["failed"] for each in both},
                missing={each.label: each.missing for each in both},
                unscored={each.label: _unscored(each, column, runs, scored) for each in both},
            )
            entry.details = "; ".join(details(entry.finding))
    for effect in comparison.effects:
        effect.sentence = effect_sentence(
            effect.finding,
            change=effect.change,
            references=effect.references,
            score=headline.title if headline else "",
            others=effect.others,
            turns=effect.turns,
        )


def _unscored(level: Level, column: ScoreColumn, runs: pd.DataFrame, scored: set[tuple[str, str]]) -> list[int]:
    """Seeds that finished without this score; none where no run of the level has it, as on another dataset."""
    if not any((run, column.label) in scored for run in level.runs.values()):
        return []
    return [seed for seed, value in last_scores(runs, level, column).items() if math.isnan(value)]
