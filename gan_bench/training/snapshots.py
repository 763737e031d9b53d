"""Snapshots of a run: how one is taken, and which of them are best."""

from __future__ import annotations

import math
from collections import Counter

from gan_bench.store.folder import RunFolder


def best_columns(folder: RunFolder) -> dict[int, set[str]]:
    """The snapshots that have the best value of some score, and the protocols of those that they are best by."""
    best: dict[str, tuple[float, int]] = {}
    for step in folder.snapshot_steps():
        for score in folder.scores(step).scores:
            if score.value is not None:
                badness, column = score.value * (1 if score.better == "lower" else -1), score.protocol_id
                best[column] = min(best.get(column, (math.inf, step)), (badness, step))
    columns: dict[int, set[str]] = {}
    for column, (_, step) in best.items():
        columns.setdefault(step, set()).add(column)
    return columns


def unscored(folder: RunFolder) -> Counter[str]:
    """At how many snapshots each score has no value, by label."""
    scores = (score for step in folder.snapshot_steps() for score in folder.scores(step).scores)
    return Counter(score.label for score in scores if score.value is None)
