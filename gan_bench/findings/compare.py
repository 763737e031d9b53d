"""What a store's comparisons say: each level's scores, its paired difference to the reference, and the verdicts.

`compare` is what the report, the exported tables and the command line's last lines are made of. Of each comparison the
grid's headlines are tested, and all tests of one report are corrected together (`gan_bench.stats.paired`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from gan_bench.findings.budgets import at_budgets
from gan_bench.findings.comparisons import Comparison, Level, Value
from gan_bench.findings.differences import axis_effects, correct_together, difference, put_into_words
from gan_bench.findings.pooling import Question, questions
from gan_bench.findings.score_columns import ScoreColumn
from gan_bench.findings.settings_text import text
from gan_bench.findings.tables import Results
from gan_bench.grid.labels import plugin_text, tricks_text
from gan_bench.planning.looks import looks_in
from gan_bench.store.grid_json import GridLevel

STATUSES = ("finished", "failed", "unfinished", "damaged")
SIZES = ("generator_parameters", "discriminator_parameters", "generator_flops", "discriminator_flops")
MEANS = (*SIZES, "seconds", "images_per_second", "peak_memory")


def compare(results: Results, *, words: bool = True) -> list[Comparison]:
    """All comparisons, store by store, in the grid's order; equal ones of several stores together (`gan_bench.findings.pooling`).

    Without `words`, which take most of the time, there are no sentences.
    """
    runs = results.runs.set_index("run")
    comparisons = [_comparison(results, runs, question) for question in questions(results)]
    correct_together(comparisons)
    if words:
        tell(results, comparisons)
    return comparisons


def tell(results: Results, comparisons: Iterable[Comparison]) -> None:
    """Put what was found into words, and compare at equal budgets."""
    runs = results.runs.set_index("run")
    scored = set(results.snapshots[["run", "score"]].itertuples(index=False, name=None))
    for comparison in comparisons:
        put_into_words(comparison, runs, results.scores, scored)
        if comparison.headline:
            comparison.budgets = at_budgets(
                results.snapshots, comparison.levels, comparison.reference, comparison.headline
            )


def _comparison(results: Results, runs: pd.DataFrame, question: Question, *, alone: bool = False) -> Comparison:
    stores, asked = question.stores, question.asked
    mixed = _mixed(results, asked.levels)
    levels = [_level(results, runs, level, mixed[level.label]) for level in asked.levels]
    mine = results.snapshots[results.snapshots["run"].isin({run for level in levels for run in level.runs.values()})]
    found = [column for column in results.scores if column.label in set(mine["score"])]
    scores, headlines = _asked(found, results, stores)
    again = _score_best_again(runs, levels, scores)
    for column in scores:
        _mark_best(column, levels)
    real = results.real[results.real["store"].isin(stores)]
    floors = {row.score: (row.value, row.generated) for row in real.itertuples() if not math.isnan(row.value)}
    axes = asked.axes
    comparison = Comparison(
        stores=stores,
        title=asked.title,
        axes=axes,
        budget=asked.budget,
        levels=levels,
        scores=scores,
        headlines=headlines,
        words=_words(axes, [level.values for level in asked.levels]),
        real={column.label: floors[column.label] for column in scores if column.label in floors},
        candidates=int(mine.groupby("run")["step"].nunique().max()) if len(mine) else 0,
        best_again=again,
        looks=looks_in(asked),
        beside=[] if alone else [_comparison(results, runs, other, alone=True) for other in question.beside],
        apart=question.apart,
        notes=question.notes,
        doubles=question.doubles,
    )
    reference = comparison.reference
    for column in scores:
        comparison.differences[column.label] = [
            difference(runs, level, reference, column, comparison.looks, primary=column in headlines)
            for level in levels
            if level is not reference
        ]
    comparison.effects = axis_effects(comparison, runs)
    return comparison


def _asked(
    found: list[ScoreColumn], results: Results, stores: Sequence[str]
) -> tuple[list[ScoreColumn], list[ScoreColumn]]:
    """The scores that the grids of these stores ask for, in their order, and those that are tested, by rank.

    Snapshots may hold others from before the grid was changed. Of a store that does not say what was asked all are shown, and
    the first is tested.
    """
    asked = {score.protocol_id: score.headline for store in stores for score in results.grids[store].scores}
    if not asked:
        return found, found[:1]
    place = list(asked)
    scores = sorted((c for c in found if c.protocol_id in asked), key=lambda column: place.index(column.protocol_id))
    ranks = [(rank, column) for column in scores if (rank := asked[column.protocol_id]) is not None]
    return scores, [column for _, column in sorted(ranks, key=lambda ranked: ranked[0])]


def _mixed(results: Results, levels: Sequence[GridLevel]) -> dict[str, int]:
    """By level: pairs with the reference that were trained on more than one kind of device, which shifts scores a little."""
    reference = next((level.runs for level in levels if level.reference), {})
    kinds = {run: document.kinds for run, document in results.documents.items()}

    def counted(level: GridLevel) -> int:
        pairs = ({run, reference.get(seed, run)} for seed, run in level.runs.items())
        return sum(len({kind for run in pair for kind in kinds.get(run, ())}) > 1 for pair in pairs)

    return {level.label: counted(level) for level in levels}


def _level(results: Results, runs: pd.DataFrame, asked: GridLevel, mixed: int) -> Level:
    by_seed = dict(asked.runs)
    seeds: dict[str, list[int]] = {status: [] for status in STATUSES}
    known = runs.index.get_indexer(list(by_seed.values()))
    for seed, status in zip(by_seed, runs["status"].iloc[known], strict=True):
        seeds[status].append(seed)
    finished = runs.index.get_indexer([by_seed[seed] for seed in seeds["finished"]])
    return Level(
        asked.label,
        asked.reference,
        by_seed,
        seeds,
        values={
            column.label: {
                moment: _value(runs[f"{column.label} {moment}"].iloc[finished]) for moment in ("last", "best")
            }
            for column in results.scores
        },
        numbers={name: _mean(runs, name, known if name in SIZES else finished) for name in MEANS},
        stale=int((runs["stale"].iloc[known] != "").sum()),
        mixed=mixed,
        health=dict(Counter(name for names in runs["health"].iloc[known] if names for name in names.split(", "))),
    )


def _value(values: pd.Series) -> Value:
    values = values.dropna()
    return Value(float(values.mean()), float(values.std(ddof=1)), len(values))


def _mean(table: pd.DataFrame, name: str, places: np.ndarray) -> float | None:
    values = table[name].iloc[places].dropna() if name in table else []
    return float(sum(values) / len(values)) if len(values) else None


def _score_best_again(runs: pd.DataFrame, levels: list[Level], scores: list[ScoreColumn]) -> bool:
    """Give each level the best snapshots' scores on other samples, if all of these runs have them, as older stores don't."""
    finished = [runs.index.get_indexer([level.runs[seed] for seed in level.seeds["finished"]]) for level in levels]
    every = runs.iloc[np.concatenate(finished) if finished else []]
    names = [(f"{column.label} best", f"{column.label} best again") for column in scores]
    if not scores or any(new not in runs or (every[old].notna() & every[new].isna()).any() for old, new in names):
        return False
    for level, places in zip(levels, finished, strict=True):
        for column, (_, new) in zip(scores, names, strict=True):
            level.values[column.label]["best"] = _value(runs[new].iloc[places])
    return True


def _mark_best(column: ScoreColumn, levels: list[Level]) -> None:
    """Mark the best mean of each moment, where there are at least two to choose from that differ."""
    for moment in ("last", "best"):
        scored = [level.values[column.label] for level in levels if level.values[column.label][moment].n]
        if len({values[moment].mean for values in scored}) > 1:
            best = (max if column.better == "higher" else min)(scored, key=lambda values: values[moment].mean)
            best[moment] = replace(best[moment], best=True)


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
