"""What a notebook shows of results: answers, numbers and pictures in the cell, the whole report in a frame."""

from __future__ import annotations

import base64
import io
import json
import re
from html import unescape

import pytest
from browser import NEEDS_BROWSER
from fake_store import write, write_store
from PIL import Image

import gan_bench
from gan_bench.errors import GanBenchError
from gan_bench.findings import shown
from gan_bench.findings.answers import answer
from gan_bench.findings.compare import compare
from gan_bench_reports import inline

HOSTILE = "<script>alert(1)</script>\"'&<b>"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("stores") / "quickstart", seeds=3, snapshots=2, steps=100, sides=True)


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", html)))


def test_a_cell_shows_answers_numbers_and_pictures(store):
    results = gan_bench.load(store)
    html = results._repr_html_()
    text = text_of(html)
    for comparison in compare(results):
        assert comparison.title in text
        assert re.sub(r"\s+", " ", str(answer(comparison))) in text
        for level in comparison.levels:
            assert level.label in text
    assert "19 finished, 1 unfinished, 1 failed runs" in text
    assert "1 of them: the generator's loss is NaN at step 900" in text
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    assert len(pictures) == 7  # cells
    assert Image.open(io.BytesIO(base64.b64decode(pictures[0]))).size == (6 * 17 + 1, 4 * 17 + 1)
    assert len(html) < 100_000
    assert "<script" not in html


def test_the_numbers_are_those_of_the_report(store):
    results = gan_bench.load(store)
    of_ema = next(level for level in compare(results)[1].levels if level.label == "ema")
    value = of_ema.values["KID[classifier]"]["last"]
    row = next(row for row in results._repr_html_().split("<tr>") if ">ema</td>" in row)
    assert inline.template("inline.html").environment.filters["spread"](value.mean, value.deviation) in row


def test_names_of_a_stranger_s_store_stay_text(store, tmp_path):
    other = write_store(tmp_path / "s", seeds=1, snapshots=1, steps=50)
    grid = json.loads((other / "grid.json").read_text())
    grid["name"] = grid["comparisons"][0]["title"] = grid["comparisons"][0]["levels"][1]["label"] = HOSTILE
    write(other / "grid.json", grid)
    html = gan_bench.load(other)._repr_html_()
    assert "<script" not in html
    assert HOSTILE in unescape(html)
    assert "mathjax_ignore" in html.partition(">")[0]


def test_of_many_some_are_shown_and_the_others_counted(store, monkeypatch):
    for name, number in (("QUESTIONS", 1), ("LEVELS", 1), ("PICTURES", 2), ("SENTENCES", 1)):
        monkeypatch.setattr(inline, name, number)
    html = gan_bench.load(store)._repr_html_()
    assert "and 2 more questions" in html
    assert "and 1 more levels" in html
    assert "<li>and 2 more</li>" in html
    assert html.count("<img") == 2


def test_a_grid_without_questions_shows_its_pictures(store, tmp_path):
    other = write_store(tmp_path / "s", seeds=1, snapshots=1, steps=50, trouble=False)
    grid = json.loads((other / "grid.json").read_text())
    write(other / "grid.json", grid | {"comparisons": []})
    (next((other / "runs").glob("*")) / "snapshots" / "step-00000050" / "samples.png").write_bytes(b"no picture")
    html = gan_bench.load(other)._repr_html_()
    assert html.count("<img") == 6  # of seven


def test_a_terminal_gets_a_line(store):
    assert repr(gan_bench.load(store)) == "results of quickstart: 21 runs, 160 scores"


def test_the_whole_report_comes_in_a_frame_that_has_nothing_of_the_notebook(store):
    before = sorted(store.iterdir())
    frame = gan_bench.load(store).report(height=333)
    assert "Which tricks help?" in frame.page
    html = frame._repr_html_()
    assert "height: 333px" in html
    assert unescape(html).lower().count("<!doctype html>") == 1
    assert "allow-same-origin" not in html
    assert re.fullmatch(r"a page of \d+\.\d MB, which a notebook shows in a frame", repr(frame))
    assert sorted(store.iterdir()) == before


def test_without_a_report_s_plugin_that_is_told(store, monkeypatch):
    monkeypatch.setattr("gan_bench.api.registry.entry_points", lambda group: ())
    results = gan_bench.load(store)
    assert shown.inline(results) is None
    with pytest.raises(GanBenchError, match="no plugin that is installed writes a report"):
        results.report()


@NEEDS_BROWSER
@pytest.mark.slow
def test_the_framed_report_s_charts_and_links_work_in_a_browser(store, tmp_path, browser):
    (tmp_path / "notebook.html").write_text(
        f"<!doctype html><meta charset=utf-8><h1>notebook</h1>{gan_bench.load(store).report()._repr_html_()}"
    )
    page = browser.new_page()
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((tmp_path / "notebook.html").as_uri())
    page.frame_locator("iframe").locator('a[href="#runs"]').first.click()
    frame = page.frames[1]
    frame.locator(".plot .main-svg").first.wait_for()
    while frame.evaluate("scrollY") < 500:
        page.wait_for_timeout(10)
    assert frame.url == "about:srcdoc#runs"
    assert complaints == []
    page.close()
