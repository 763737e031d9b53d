"""What the page shows of a search."""

from __future__ import annotations

import re

import pytest
from search_store import TITLE, write_search

from gan_bench_reports.exports import FORMATS, export
from gan_bench_reports.page import write_report


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    store = write_search(tmp_path_factory.mktemp("search") / "s")
    write_report([store], store / "report.html")
    return (store / "report.html").read_text()


def section(page: str) -> str:
    return page.partition('<section class="tuning"')[2].partition("</section>")[0]


def test_a_line_of_the_chart_and_a_row_of_the_table_for_each_level(page):
    shown = section(page)
    assert shown.count("<polyline") == shown.count("<polygon") == 2
    rows = re.findall(
        r'<th scope="row"><span class="swatch c\d"[^>]*></span>(\w+)</th>\s*<td>([\d.]+)<small>([^<]*)</small>', shown
    )
    assert [row[0] for row in rows] == ["dcgan", "fcgan"]
    assert all(re.fullmatch(r"[\d.]+ to [\d.]+", row[2]) for row in rows)
    assert "12&nbsp;% have none" in shown
    assert re.search(r"<td>5.5\d<small>6 seeds</small></td>", shown)


def test_every_draw_stands_in_a_table_that_sorts_and_the_chosen_one_is_marked(page):
    shown = section(page)
    assert shown.count('<table class="levels draws" data-sortable>') == 2
    assert shown.count('<tr data-row="') == 48
    assert shown.count("<small>chosen</small>") == 2
    assert shown.count(">failed</td>") == 6
    assert '<button type="button" class="sort">optimizer.lr</button>' in shown


def test_the_chosen_values_stand_beside_the_level(page):
    levels = page.partition(TITLE)[2]
    assert levels.count("tuned: optimizer.lr 0.000652") == 4  # also where all scores stand
    assert '<a href="#tuning">Search</a>' in page


@pytest.mark.parametrize(
    ("ended", "says"), [(2, "4 of 10 draws have ended."), (5, "The draws have ended; the levels are not")]
)
def test_a_first_stage_is_said_to_be_one_and_has_no_verdict(tmp_path, ended, says):
    store = write_search(tmp_path / "s", draws=5, ended=ended, tested=False)
    write_report([store], store / "report.html")
    page = (store / "report.html").read_text()
    assert says in page
    assert "12 runs of the best draws" in page
    assert 'id="answers"' not in page
    assert ("<polyline" in section(page)) == (ended == 5)
    assert ("no interval with fewer than 20 draws" in page) == (ended == 5)
    for kind in FORMATS:
        export([store], kind)


def test_other_stores_have_no_such_section(tmp_path):
    from fake_store import write_store

    store = write_store(tmp_path / "s", seeds=1, snapshots=1, steps=50, trouble=False)
    write_report([store], store / "report.html")
    assert 'class="tuning"' not in (store / "report.html").read_text()
