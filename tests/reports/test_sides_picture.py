"""The picture of quality against diversity."""

from __future__ import annotations

import re

import numpy as np
import pytest
from fake_store import write_store
from tables import sided

from gan_bench.findings.compare import compare
from gan_bench.findings.sides import Sides
from gan_bench.findings.tables import load
from gan_bench_reports.page import write_report
from gan_bench_reports.sides import HEIGHT, WIDTH, Mark, Side, SidesPicture, sides_picture
from gan_bench_reports.view import ComparisonView


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("s") / "s", 8, snapshots=1, steps=1500, sides=True)


@pytest.fixture(scope="module")
def results(store):
    return load(store)


def test_a_dot_a_seed_and_a_cross_a_level(store):
    write_report([store], store / "report.html")
    pictures = re.findall(r'<svg class="sides".*?</svg>', (store / "report.html").read_text(), re.S)
    assert len(pictures) == 3
    assert pictures[0].count("<circle") == 8 + 7, "a seed of fcgan has failed"
    assert [picture.count('class="mean"') for picture in pictures] == [2, 4, 3]
    assert "better samples: precision[random] →" in pictures[0]
    assert "more varied: recall[classifier] →" in pictures[0]


def test_better_is_to_the_right_and_more_varied_is_up(results):
    picture = sides_picture(compare(results)[0], results.runs.set_index("run"))
    dcgan, fcgan = picture.marks
    assert dcgan.mean[0] > fcgan.mean[0]
    assert dcgan.mean[1] < fcgan.mean[1]
    assert picture.real[0] > dcgan.mean[0]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for mark in picture.marks for x, y in mark.dots)


def test_a_number_of_which_less_is_better_is_turned(results):
    facts = compare(results)[0]
    lower = [column for column in facts.headlines if column.side == "distance"]
    facts.headlines = [
        type(column)(**{**vars(column), "side": side})
        for column, side in zip(lower * 2, ("quality", "diversity"), strict=True)
    ]
    picture = sides_picture(facts, results.runs.set_index("run"))
    assert picture.quality.worst > picture.quality.best


def test_none_without_both_sides(results):
    facts = compare(results)[0]
    facts.headlines = facts.headlines[:2]
    assert sides_picture(facts, results.runs.set_index("run")) is None


def test_of_many_levels_those_that_stand_out_are_named_and_the_others_counted_by_what_is_said_of_them():
    """A level that is told by its diversity alone is none of which nothing can be told."""
    rng = np.random.default_rng(0)
    shifts = {"dcgan": 0.0, **{f"trick {i}": 0.3 if i < 9 else 0.0 for i in range(12)}}
    questions = {
        label: {
            "Which?": {
                (name,): dict(enumerate(rng.normal(shift * (label == "recall"), 0.01, 8)))
                for name, shift in shifts.items()
            }
        }
        for label in ("KID", "precision", "recall")
    }
    (facts,) = sided(questions, words=True)
    marks = [
        Mark(level, (), None, "reference" if level.reference else sides.adjectives or sides.standing, "")
        for level, sides in zip(facts.levels, [None, *(Sides(facts, own) for own in facts.tests)], strict=True)
    ]
    side = Side(facts.headlines[1], 0.0, 1.0, WIDTH)
    picture = SidesPicture(side, side, tuple(marks), None)
    view = ComparisonView("", facts, facts, {}, {}, [], [], [], None, 0, 0, sides=picture)
    named = view.shown_sides
    assert [mark.said for mark in named] == ["reference", *["more varied"] * 5]
    assert view.unseen == "7 more: 4 more varied, 3 can’t be told"
