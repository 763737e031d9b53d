"""Levels at equal numbers of images and at equal seconds, from snapshots that were taken at different times."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from fake_store import write_store

from gan_bench.findings.budgets import at_budgets
from gan_bench.findings.compare import compare
from gan_bench.findings.comparisons import Level
from gan_bench.findings.score_columns import ScoreColumn
from gan_bench.findings.tables import load

COLUMN = ScoreColumn("FD", "FD (64 generated)", "fid", "lower", "raw", "0", {})


def level(label: str, seeds: int, failed: tuple[int, ...] = ()) -> Level:
    runs = {seed: f"{label}-{seed}" for seed in range(seeds)}
    ended = {"finished": [s for s in runs if s not in failed], "failed": [*failed], "unfinished": [], "damaged": []}
    return Level(label, label == "one", runs, ended, values={}, numbers={}, stale=0, health={})


def table(**runs: list[tuple[float, float, float]]) -> pd.DataFrame:
    """Of each run its snapshots: images, seconds, value."""
    rows = [
        {
            "run": f"{name[:-1]}-{name[-1]}",
            "step": i,
            "images": images,
            "seconds": seconds,
            "score": "FD",
            "value": value,
        }
        for name, snapshots in runs.items()
        for i, (images, seconds, value) in enumerate(snapshots, 1)
    ]
    return pd.DataFrame(rows)


ONE = {"one0": [(100, 2.0, 9.0), (200, 4.0, 7.0)], "one1": [(100, 2.5, 8.0), (200, 5.0, 6.0)]}
TWICE = {"two0": [(200, 3.0, 5.0), (400, 6.0, 3.0)], "two1": [(200, 3.0, 5.5), (400, 6.5, 2.0)]}


def test_a_level_that_sees_twice_the_images_is_compared_where_it_had_seen_as_many():
    one, two = level("one", 2), level("two", 2)
    found = at_budgets(table(**ONE, **TWICE), [one, two], one, COLUMN)
    (images,), (seconds,) = found["images"], found["seconds"]
    assert (images.amount, images.finding.differences) == (200, (-2.0, -0.5))  # 5 - 7 and 5.5 - 6
    assert images.sentence == (
        "At 200 real images, FD (64 generated) of two is 1.25 lower than that of one on average "
        "(95 % interval −10.8 to +8.28; 2 seeds). Lower is better."
    )
    assert (seconds.amount, seconds.finding.differences) == (4.0, (-2.0, -2.5))  # at 4 s: 5 - 7 and 5.5 - 8
    assert seconds.sentence.endswith(
        "The snapshots compared, each run's last by then: two's at 3 s of training and one's at 2.5 to 4 s of training."
    )
    assert not any(word in images.sentence for word in ("better than", "worse than", "p ="))


def test_only_seeds_that_finished_in_both_count():
    one, two = level("one", 2), level("two", 2, failed=(1,))
    (found,) = at_budgets(table(**ONE, **TWICE), [one, two], one, COLUMN)["images"]
    assert found.finding.seeds == (0,)
    assert "in the one seed that both have" in found.sentence


@pytest.mark.parametrize(
    "late", [{"two0": [(900, 9.0, 5.0)], "two1": [(900, 9.0, 5.0)]}, {"two0": [(200, 3.0, 5.0)]}, {}]
)
def test_what_has_no_snapshot_by_then_is_not_compared(late):
    one, two = level("one", 2), level("two", 2)
    assert at_budgets(table(**ONE, **late), [one, two], one, COLUMN) == {"images": [], "seconds": []}


def test_a_store_says_it_for_every_level(tmp_path):
    store = write_store(tmp_path / "store", seeds=2, snapshots=3, steps=300, trouble=False)
    for comparison in compare(load(store)):
        for entries in comparison.budgets.values():
            assert [entry.level for entry in entries] == [answer.level for answer in comparison.answers]
        for answer, entry in zip(comparison.answers, comparison.budgets["images"], strict=True):
            assert (
                entry.finding.differences == answer.finding.differences
            )  # equal budgets in images: the last snapshots
    file = next(store.glob("runs/*/snapshots/step-00000100/scores.json"))
    assert json.loads(file.read_text())["images"] == 6400
