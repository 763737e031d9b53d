"""A comparison of so many levels that a sentence and a line of each would be read by nobody."""

from __future__ import annotations

import re

import fake_store
import pytest
from browser import NEEDS_BROWSER

from gan_bench.findings.tables import load
from gan_bench_reports.page import write_report
from gan_bench_reports.pictures import Pictures
from gan_bench_reports.view import COLOURS, DASHES, MANY, Builder

TRICKS = [f"trick_{i}" for i in range(COLOURS * len(DASHES) + 2)]  # more than there are looks


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    levels = [(name, {"tricks": [name]}, {"tricks": [{"name": name}]}, 1 - 0.02 * i) for i, name in enumerate(TRICKS)]
    question = ("Which tricks help?", ["tricks"], [("no tricks", {"tricks": []}, {}, 1.0), *levels])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fake_store, "COMPARISONS", [question])
        store = fake_store.write_store(tmp_path_factory.mktemp("s") / "many", 2, 2, 100, trouble=False, sides=True)
    write_report([store], store / "report.html")
    return store


def test_each_has_a_line_from_the_best_to_the_worst_and_a_sentence_a_click_away(store):
    page = (store / "report.html").read_text()
    section = page[page.index('<section class="comparison"') :]
    first = section[: section.index('<details class="findings"><summary>The same in sentences')]
    named = re.findall(r'class="name">.*?</span>(trick_\d+)</span>', first)
    assert sorted(named) == sorted(TRICKS)
    assert named[0] in TRICKS[-8:], "the one of the best quality, give or take the luck of two seeds"
    assert '<li class="finding' not in first
    assert section.count('<li class="finding untested"') >= len(TRICKS)


def test_few_levels_are_told_in_sentences(tmp_path):
    store = fake_store.write_store(tmp_path / "few", 2, 1, 100, trouble=False, sides=True)
    write_report([store], store / "report.html")
    page = (store / "report.html").read_text()
    assert "The same in sentences" not in page
    assert 'aria-pressed="false" title="Show or hide' not in page


def test_charts_draw_those_named_beside_the_answer_at_first(store):
    page = (store / "report.html").read_text()
    pressed = re.findall(r'aria-pressed="(true|false)" title="Show or hide', page)
    assert len(pressed) == len(TRICKS) + 1 > MANY
    assert pressed[0] == "true", "the reference"
    assert pressed.count("true") == 6


@pytest.mark.slow
def test_the_references_look_stays_its_own_and_no_other_is_used_more_than_need_be(store):
    results = load(store)
    builder = Builder(results, Pictures())
    (view,) = builder.comparisons()
    looks = [(view.cell(level).colour, view.cell(level).dash) for level in view.facts.levels]
    assert looks[0] == (0, "solid")
    assert all(colour for colour, _ in looks[1:])
    assert max(looks.count(look) for look in looks) == 2
    assert len(set(looks)) == 1 + (COLOURS - 1) * len(DASHES)


@NEEDS_BROWSER
@pytest.mark.slow
def test_a_press_shows_another_level_and_the_charts_that_only_it_has(store, browser):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto((store / "report.html").as_uri())
    shown = page.locator(".legend button[aria-pressed=true]")
    assert shown.count() == 6
    page.locator(".legend button[aria-pressed=false]").first.click()
    assert shown.count() == 7
    page.locator(".training .all").click()
    assert shown.count() == len(TRICKS) + 1
    page.close()
