"""What is said where quality and diversity are both tested."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from fake_store import write, write_store
from tables import sided

from gan_bench.commands.until_settled import state
from gan_bench.findings.answers import answer
from gan_bench.findings.compare import compare
from gan_bench.findings.tables import load

LABELS = ["KID[classifier]", "precision[random]", "recall[classifier]"]
QUALITY, DIVERSITY, DISTANCE = "precision", "recall", "KID"


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    return write_store(tmp_path_factory.mktemp("s") / "s", 10, snapshots=1, steps=1500, trouble=False, sides=True)


@pytest.fixture(scope="module")
def comparisons(store):
    return compare(load(store))


def test_the_grid_says_what_is_tested_and_in_which_order(comparisons):
    for comparison in comparisons:
        assert [column.label for column in comparison.headlines] == LABELS
        assert comparison.headline.label == LABELS[0]
        assert [column.label for column in comparison.scores] == LABELS
        for column in comparison.headlines:
            assert all(entry.primary for entry in comparison.differences[column.label])


def test_one_family_over_all_headlines(comparisons):
    """Six levels beside a reference, three numbers each."""
    families = {entry.finding.family for c in comparisons for own in c.tests for entry in own}
    assert families == {18}


def test_opposite_failures_are_told_apart(comparisons):
    said = answer(comparisons[0])
    assert said.verdict == "mixed"
    assert said.lead == "fcgan draws worse but more varied samples than dcgan"
    assert "precision[random] 0.4" in said.rest
    assert " against 0.7" in said.rest
    assert " and recall[classifier] 0.6" in said.rest
    assert "; KID[classifier] favours dcgan, +" in said.rest
    assert said.rest.endswith(" 10 seeds.")


def test_of_several_levels_the_best_has_its_numbers_and_the_others_a_word(comparisons):
    said = answer(comparisons[1])
    assert said.lead in (
        "ema draws more varied samples than no tricks",
        "ema draws better and more varied samples than no tricks",
    )
    assert " No difference can be told: label_noise (amount 0.05)." in said.rest
    assert "label_noise (amount 0.05) + ema" in said.rest


@pytest.mark.parametrize(
    ("scores", "lead"),
    [
        ({QUALITY: 0.1}, "fcgan draws better samples than dcgan"),
        ({QUALITY: -0.1, DIVERSITY: -0.1}, "fcgan draws worse and less varied samples than dcgan"),
        ({DISTANCE: 0.1}, "fcgan draws samples farther from the data than dcgan"),
        ({}, "No difference can be told"),
    ],
)
def test_each_side_is_told_by_its_own_number(scores, lead):
    """Differences of one size in all seeds but for a little; the other numbers differ by noise alone."""
    said = answer(asked({"fcgan": scores}))
    assert said.lead == lead
    if not scores:
        assert all(label in said.rest for label in (QUALITY, DIVERSITY, DISTANCE))
        assert said.rest.startswith(" between fcgan and dcgan: ")


def test_a_level_without_any_sample_is_not_said_to_draw_some():
    seeds = 12
    rng = np.random.default_rng(0)
    scores = {("dcgan",): dict(enumerate(rng.normal(size=seeds))), ("fcgan",): dict.fromkeys(range(seeds))}
    (comparison,) = sided({label: {"Which?": scores} for label in (DISTANCE, QUALITY, DIVERSITY)}, words=True)
    said = answer(comparison)
    assert said.lead == "fcgan is worse than dcgan"
    assert said.rest == ": all 12 seeds of fcgan failed."


def test_settled_once_a_headline_tells():
    assert state(asked({"fcgan": {DIVERSITY: 0.1}})) == "settled"
    assert state(asked({"fcgan": {}})) == "open"
    assert state(asked({"fcgan": {DIVERSITY: 0.1}, "r1": {}})) == "open"


def test_in_short_stays_short_for_forty_levels():
    levels = {f"trick {i}": {DIVERSITY: 0.2} if i % 2 else {QUALITY: -0.2} for i in range(40)}
    said = answer(asked(levels))
    assert said.lead.endswith(" draws more varied samples than dcgan")
    assert " More varied: " in said.rest
    assert " and 16 more." in said.rest
    assert " Worse: 20 levels." in said.rest
    assert len(str(said)) < 500


def test_a_grid_s_new_metrics_head_the_page_whatever_old_snapshots_hold(store, tmp_path: Path):
    """An old snapshot's own metric is in its files still, but nobody asked for it."""
    copy = tmp_path / "s"
    shutil.copytree(store, copy)
    grid = json.loads((copy / "grid.json").read_text())
    grid["scores"] = [{**grid["scores"][1], "headline": 0}]
    grid.pop("checksum", None)
    write(copy / "grid.json", grid)
    old = next(copy.glob("runs/*/snapshots/*/scores.json"))  # one of before has the same number by another protocol
    scores = json.loads(old.read_text())
    scores["scores"].append({**scores["scores"][2], "protocol_id": "ffffffff", "protocol": {"generated": 7}})
    write(old, scores)
    comparison = compare(load(copy))[0]
    assert [column.label for column in comparison.scores] == LABELS[1:2]
    assert answer(comparison).lead == "fcgan is worse than dcgan"


def asked(levels: dict[str, dict[str, float]], seeds: int = 8):
    """A comparison: each level's scores differ from dcgan's by these amounts, and all by noise."""
    rng = np.random.default_rng(3)
    every = {"dcgan": {}, **levels}
    questions = {
        label: {
            "Which?": {
                (level,): dict(enumerate(rng.normal(0.5 + shifts.get(label, 0), 0.01, seeds)))
                for level, shifts in every.items()
            }
        }
        for label in (DISTANCE, QUALITY, DIVERSITY)
    }
    (comparison,) = sided(questions, words=True)
    return comparison
