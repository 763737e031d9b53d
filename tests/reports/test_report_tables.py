"""The report's tables in a real browser: sorted by a key, and saved as files."""

from __future__ import annotations

import csv
import io
import json
import threading

import pytest
from browser import BROWSER
from fake_store import write, write_store
from test_exports import HOSTILE

from gan_bench.findings.compare import compare
from gan_bench.findings.tables import load
from gan_bench.live.beside import make_server
from gan_bench.live.server import address as address_of
from gan_bench.live.server import listen, new_token
from gan_bench_reports.exports import csv_text, latex_text, markdown_text
from gan_bench_reports.formats import spread
from gan_bench_reports.page import write_report

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
TABLE = "#comparison-2 table.levels:not(.every)"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = write_store(tmp_path_factory.mktemp("stores") / "quickstart", seeds=3, snapshots=2, steps=100)
    grid = json.loads((store / "grid.json").read_text())
    grid["comparisons"][1]["levels"][1]["label"] = HOSTILE
    write(store / "grid.json", grid)
    return store


@pytest.fixture(scope="module")
def address(store):
    write_report([store], store / "report.html")
    return (store / "report.html").as_uri()


def column(page, number):
    return page.locator(f"{TABLE} tbody tr").evaluate_all(f"rows => rows.map(row => row.cells[{number}].dataset.value)")


def test_every_score_is_a_click_away(page):
    every = page.locator("#comparison-2 table.levels.every")
    assert not every.is_visible()
    page.get_by_text("Every score, at the best snapshots as well").nth(1).click()
    heads = every.locator("thead th").all_inner_texts()
    assert [head for head in heads if "classifier" in head] == [
        f"{name}[classifier] (2000 generated, 360 real)" for name in ("FD", "KID")
    ]
    assert sum(head.startswith("best snapshot") for head in heads) == 2


@pytest.mark.slow
def test_sorted_by_keyboard_and_told_to_screen_readers(visit):
    page = visit()
    own = column(page, 1)
    button = page.get_by_role("button", name="FD[classifier]").and_(page.locator(f"{TABLE} .sort")).first
    button.focus()
    seen = []
    for _ in range(3):
        page.keyboard.press("Enter")
        sorts = page.locator(f"{TABLE} [aria-sort]").evaluate_all("all => all.map(one => one.ariaSort)")
        seen.append((sorts, column(page, 1)))
    ordered = sorted(own, key=float)
    assert ordered != own
    assert seen == [(["ascending"], ordered), (["descending"], ordered[::-1]), ([], own)]
    page.locator(f"{TABLE} .sort").first.click()
    labels = column(page, 0)
    assert labels == sorted(labels, key=str.lower)
    assert page.locator(f"{TABLE} tfoot th").inner_text().startswith("Real training data")


def saved(page, format):
    with page.expect_download() as download:
        page.locator(f"#comparison-2 .take [data-format={format}]").first.press("Enter")
    assert download.value.suggested_filename == f"which-tricks-help.{format}"
    with open(download.value.path(), encoding="utf-8") as file:
        return file.read()


def shown(value):
    return spread(value.mean, value.deviation)


def test_saved_in_all_formats(page, store):
    levels = compare(load(store))[1].levels
    rows = list(csv.reader(io.StringIO(saved(page, "csv"))))
    fd = "FD[classifier] (2000 generated, 360 real)"
    assert rows[0][:5] == ["Level", fd, f"{fd}, standard deviation", "Seeds", "Healthy seeds"]
    assert rows[0][5:] == ["Parameters, G", "Parameters, D", "Training time (s)"]
    assert [row[0] for row in rows[1:]] == [csv_text(level.label) for level in levels] + ["Real training data"]
    values = [level.values["FD[classifier]"]["last"] for level in levels]
    assert [tuple(map(float, row[1:3])) for row in rows[1:5]] == [(value.mean, value.deviation) for value in values]
    assert float(rows[1][-1]) == levels[0].numbers["seconds"]
    markdown = saved(page, "md").splitlines()
    assert markdown[0] == "**Which tricks help?**"
    assert markdown[5].startswith(f"| {markdown_text(HOSTILE)} | {shown(values[1])} | ")
    latex = saved(page, "tex")
    assert f"\n{latex_text(HOSTILE)} & {latex_text(shown(values[1]))} & " in latex
    assert "& \\multicolumn{2}{c}{Parameters}" in latex
    assert "\\cmidrule(lr){2-3}" in latex


@pytest.mark.slow
def test_a_sorted_table_is_saved_as_it_is_seen(visit):
    page = visit()
    page.locator(f"{TABLE} .sort").filter(has_text="FD[classifier]").first.click()
    rows = list(csv.reader(io.StringIO(saved(page, "csv"))))
    assert [row[1] for row in rows[1:5]] == sorted((row[1] for row in rows[1:5]), key=float)


@pytest.mark.parametrize(
    ("element", "tables"),
    [
        ("details.run", ["Outcome", "Events and folder"]),
        ("details.shared", ["Settings", "Provenance", "Generator", "Discriminator"]),
    ],
)
def test_all_tables_of_a_run_come_in_one_file(page, element, tables):
    place = page.locator(element).first
    place.locator("summary").click()
    with page.expect_download() as download:
        place.locator("[data-format=csv]").click()
    with open(download.value.path(), encoding="utf-8") as file:
        text = file.read()
    assert [part.splitlines()[0].split(":")[0].strip('"') for part in text.split("\n\n")] == tables


@pytest.mark.slow
def test_a_sorted_table_stays_sorted_while_it_is_watched(browser, tmp_path):
    store = write_store(tmp_path / "s", seeds=1, snapshots=1, steps=50, trouble=False)
    with listen(0) as listener:
        server = make_server(listener, new_token(), [store], [], lambda: True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page()
        page.goto(address_of(listener, server.token))
        page.locator(f"{TABLE} .sort").filter(has_text="FD[classifier]").first.click()
        before = column(page, 1)
        rows = page.locator(f"{TABLE} tbody tr").evaluate_all("rows => rows.map(row => row.dataset.row)")
        assert rows != sorted(rows)
        file = next((store / "runs").glob(f"{best_run(store)}/snapshots/*/scores.json"))
        scores = json.loads(file.read_text())
        scores["scores"][0]["value"] = 1000.0
        write(file, scores)
        page.wait_for_function(
            "table => table.textContent.includes('1\u202f000')", arg=page.locator(TABLE).element_handle()
        )
        assert column(page, 1) == [*before[1:], "1000.0"]
        assert page.locator(f"{TABLE} [aria-sort=ascending]").count() == 1
        page.close()
        server.shutdown()


def best_run(store):
    levels = compare(load(store))[1].levels
    return min(levels, key=lambda level: level.values["FD[classifier]"]["last"].mean).runs[0]


def test_no_buttons_that_do_nothing(visit):
    page = visit(java_script_enabled=False)
    assert page.locator(".take:visible").count() == 0
    assert page.locator(TABLE).is_visible()
    assert page.locator("#answers .track .seed:visible").count() > 10


@pytest.mark.slow
def test_all_runs_in_one_table_are_searched_sorted_and_saved(visit):
    page = visit()
    page.locator("#search input").fill("fcgan")
    place = page.locator("#run-table")
    place.locator("summary").click()
    rows = place.locator("tbody tr:visible")
    assert rows.count() == 3
    place.get_by_role("button", name="Seed").click(click_count=2)
    with page.expect_download() as download:
        place.locator("[data-format=csv]").click()
    with open(download.value.path(), encoding="utf-8") as file:
        head, *saved_rows = csv.reader(file)
    assert head[:3] == ["Run", "Seed", "Status"]
    assert [row[:2] for row in saved_rows] == [["fcgan, no tricks", str(seed)] for seed in (2, 1, 0)]
    rows.first.locator("a").click()
    assert page.locator("details.run[open] summary").inner_text().startswith("seed 2")
