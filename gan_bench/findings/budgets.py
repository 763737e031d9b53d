"""Levels compared at equal numbers of real images and at equal training time, beside equal generator steps.

A level whose discriminator sees more images a step, or whose steps take longer, is compared with its reference at the
largest number of images (or seconds) that every finished run of both has reached. A run's score there is that of its last
snapshot not after it: nothing is interpolated, and the text says how far before it the snapshots lie. This is no test: the
primary one is at the last snapshot, and a second question asked of the same runs gets an interval and no verdict.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gan_bench.findings.comparisons import AtBudget, Budget, Level
from gan_bench.findings.sentences import budget_sentence
from gan_bench.stats.paired import paired_difference

if TYPE_CHECKING:
    import pandas as pd

    from gan_bench.findings.score_columns import ScoreColumn

Spent = dict[str, list[tuple[float, float]]]  # by run, of its snapshots in order: what was spent by then, and the score


def at_budgets(
    snapshots: pd.DataFrame, levels: list[Level], reference: Level, column: ScoreColumn
) -> dict[Budget, list[AtBudget]]:
    """Each level's difference to the reference at each budget; of levels of which no pair of runs has finished, none.

    `snapshots` is `Results.snapshots`.
    """
    mine = {run for level in levels for run in level.runs.values()}
    rows = snapshots[(snapshots["score"] == column.label) & snapshots["run"].isin(mine)].sort_values("step")
    found: dict[Budget, list[AtBudget]] = {"images": [], "seconds": []}
    for budget, entries in found.items():
        runs: Spent = {}
        for run, spent, value in rows[["run", budget, "value"]].itertuples(index=False, name=None):
            runs.setdefault(run, []).append((float("nan" if spent is None else spent), float(value)))
        for level in levels:
            entry = None if level is reference else _at_budget(runs, level, reference, column, budget)
            entries += [entry] if entry else []
    return found


def _at_budget(runs: Spent, level: Level, reference: Level, column: ScoreColumn, budget: Budget) -> AtBudget | None:
    both = (level, reference)
    seeds = [s for s in level.seeds["finished"] if s in reference.seeds["finished"]]
    own = [{s: runs.get(each.runs[s], []) for s in seeds} for each in both]
    ends = [rows[-1][0] if rows else math.nan for taken in own for rows in taken.values()]
    if not all(end > 0 for end in ends) or not ends:  # a run has no snapshot, or the store does not say when they were
        return None
    amount = min(ends)
    latest = [{s: [row for row in rows if row[0] <= amount][-1:] for s, rows in taken.items()} for taken in own]
    if not all(rows for taken in latest for rows in taken.values()):  # a first snapshot comes later than another's last
        return None
    scores = [{s: rows[0][1] for s, rows in taken.items()} for taken in latest]
    spent = [[rows[0][0] for rows in taken.values()] for taken in latest]
    finding = paired_difference(scores[0], scores[1], column.scale, column.better)
    sentence = budget_sentence(
        finding,
        level=level.label,
        reference=reference.label,
        score=column.title,
        unit=column.unit,
        budget=budget,
        limit=amount,
        spent={each.label: (min(own), max(own)) for each, own in zip(both, spent, strict=True)},
    )
    return AtBudget(level, budget, amount, finding, sentence)
