"""Levels compared at equal numbers of real images and at equal training time, beside equal generator steps.

A level whose discriminator sees more images a step, or whose steps take longer, is compared with its reference at the
largest number of images (or seconds) that every finished run of both has reached. A run's score there is that of its last
snapshot not after it: nothing is interpolated, and the text says how far before it the snapshots lie. This is no test: the
primary one is at the last snapshot, and a second question asked of the same runs gets an interval and no verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gan_bench.finding_text import budget_sentence
from gan_bench.statistics import Finding, paired_difference

if TYPE_CHECKING:
    import pandas as pd

    from gan_bench.findings import Level
    from gan_bench.results import ScoreColumn

Budget = Literal["images", "seconds"]


@dataclass(frozen=True)
class AtBudget:
    """A level and its reference at an equal budget."""

    level: Level
    budget: Budget
    amount: float  # images, or seconds of training
    finding: Finding
    sentence: str


def at_budgets(
    snapshots: pd.DataFrame, levels: list[Level], reference: Level, column: ScoreColumn
) -> dict[Budget, list[AtBudget]]:
    """Each level's difference to the reference at each budget; of levels of which no pair of runs has finished, none.

    `snapshots` is `Results.snapshots`.
    """
    rows = snapshots[snapshots["score"] == column.label].sort_values("step")
    runs = {str(run): own for run, own in rows.groupby("run")}
    found: dict[Budget, list[AtBudget]] = {"images": [], "seconds": []}
    for budget, entries in found.items():
        for level in levels:
            entry = None if level is reference else _at_budget(runs, level, reference, column, budget)
            entries += [entry] if entry else []
    return found


def _at_budget(
    runs: dict[str, pd.DataFrame], level: Level, reference: Level, column: ScoreColumn, budget: Budget
) -> AtBudget | None:
    seeds = [s for s in level.seeds["finished"] if s in reference.seeds["finished"]]
    own = {(each.label, s): runs.get(each.runs[s]) for each in (level, reference) for s in seeds}
    ends = [rows[budget].max() for rows in own.values() if rows is not None]
    if not seeds or len(ends) < len(own) or not all(end > 0 for end in ends):  # NaN where a store does not say
        return None
    amount = float(min(ends))
    scores: list[dict[int, float]] = []
    spent: dict[str, tuple[float, float]] = {}
    for each in (level, reference):
        latest = {s: rows[rows[budget] <= amount].tail(1) for s in seeds if (rows := own[each.label, s]) is not None}
        taken = [float(row[budget].iloc[0]) for row in latest.values() if len(row)]
        if len(taken) < len(seeds):  # its first snapshot comes later than the other's last
            return None
        scores.append({s: float(row["value"].iloc[0]) for s, row in latest.items()})
        spent[each.label] = (min(taken), max(taken))
    finding = paired_difference(scores[0], scores[1], column.scale, column.better)
    sentence = budget_sentence(
        finding, level=level.label, reference=reference.label, score=column.title, unit=column.unit,
        budget=budget, limit=amount, spent=spent,
    )  # fmt: skip
    return AtBudget(level, budget, amount, finding, sentence)
