"""The page says what was read as data, also where a stranger's names are in it, or an earlier version wrote the store."""

from __future__ import annotations

import json

import pytest
from browser import NEEDS_BROWSER
from fake_store import READ, write, write_store
from test_report import Page, report

from gan_bench_reports.exports import export

EVIL = "<script>alert(1)</script>\x1b[2J\u202e" + "x" * 300


def section(html: str) -> str:
    return html[html.index('<section id="datasets"') : html.index('<section id="protocols"')]


def changed(store, **facts):
    """The store with other facts of its dataset in every run.json; None: without it."""
    for file in store.glob("runs/*/run.json"):
        document = json.loads(file.read_text())
        dataset = {**document["dataset"], **facts}
        document["dataset"] = {name: value for name, value in dataset.items() if value is not None}
        write(file, document)
    return store


@pytest.fixture
def store(tmp_path):
    return write_store(tmp_path / "s", seeds=2, snapshots=1, steps=50)


def test_what_was_read_stands_on_the_page_beside_samples_of_both_parts(store):
    shown = section(report(store))
    text = Page(shown).text
    for said in (
        "digits, size 16: 1,797 samples of 1x16x16",
        "1,437 training, 360 held out",
        "0 (142 + 36), 1 (146 + 36)",
        "8 wide, 8 high",
        "The folders train and test are the parts.",
        "bicubic with antialiasing to 16x16",
        "2 unreadable (1.png: truncated; 2.png: no picture); 30 with an unknown ending (.heic) (3.heic; and 29 more)",
        "4 training samples are equal to another; 1 of 360 held-out samples is equal to a training sample",
        "2 of 1,799 samples can't be read and are left out (1.png: truncated; 2.png: no picture).",
    ):
        assert said in text, said
    labels = [a["aria-label"].partition(" of ")[0] for a in Page(shown).all("div", role="img")]
    assert labels == ["Training samples", "Held-out samples"]


def test_settings_and_provenance_do_not_repeat_it(store):
    html = report(store)
    assert html.count("The folders train and test are the parts.") == 1
    assert "class_counts" not in html


def test_runs_of_one_cell_stay_together_where_some_were_trained_before_readings_were_kept(store):
    cells = report(store).count('class="cell"')
    file = next(store.glob("runs/*-0-*/run.json"))
    document = json.loads(file.read_text())
    write(file, {**document, "dataset": {k: v for k, v in document["dataset"].items() if k not in READ}})
    html = report(store)
    assert html.count('class="cell"') == cells
    assert section(html).count("<article") == 1
    assert "The folders train and test" in html


def test_a_store_of_before_says_that_it_does_not_know(store):
    shown = Page(section(report(changed(store, reading=None, class_counts=None)))).text
    assert "1,437 training, 360 held out" in shown
    assert "how is not known" in shown


def test_many_classes_unfold(store):
    counts = list(range(1, 1201))
    classes = [f"class {i}" for i in counts]
    changed(store, classes=classes, class_counts={"training": counts, "held_out": counts})
    shown = section(report(store))
    assert "1,200, training + held out: class 1200 (1,200 + 1,200)" in Page(shown).text
    assert shown.count('<th scope="row">class ') == 1000
    assert "And 200 more, which stand in run.json." in Page(shown).text


@pytest.mark.slow
def test_a_strangers_names_can_do_no_harm(store):
    found = {
        **READ["reading"],
        "notes": [EVIL],
        "treatment": EVIL,
        "counts": {EVIL: {EVIL: 1}},
        "ranges": {"width": [-1e308, 1e308], EVIL: [0, 1]},
        "left_out": [{"reason": EVIL, "count": -5, "examples": [EVIL] * 50}] * 500,
    }
    changed(
        store, name=EVIL, classes=[EVIL] * 20, class_counts={"training": [1] * 20, "held_out": [0] * 20}, reading=found
    )
    html = report(store)
    shown = section(html)
    assert "<script" not in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert len(shown) < 60_000
    assert len(Page(html).all("script")) == 3


def test_markdown_says_it_in_a_line(store):
    line, empty, heading, *_ = export([store], "md").splitlines()
    assert line.startswith(
        "Data: digits, size 16: 1,797 samples of 1x16x16; parts: 1,437 training, 360 held out; classes: 10"
    )
    assert "2 unreadable (1.png: truncated" in line
    assert (empty, heading[:3]) == ("", "## ")
    assert "Data: " not in export([store], "tex") + export([store], "csv")


def test_how_scores_are_made_says_how_real_samples_were_treated(store):
    for file in [*store.glob("runs/*/snapshots/*/scores.json"), *store.glob("real/*/scores.json")]:
        document = json.loads(file.read_text())
        scores = [{**score, "treatment": "padded to a square"} for score in document["scores"]]
        write(file, {**document, "scores": scores})
    html = report(store)
    protocols = html[html.index('<section id="protocols"') : html.index('<section id="runs"')]
    assert protocols.count("padded to a square") == protocols.count("<details")


@NEEDS_BROWSER
@pytest.mark.parametrize("width", [420, pytest.param(1280, marks=pytest.mark.slow)])
def test_it_fits_and_both_parts_are_seen(visit, width):
    page = visit(viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = [tile.bounding_box() for tile in page.locator("#datasets .frame").all()]
    assert len(boxes) == 2
    assert boxes[0]["y"] == boxes[1]["y"], "side by side"
    assert all(box["width"] > 100 and box["x"] + box["width"] <= width for box in boxes)
    page.get_by_role("link", name="Data", exact=True).click()
    assert page.url.endswith("#datasets")
