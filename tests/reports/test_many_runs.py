"""A page of more runs than can be shown: what it says rests on all of them, and what it leaves out is said."""

from __future__ import annotations

import json
import re
from pathlib import Path

import fake_store
import pytest
from browser import NEEDS_BROWSER

from gan_bench.findings.compare import compare
from gan_bench.findings.tables import load
from gan_bench_reports import many, view
from gan_bench_reports.live import Live
from gan_bench_reports.page import content, write_report
from gan_bench_reports.pictures import Pictures

SEEDS, CELLS, LEVELS = 6, 12, 5


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    """A product of axes in which some levels are better and some worse; a run failed."""
    base = fake_store.BASELINE["architecture"]
    levels = [
        (
            f"depth {depth}, {tricks[0]['name'] if tricks else 'no tricks'}",
            {"architecture.depth": depth, "tricks": tricks},
            {"architecture": {**base, "depth": depth}, "tricks": tricks},
            1.0 if depth == 2 and not tricks else 0.6 if depth <= 3 else 2.0,
        )
        for depth in range(1, CELLS // 2 + 1)
        for tricks in ([], [fake_store.EMA])
    ]
    question = ("How deep, with which trick?", ["architecture.depth", "tricks"], levels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fake_store, "COMPARISONS", [question])
        store = fake_store.write_store(tmp_path_factory.mktemp("s") / "many", SEEDS, 2, 200, trouble=False)
    run = sorted((store / "runs").iterdir())[-1]
    fake_store.write(run / "result.json", {"status": "failed", "reason": "the loss is NaN", "steps": 100})
    return store


@pytest.fixture(scope="module", autouse=True)
def _few():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(view, "MANY_RUNS", SEEDS * CELLS - 1)
        patch.setattr(many, "LEVELS", LEVELS)
        patch.setattr(many, "LEAST_LEVELS", 1)
        yield


@pytest.fixture(scope="module")
def page(store) -> str:
    write_report([store], store / "report.html")
    return (store / "report.html").read_text()


def data_of(page: str) -> dict:
    start = page.index('id="data">') + len('id="data">')
    return json.loads(page[start : page.index("</script>", start)])


def test_the_answer_is_that_of_all_runs_and_so_are_the_maps(store, page, monkeypatch):
    monkeypatch.setattr(view, "MANY_RUNS", 10**6)
    whole = content(load(store), Pictures())
    text = re.search(r'<p class="answer">.*?</p>', page, re.S)[0]
    assert whole["comparisons"][0].answer.lead in text
    assert (
        page.count("<td data-value", page.index('class="heat"'), page.index("</table>", page.index('class="heat"')))
        >= CELLS - 1
    )
    found = re.findall(r'<li class="finding \w+">\s*<p><span[^>]*></span>(.*?)<', page)
    assert len(found) >= LEVELS - 1
    sentences = {entry.sentence.replace(" %", "\u00a0%") for entry in whole["comparisons"][0].facts.answers}
    assert len({one for one in found if any(each.startswith(one[:40]) for each in sentences)}) >= LEVELS - 1


def test_every_cell_has_a_row_with_all_of_its_runs(store, page):
    rows = many.cell_rows(load(store), load(store).scores[:1])
    assert len(rows) == CELLS
    assert sum(len(row.runs) for row in rows) == SEEDS * CELLS
    table = page[page.index('<div id="cells"') :]
    table = table[: table.index("</table>")]
    assert table.count("<tr data-row") == CELLS
    assert table.count("6 of 6") == CELLS - 1
    assert table.count("1 failed") == 1
    first = load(store).runs
    own = first[(first["cell"] == rows[0].name) & (first["status"] == "finished")]["FD[classifier] last"]
    assert rows[0].scores[0][0] == pytest.approx(own.mean())


def test_bands_rest_on_all_seeds_of_the_levels_that_are_shown_and_one_run_of_each_is_there_itself(store, page):
    data = data_of(page)
    levels = data["comparisons"]["comparison-1"]["levels"]
    assert len(levels) == LEVELS
    cells = [data["cells"][level["cell"]] for level in levels]
    assert all(len(cell["runs"]) == 1 for cell in cells)
    assert len(data["runs"]) == LEVELS
    results = load(store)
    facts = compare(results)[0]
    level = next(one for one in facts.levels if one.label == levels[3]["label"])
    going = {level.runs[seed] for seed in level.seeds["finished"]}
    losses = results.curves[results.curves["run"].isin(going)].groupby("step")["loss_g"]
    assert cells[3]["bands"]["steps"]["loss_g"][1] == pytest.approx(losses.mean().tolist(), rel=1e-3)
    assert not any(cell["bands"]["steps"] for cell in data["cells"] if not cell["runs"])


def test_what_is_left_out_is_said_and_how_to_see_it(store, page):
    assert "72 runs are too many for one page" in page
    assert f"gan-bench watch {store}" in page
    assert "of 12 levels" in page
    assert "1 run failed" in page
    assert page.count('<details class="run"') == 1, "the failed one, with its reason"
    assert "the loss is NaN" in page


def test_a_page_that_is_watched_gives_the_runs_of_each_cell(store):
    live = Live([store], lambda: False)
    assert 'data-part="12"' in live.page()
    part = live.part(12)
    assert part.count('<details class="run"') == SEEDS
    keys = re.findall(r"picture/([0-9a-f]{64})", part)
    assert len(keys) == SEEDS
    assert live.picture(keys[0]).startswith(b"\x89PNG")
    assert live.part(13) is None
    assert live.part(0) is None


@NEEDS_BROWSER
@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 420])
def test_a_browser_shows_it_and_fetches_the_runs_of_a_cell(store, browser, width, tmp_path):
    import threading

    from gan_bench.live.server import Server, address, listen

    server = Server(listen(0), "token", Live([store], lambda: False))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tab = browser.new_page(viewport={"width": width, "height": 900})
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto(address(server.socket, "token"))
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.locator("button.open-part").nth(2).click()
    tab.locator("#part details.run").first.wait_for(state="attached")
    assert tab.locator("#part details.run").count() == SEEDS
    tab.locator("#part details.run summary").first.click()
    assert (
        tab.locator("#part .picture").first.evaluate("one => getComputedStyle(one).backgroundImage").startswith("url(")
    )
    tab.locator("button.open-part").nth(2).click()
    assert tab.locator("#part details.run").count() == 0
    assert not errors
    tab.close()
    server.shutdown()
