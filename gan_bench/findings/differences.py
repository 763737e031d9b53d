"""What is asked of a comparison's runs: differences and effects, tested at a look, corrected together, put into words."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gan_bench.findings.comparisons import AxisEffect, Comparison, Difference, Level
from gan_bench.findings.sentences import details, effect_sentence, sentence
from gan_bench.findings.unpaired import why_unpaired
from gan_bench.stats.effects import effects, turns
from gan_bench.stats.paired import SEEDS_FOR_A_TEST, Finding, correct, paired_difference
from gan_bench.stats.sequential import Look, at_look, ended, seeds_of

if TYPE_CHECKING:
    import pandas as pd

    from gan_bench.findings.score_columns import ScoreColumn


def last_scores(
    runs: pd.DataFrame, level: Level, column: ScoreColumn, seeds: Collection[int] | None = None
) -> dict[int, float]:
    """Scores of a level's finished runs of these seeds, at their last snapshot, by seed. `runs` is `Results.runs` by run."""
    own = [seed for seed in level.seeds["finished"] if seeds is None or seed in seeds]
    places = runs.index.get_indexer([level.runs[seed] for seed in own])
    return dict(zip(own, map(float, runs[f"{column.label} last"].iloc[places]), strict=True))


def difference(
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


def axis_effects(comparison: Comparison, runs: pd.DataFrame) -> list[AxisEffect]:
    """What each axis does, and how that depends on another."""
    column, axes = comparison.headline, comparison.axes
    if column is None or len(axes) < 2 or not comparison.words:
        return []
    cells = dict(zip(comparison.words, comparison.levels, strict=True))
    seeds, number = _tested_seeds(comparison.looks, comparison.levels)
    scores = {words: last_scores(runs, level, column, seeds) for words, level in cells.items()}
    reference = _reference_words(comparison)
    found = []
    for effect in effects(scores, reference, column.scale, column.better):
        levels = [cells[words] for words in effect.cells]
        failed = {level.label: [s for s in level.seeds["failed"] if s in seeds] for level in levels}
        finding = _as_looked_at(effect.finding, comparison.looks, number, levels, seeds)
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
                effect=effect,
                failed=failed,
                missing={level.label: level.missing for level in levels},
                unscored={
                    cells[words].label: [s for s, value in scores[words].items() if math.isnan(value)]
                    for words in effect.cells
                },
            )
        )
    return found


def _reference_words(comparison: Comparison) -> tuple[str, ...]:
    return comparison.words[next(i for i, level in enumerate(comparison.levels) if level is comparison.reference)]


def correct_together(comparisons: list[Comparison]) -> None:
    """Correct what is tested for the number of tests in this report; of equal runs there is one.

    Where seeds are added, equal runs at the first look are one test, though one comparison may have stopped before another:
    the larger p counts.
    """
    tests: dict[Any, list[Difference | AxisEffect]] = {}
    for i, comparison in enumerate(comparisons):
        first = set(comparison.looks[0].seeds if comparison.looks else comparison.seeds)
        for column in comparison.headlines:
            for answer in comparison.differences[column.label]:
                cells = [
                    tuple(sorted(run for seed, run in level.runs.items() if seed in first))
                    for level in (answer.level, comparison.reference)
                ]
                tests.setdefault((column.label, *cells), []).append(answer)
        for j, effect in enumerate(comparison.effects):
            tests[i, j] = [effect]
    chosen = [max(same, key=lambda test: 1.0 if test.finding.p is None else test.finding.p) for same in tests.values()]
    for same, finding in zip(tests.values(), correct([test.finding for test in chosen]), strict=True):
        for test in same:
            test.finding = replace(test.finding, corrected=finding.corrected, family=finding.family)


def put_into_words(
    comparison: Comparison, runs: pd.DataFrame, columns: list[ScoreColumn], scored: set[tuple[str, str]]
) -> None:
    """Sentences of a comparison. `columns` are all of the store; `scored` has the runs and labels of all their scores."""
    headline, reference = comparison.headline, comparison.reference
    tested = " and ".join(column.label for column in comparison.headlines)
    for column in comparison.scores:
        for entry in comparison.differences[column.label]:
            both = (entry.level, reference)
            entry.unpaired = () if entry.finding.n else why_unpaired(both, column, columns, scored)
            entry.sentence = sentence(
                entry.finding,
                level=entry.level.label,
                reference=reference.label,
                score=column.title,
                unit=column.unit,
                primary=None if entry.primary else tested,
                failed={each.label: [s for s in each.seeds["failed"] if s in entry.seeds] for each in both},
                missing={each.label: each.missing for each in both},
                unscored={
                    each.label: [s for s in _unscored(each, column, runs, scored) if s in entry.seeds] for each in both
                },
                unpaired=entry.unpaired,
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
            turns=_turns(comparison, effect),
            failed=effect.failed,
            missing=effect.missing,
            unscored=effect.unscored,
        )


def _turns(comparison: Comparison, effect: AxisEffect) -> dict[str, float]:
    """The mean differences of a main effect whose sign depends on another axis, by that axis' level.

    Only where the interaction is told; each is the difference within that level.
    """
    words = _reference_words(comparison)
    for other in comparison.effects:
        if other.finding.verdict in ("better", "worse") and (found := turns(effect.effect, other.effect, words)):
            axis, level = found
            return {each: effect.effect.at(axis, each) for each in (words[axis], level)}
    return {}


def _unscored(level: Level, column: ScoreColumn, runs: pd.DataFrame, scored: set[tuple[str, str]]) -> list[int]:
    """Seeds that finished without this score; none where no run of the level has it, as on another dataset."""
    if not any((run, column.label) in scored for run in level.runs.values()):
        return []
    return [seed for seed, value in last_scores(runs, level, column).items() if math.isnan(value)]
