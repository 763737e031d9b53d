"""The report for everybody: checked by axe, by keyboard, on paper, without JavaScript, and with names that mean harm."""

from __future__ import annotations

import json
import re

import pytest
from browser import BROWSER, draw_all
from fake_store import BASELINE, score, write, write_run

from gan_bench_reports.page import write_report

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")

HARM = "</script></style><script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)>\"'`${alert(4)}{{7*7}}%{y}"
FOREIGN = (
    "\u202e\u05d0\u05d1\u05d2 \u0627\u0644\u0639 \u2028\U0001f9ea e\u0301"  # right to left, and some that breaks lines
)
LONG = "unbroken" * 60


def axe_findings(page, looks, leave_out):
    """What axe finds in some looks of the page, each a theme and a width."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    for part in (
        page.locator("#comparison-1 details").all() + page.locator("#protocols details, details.run").all()[-1:]
    ):
        part.evaluate("part => { part.open = true; }")
    page.evaluate(axe.Axe().axe_script)
    found = []
    for scheme, width in looks:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        result = page.evaluate("exclude => axe.run({ exclude }, { resultTypes: ['violations'] })", leave_out)
        for rule in result["violations"]:
            found.append((scheme, width, rule["impact"], rule["id"], rule["nodes"][0]["html"][:200]))
    return found


# What Plotly draws stands behind a label of its own; axe would look at each of its thousands of elements.
@pytest.mark.slow
def test_axe_finds_nothing(visit):
    page = visit(bypass_csp=True)  # axe's own script is no part of the page
    page.locator("#comparison-1 .plot").first.scroll_into_view_if_needed()
    assert axe_findings(page, [("dark", 400)], [".main-svg", "#comparison-2", "#comparison-3"]) == []


@pytest.mark.slow
def test_axe_finds_nothing_anywhere(visit):
    page = visit(bypass_csp=True)
    draw_all(page)
    looks = [(scheme, width) for scheme in ("light", "dark") for width in (1280, 400)]
    assert axe_findings(page, looks, ["#none"]) == []


@pytest.mark.slow
def test_the_keyboard_reaches_everything_and_shows_where_it_is(visit):
    page = visit()
    draw_all(page)
    page.evaluate("scrollTo(0, 0)")
    wanted = page.evaluate("""() => {
        const all = [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")];
        const usable = (e) => e.checkVisibility({ visibilityProperty: true }) && !e.disabled && (e.type !== "radio" || e.checked);
        window.left = new Set(all.filter(usable));
        return left.size;
    }""")
    for _ in range(wanted):
        page.keyboard.press("Tab")
        seen = page.evaluate("""() => {
            const element = document.activeElement, style = getComputedStyle(element);
            left.delete(element);
            return element !== document.body && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
        }""")
        assert seen, page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
    assert page.evaluate("[...left].map(e => e.outerHTML.slice(0, 200))") == []


SHIFTS = """window.shifts = [];
new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
        shifts.push([entry.value, entry.sources.map(({ node }) => node?.outerHTML?.slice(0, 99))]);
    }
}).observe({ type: "layout-shift", buffered: true });"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_jumps_while_it_loads_and_is_scrolled_through(visit, width):
    page = visit(script=SHIFTS, viewport={"width": width, "height": 900})
    draw_all(page)
    page.locator(".log").first.press("Space")
    page.wait_for_timeout(100)
    shifts = page.evaluate("shifts")
    assert sum(value for value, _ in shifts) < 0.01, shifts


@pytest.mark.slow
def test_on_paper_every_chart_is_drawn_in_light_colours_and_nothing_is_cut_off(visit):
    page = visit(color_scheme="dark")
    page.evaluate("""() => addEventListener("beforeprint", () => {
        const plots = [...document.querySelectorAll(".plot")];
        window.printed = {
            all: plots.length,
            widths: plots.map((p) => p.querySelector(".main-svg")?.clientWidth),
            inks: plots.map((p) => p.layout.font.color),
            closed: document.querySelectorAll("details.findings:not([open])").length,
        };
    })""")
    pdf = page.pdf(format="A4", prefer_css_page_size=True)
    assert 6 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 20
    printed = page.evaluate("printed")
    assert printed["widths"] == [325] * printed["all"]
    assert set(printed["inks"]) == {"rgb(28, 27, 25)"}
    assert printed["closed"] == 0
    assert page.locator("details.findings[open]").count() == 0  # afterwards all is as it was
    page.locator(".plot").first.scroll_into_view_if_needed()
    page.wait_for_function("() => document.querySelector('.plot .main-svg').clientWidth > 400")
    page.set_viewport_size({"width": 680, "height": 900})  # a page of A4 between its margins
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    right = "all => Math.max(...all.map((e) => e.getBoundingClientRect().right))"
    assert page.locator("table:visible, .plot svg:visible, .tile:visible, p:visible").evaluate_all(right) <= 680
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator(".controls:visible, .save:visible, #theme:visible").count()
    page.evaluate("dispatchEvent(new Event('afterprint'))")


def test_without_javascript_the_numbers_are_there_and_no_dead_controls(visit):
    page = visit(java_script_enabled=False)
    assert page.locator("#comparison-1 table.levels:not(.every)").is_visible()
    page.locator("#comparison-1 details.numbers summary").click()
    cells = page.locator("#comparison-1 .snapshots").first.locator("tbody tr").last.locator("th, td").all_inner_texts()
    assert cells[0] == "300"
    assert all(re.fullmatch(r"[\d.]+( \([\d.]+ to [\d.]+\))?", cell) for cell in cells[1:])
    # What sorts is a column's name as well, and looks like nothing else then.
    assert not page.locator(".training, .controls, button:not(.sort)").filter(visible=True).count()
    assert page.locator(".sort").first.evaluate("button => getComputedStyle(button, '::after').content") == "none"


@pytest.mark.slow
def test_contrast_and_forced_colours(visit):
    page = visit(forced_colors="active", reduced_motion="reduce")
    swatches = page.locator("#comparison-2 .levels:not(.every) .swatch").evaluate_all(
        "all => all.map(e => getComputedStyle(e).backgroundColor)"
    )
    assert len(set(swatches)) == 4
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    page.emulate_media(forced_colors="none", contrast="more")
    soft = page.locator(".summary").first.evaluate("e => getComputedStyle(e).color")
    assert max(map(int, re.findall(r"\d+", soft))) < 70


@pytest.fixture(scope="module")
def harmful(tmp_path_factory):
    """The report of a store whose every name tries something."""
    store = tmp_path_factory.mktemp("stores") / "harmful"
    names = [HARM, FOREIGN, LONG]
    levels = []
    for i, name in enumerate(names):
        settings = {**BASELINE, "tricks": [{"name": name, name: name}]}
        runs = {}
        for seed in (0, 1):
            end = "failed" if (i, seed) == (0, 1) else "finished"
            run = write_run(
                store / "runs" / f"r{i}-{seed}", settings, seed, f"{i}{seed}" * 32, end=end, snapshots=2, steps=100
            )
            runs[str(seed)] = run.name
            rows = [json.loads(line) for line in (run / "curves.jsonl").read_text().splitlines()]
            odd = {name: 1.0, "__proto__": 2.0, "constructor": 3.0}
            (run / "curves.jsonl").write_text("".join(json.dumps({**row, **odd}) + "\n" for row in rows))
            document = json.loads((run / "run.json").read_text())
            write(
                run / "run.json",
                {**document, "plugins": [{"kind": name, "name": name, "origin": name, "source": name}]},
            )
            for snapshot in (run / "snapshots").iterdir():
                scores = json.loads((snapshot / "scores.json").read_text())
                entries = [
                    {**score(3.0), "label": HARM},
                    {**score(2.0, protocol_id="ffff"), "metric": "m", "label": "constructor"},
                ]
                write(snapshot / "scores.json", {**scores, "scores": entries})
            if end == "failed":
                result = json.loads((run / "result.json").read_text())
                write(run / "result.json", {**result, "reason": f"{HARM} {FOREIGN} {LONG}", "traceback": HARM * 3})
        levels.append({"label": name, "values": {name: name}, "reference": i == 0, "runs": runs})
    comparisons = [{"title": name, "axes": names, "budget": HARM, "levels": levels} for name in names]
    write(
        store / "grid.json", {"name": " ".join(names), "arguments": names, "seeds": [0, 1], "comparisons": comparisons}
    )
    write_report([store], store / "report.html")
    return (store / "report.html").as_uri()


@pytest.mark.slow
def test_names_that_mean_harm_do_none(visit, harmful):
    page = visit(harmful)
    draw_all(page)
    section = page.locator("#comparison-1")
    section.locator("[value=seconds]").check()
    section.locator(".each").check()
    plot = section.locator(".plot").first
    plot.focus()
    page.keyboard.press("Home")
    assert HARM in section.locator(".reading").inner_text()
    with page.expect_download() as download:
        section.locator(".save").first.click()
    assert re.fullmatch(r"[a-z0-9_-]+\.png", download.value.suggested_filename)
    page.locator("details.run summary").first.evaluate("summary => summary.click()")
    assert page.locator("img, script:not([id]):nth-of-type(4)").count() == 0
    for width in (1280, 400):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    titles = section.locator(".charts .what").all_inner_texts()
    assert {"constructor (2000 generated, 360 real)", "constructor (curve)"} <= set(titles)
