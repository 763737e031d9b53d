"""What a store's comparisons say: each level's scores, its paired difference to the reference, and the verdicts.

`compare` is what the report, the exported tables and the command line's last lines are made of. Of each comparison the
grid's first metric is tested, and all tests of one report are corrected together (`gan_bench.statistics`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from gan_bench.budgets import AtBudget, Budget, at_budgets
from gan_bench.effects import effects
from gan_bench.finding_text import details, effect_sentence, sentence
from gan_bench.grid.labels import plugin_text, tricks_text
from gan_bench.looks import Look, ended, looks_in, seeds_of
from gan_bench.results import Results, ScoreColumn, run_key
from gan_bench.sequential import at_look
from gan_bench.settings_text import text
from gan_bench.statistics import SEEDS_FOR_A_TEST, Finding, Verdict, correct, paired_difference

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
    seeds: frozenset[int] = frozenset()  # that it is about: those of looks whose runs have all ended
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
    failed: dict[str, list[int]]  # by cell: seeds that are left out because their runs failed
    missing: dict[str, list[int]]  # or have not ended
    sentence: str = ""


@dataclass
class Comparison:
    """One question, and what the runs say to it."""

    store: str
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
    best_again: (
        bool  # whether best snapshots have scores on other samples than those they were picked by; else these stand
    )
    seed_looks: list[Look]  # that were taken while seeds were added; empty where seeds are the grid's
    differences: dict[str, list[Difference]] = field(default_factory=dict)  # by score label
    effects: list[AxisEffect] = field(default_factory=list)  # of a product of axes, by the headline score
    budgets: dict[Budget, list[AtBudget]] = field(
        default_factory=dict
    )  # at equal images and seconds, by the headline score

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


def compare(results: Results, *, words: bool = True) -> list[Comparison]:
    """All comparisons, store by store, in the grid's order; without `words`, which take most of the time, no sentences."""
    runs = results.runs.set_index("run")
    comparisons = [
        _comparison(results, runs, store, comparison)
        for store, grid in results.grids.items()
        for comparison in grid["comparisons"]
    ]
    _correct(comparisons)
    scored = set(results.snapshots[["run", "score"]].itertuples(index=False, name=None))
    for comparison in comparisons if words else ():
        _put_into_words(comparison, runs, scored)
        if comparison.headline:
            comparison.budgets = at_budgets(
                results.snapshots, comparison.levels, comparison.reference, comparison.headline
            )
    return comparisons


def _comparison(results: Results, runs: pd.DataFrame, store: str, asked: dict[str, Any]) -> Comparison:
    levels = [_level(results, runs, store, level) for level in asked["levels"]]
    mine = results.snapshots[results.snapshots["run"].isin({run for level in levels for run in level.runs.values()})]
    scores = [column for column in results.scores if column.label in set(mine["score"])]
    again = _score_best_again(runs, levels, scores)
    for column in scores:
        _mark_best(column, levels)
    real = results.real[results.real["store"] == store]
    floors = {row.score: (row.value, row.generated) for row in real.itertuples() if not math.isnan(row.value)}
    axes = asked.get("axes", [])
    comparison = Comparison(
        store=store,
        title=asked["title"],
        axes=axes,
        budget=asked.get("budget", "steps"),
        levels=levels,
        scores=scores,
        words=_words(axes, [level.get("values") for level in asked["levels"]]),
        real={column.label: floors[column.label] for column in scores if column.label in floors},
        looks=int(mine.groupby("run")["step"].nunique().max()) if len(mine) else 0,
        best_again=again,
        seed_looks=looks_in(asked),
    )
    reference = comparison.reference
    for column in scores:
        comparison.differences[column.label] = [
            _difference(runs, level, reference, column, comparison.seed_looks, primary=column is scores[0])
            for level in levels
            if level is not reference
        ]
    comparison.effects = _effects(comparison, runs)
    return comparison


def _level(results: Results, runs: pd.DataFrame, store: str, asked: dict[str, Any]) -> Level:
    by_seed = {int(seed): run_key(run, store, results.stores) for seed, run in asked["runs"].items()}
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


def _score_best_again(runs: pd.DataFrame, levels: list[Level], scores: list[ScoreColumn]) -> bool:
    """Give each level the best snapshots' scores on other samples, if all of these runs have them, as older stores don't."""
    finished = {id(level): runs.loc[[level.runs[seed] for seed in level.seeds["finished"]]] for level in levels}
    every = pd.concat(finished.values()) if finished else runs.iloc[:0]
    names = [(f"{column.label} best", f"{column.label} best again") for column in scores]
    if not scores or any(new not in runs or (every[old].notna() & every[new].isna()).any() for old, new in names):
        return False
    for level in levels:
        for column, (_, new) in zip(scores, names, strict=True):
            level.values[column.label]["best"] = _value(finished[id(level)][new])
    return True


def _mark_best(column: ScoreColumn, levels: list[Level]) -> None:
    """Mark the best mean of each moment, where there are at least two to choose from."""
    for moment in ("last", "best"):
        scored = [level.values[column.label] for level in levels if level.values[column.label][moment].n]
        if len(scored) > 1:
            best = (max if column.better == "higher" else min)(scored, key=lambda values: values[moment].mean)
            best[moment] = replace(best[moment], best=True)


def last_scores(
    runs: pd.DataFrame, level: Level, column: ScoreColumn, seeds: Collection[int] | None = None
) -> dict[int, float]:
    """Scores of a level's finished runs of these seeds, at their last snapshot, by seed. `runs` is `Results.runs` by run."""
    return {
        seed: float(runs.at[level.runs[seed], f"{column.label} last"])
        for seed in level.seeds["finished"]
        if seeds is None or seed in seeds
    }


def _difference(
    runs: pd.DataFrame, level: Level, reference: Level, column: ScoreColumn, looks: list[Look], *, primary: bool
) -> Difference:
    both = (level, reference)
    seeds, number = _tested_seeds(looks, both)
    finding = paired_difference(
        last_scores(runs, level, column, seeds),
        last_scores(runs, reference, column, seeds),
        column.scale,
        column.better,
        ([s for s in level.seeds["failed"] if s in seeds], [s for s in reference.seeds["failed"] if s in seeds]),
    )
    return Difference(level, _as_looked_at(finding, looks, number, both, seeds), primary, seeds)


def _tested_seeds(looks: list[Look], levels: Sequence[Level]) -> tuple[frozenset[int], int]:
    """The seeds that a test of these levels is about, and which look that is: the latest of which all runs have ended.

    Where none is complete, those of the first, which is then waited for.
    """
    if not looks:
        return frozenset(seed for level in levels for seed in level.runs), 0
    number = max(1, ended(looks, {seed for level in levels for seed in level.missing}))
    return frozenset(seeds_of(looks[:number])), number


def _as_looked_at(
    finding: Finding, looks: list[Look], number: int, levels: Sequence[Level], seeds: Collection[int]
) -> Finding:
    """A finding with its p and interval at this look, waiting where it is to be tested once all of its runs have ended."""
    missing = any(seed in seeds for level in levels for seed in level.missing)
    if number:
        finding = at_look(finding, number, looks[number - 1].share)
    return replace(finding, waiting=missing and len(seeds) >= SEEDS_FOR_A_TEST)


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
    seeds, number = _tested_seeds(comparison.seed_looks, comparison.levels)
    scores = {words: last_scores(runs, level, column, seeds) for words, level in cells.items()}
    reference = next(words for words, level in cells.items() if level is comparison.reference)
    found = []
    for effect in effects(scores, reference, column.scale, column.better):
        levels = [cells[words] for words in effect.cells]
        failed = {level.label: [s for s in level.seeds["failed"] if s in seeds] for level in levels}
        finding = _as_looked_at(effect.finding, comparison.seed_looks, number, levels, seeds)
        if any(failed.values()):
            finding = replace(finding, p=None)  # of the seeds that succeed alone it would be no answer
        found.append(
            AxisEffect(
                finding,
                change=" together with ".join(level for _, level in effect.changed),
                references=" and ".join(reference[axis] for axis, _ in effect.changed)
                + (", beyond the sum of both alone" if len(effect.changed) > 1 else ""),
                others=" and ".join(
                    axis for i, axis in enumerate(axes) if i not in {axis for axis, _ in effect.changed}
                ),
                turns=effect.turns,
                failed=failed,
                missing={level.label: level.missing for level in levels},
            )
        )
    return found


def _correct(comparisons: list[Comparison]) -> None:
    """Correct what is tested for the number of tests in this report; of equal runs there is one.

    Where seeds are added, equal runs at the first look are one test, though one comparison may have stopped before another:
    the larger p counts.
    """
    tests: dict[Any, list[Difference | AxisEffect]] = {}
    for i, comparison in enumerate(comparisons):
        first = set(comparison.seed_looks[0].seeds if comparison.seed_looks else comparison.seeds)
        for answer in comparison.answers:
            cells = [
                tuple(sorted(run for seed, run in level.runs.items() if seed in first))
                for level in (answer.level, comparison.reference)
            ]
            tests.setdefault((comparison.headline and comparison.headline.label, *cells), []).append(answer)
        for j, effect in enumerate(comparison.effects):
            tests[i, j] = [effect]
    chosen = [max(same, key=lambda test: 1.0 if test.finding.p is None else test.finding.p) for same in tests.values()]
    for same, finding in zip(tests.values(), correct([test.finding for test in chosen]), strict=True):
        for test in same:
            test.finding = replace(test.finding, corrected=finding.corrected, family=finding.family)


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
                unit=column.unit,
                primary=None if entry.primary or headline is None else headline.label,
                failed={each.label: [s for s in each.seeds["failed"] if s in entry.seeds] for each in both},
                missing={each.label: each.missing for each in both},
                unscored={
                    each.label: [s for s in _unscored(each, column, runs, scored) if s in entry.seeds] for each in both
                },
            )
            entry.details = "; ".join(details(entry.finding))
    for effect in comparison.effects:
        effect.sentence = effect_sentence(
            effect.finding,
            change=effect.change,
            references=effect.references,
            score=headline.title if headline else "",
            unit=headline.unit if headline else "",
            others=effect.others,
            turns=effect.turns,
            failed=effect.failed,
            missing=effect.missing,
        )


def _unscored(level: Level, column: ScoreColumn, runs: pd.DataFrame, scored: set[tuple[str, str]]) -> list[int]:
    """Seeds that finished without this score; none where no run of the level has it, as on another dataset."""
    if not any((run, column.label) in scored for run in level.runs.values()):
        return []
    return [seed for seed, value in last_scores(runs, level, column).items() if math.isnan(value)]
