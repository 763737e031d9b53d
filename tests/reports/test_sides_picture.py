"""The picture of quality against diversity."""

from __future__ import annotations

import re

import pytest
from fake_store import write_store

from gan_bench.findings.compare import compare
from gan_bench.findings.tables import load
from gan_bench_reports.page import write_report
from gan_bench_reports.sides import sides_picture


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
    assert all(0 <= place <= 100 for mark in picture.marks for dot in mark.dots for place in dot)


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
