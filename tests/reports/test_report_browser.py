"""The report in a real browser: what a reader sees and does."""

from __future__ import annotations

import pytest
from browser import NEEDS_BROWSER, draw_all
from fake_store import write_store

from gan_bench_reports.page import write_report

pytestmark = NEEDS_BROWSER


@pytest.mark.slow
def test_everything_is_drawn_without_complaint(visit):
    page = visit()
    draw_all(page)
    assert page.locator(".plot .scatterlayer .trace").count() > 50


@pytest.mark.slow
def test_a_single_snapshot_has_no_slider_and_its_charts_wait_until_they_are_near(visit, tmp_path):
    store = write_store(tmp_path / "short", seeds=1, snapshots=1, steps=50)
    write_report([store], store / "report.html")
    page = visit((store / "report.html").as_uri())
    strip = page.locator("#comparison-1 .strip")
    assert strip.locator(".seed").is_visible()
    assert not strip.locator(".moment").is_visible()
    assert not page.evaluate("'Plotly' in window")
    draw_all(page)
    assert page.evaluate("'Plotly' in window")


def rewind(page) -> None:
    """Show the last pictures of the first seed, as a page that has just been opened does."""
    page.locator("#comparison-1 select.seed").select_option("0")
    page.locator("#comparison-1 .moment").press("End")


def test_slider_moves_all_pictures_together(page):
    rewind(page)
    strip = page.locator("#comparison-2 .strip")
    pictures = strip.locator("[data-cell] .picture")
    before = pictures.evaluate_all("all => all.map(one => getComputedStyle(one).backgroundImage)")
    strip.locator(".moment").focus()
    page.keyboard.press("ArrowLeft")
    after = pictures.evaluate_all("all => all.map(one => getComputedStyle(one).backgroundImage)")
    assert len(before) == 4
    assert all(picture.startswith("url(") for picture in after)
    assert not set(before) & set(after)
    assert strip.locator("output").inner_text() == "step 225"
    assert "step 225 · FD[classifier]" in strip.locator(".at").first.inner_text()
    strip.locator("select.seed").select_option("1")
    assert not set(after) & set(pictures.evaluate_all("all => all.map(one => getComputedStyle(one).backgroundImage)"))


def shown(page, comparison: int) -> list[str]:
    pictures = page.locator(f"#comparison-{comparison} .strip [data-cell] .picture")
    return pictures.evaluate_all("all => all.map(one => getComputedStyle(one).backgroundImage)")


@pytest.mark.slow
def test_one_slider_moves_every_comparison(page):
    rewind(page)
    before = {i: shown(page, i) for i in (1, 2, 3)}
    heights = page.evaluate("document.documentElement.scrollHeight")
    page.locator("#comparison-2 .moment").focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    assert page.locator(".strip output").all_inner_texts() == ["step 75"] * 3
    assert all(not set(before[i]) & set(shown(page, i)) for i in before)
    page.locator("#comparison-1 .play").focus()  # arrow keys work beside the slider too
    page.keyboard.press("ArrowRight")
    assert page.locator(".strip output").all_inner_texts() == ["step 150"] * 3
    page.locator("#comparison-3 select.seed").select_option("1")
    assert page.locator(".seed-shown").all_inner_texts() == ["1"] * 3
    assert page.evaluate("document.documentElement.scrollHeight") == heights


@pytest.mark.slow
def test_play_goes_to_the_end_and_stops(visit):
    page = visit()
    button = page.locator("#comparison-1 .play")
    width = button.bounding_box()["width"]
    button.press("Enter")
    assert (button.inner_text(), page.locator("#comparison-2 .play").inner_text()) == ("Pause", "Play")
    assert page.locator("#comparison-2 .strip output").inner_text() == "step 75"
    assert button.bounding_box()["width"] == width
    page.locator("#comparison-1 .play", has_text="Play").wait_for()
    assert page.locator(".strip output").all_inner_texts() == ["step 300"] * 3
    button.click()
    button.click()
    assert button.inner_text() == "Play"
    assert page.locator("#comparison-1 .strip output").inner_text() != "step 300"


@pytest.mark.slow
def test_play_is_slow_where_little_motion_is_wanted(visit):
    page = visit(reduced_motion="reduce")
    page.clock.install(time=0)
    page.clock.pause_at(3_600)  # seconds later: from here on time stands still unless it is run
    page.locator("#comparison-1 .play").click()
    page.clock.run_for(1400)
    assert page.locator("#comparison-1 .strip output").inner_text() == "step 75"
    page.clock.run_for(200)
    assert page.locator("#comparison-1 .strip output").inner_text() == "step 150"


@pytest.mark.slow
def test_the_gallery_is_large_and_sharp(page):
    frames = page.locator("#gallery .hung .frame")
    assert {frame.bounding_box()["width"] for frame in frames.all()} == {(5 * 17 + 1) * 3}
    assert page.locator("#gallery .hung figcaption b").all_inner_texts().count("Real data") == 7
    picture = page.locator("#gallery .hung .picture").last
    # The grid's first samples, at the frame's size: the picture is larger than its frame.
    size = picture.evaluate("it => getComputedStyle(it).backgroundSize")
    assert float(size.split("%")[0]) == pytest.approx(100 * 171 / 86, rel=1e-4)
    page.locator("#gallery details.neighbours summary").first.click()
    assert page.locator("#gallery details[open] .picture").bounding_box()["height"] == (8 * 17 + 1) * 3


def test_a_failed_run_shows_its_last_picture(page):
    rewind(page)
    strip = page.locator("#comparison-1 .strip")
    strip.locator("select.seed").select_option("2")
    assert strip.locator(".at").last.inner_text().startswith("failed, step 150 · ")


def test_pixels_are_crisp_and_the_strip_is_one_row(page):
    frames = page.locator("#comparison-2 .picture")
    assert set(frames.evaluate_all("all => all.map(one => getComputedStyle(one).imageRendering)")) == {"pixelated"}
    boxes = frames.evaluate_all("all => all.map(one => one.getBoundingClientRect().toJSON())")
    assert len({box["y"] for box in boxes}) == 1
    assert {box["width"] / 171 for box in boxes} == {1.0}


@pytest.mark.slow
def test_log_switch_legend_and_hover(visit):
    page = visit(reduced_motion="reduce")  # where the mouse goes must not scroll any longer
    draw_all(page)
    figure = page.locator("#comparison-2 .charts figure", has_text="Loss of G")
    kind = "plot => plot.layout.yaxis.type"
    assert figure.locator(".plot").evaluate(kind) == "linear"
    figure.locator(".log").check()
    assert figure.locator(".plot").evaluate(kind) == "log"
    traces = figure.locator(".plot").evaluate("plot => plot.data.length")
    key = page.locator("#comparison-2 .legend button", has_text="ema").first
    key.click()
    assert key.get_attribute("aria-pressed") == "false"
    assert figure.locator(".plot").evaluate("plot => plot.data.length") < traces
    page.wait_for_timeout(400)  # else the next click makes a double click
    key.click()
    key.dblclick()
    assert page.locator("#comparison-2 .legend [aria-pressed=true]").count() == 1
    figure.locator(".plot").scroll_into_view_if_needed()
    box = figure.locator(".plot").bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 100, steps=3)
    figure.locator(".hoverlayer .legendtext").first.wait_for()
    assert "generator steps" in figure.locator(".hoverlayer").text_content()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_themes_and_the_toggle(visit, scheme):
    page = visit(color_scheme=scheme)
    draw_all(page)

    plot = page.locator("#comparison-1 .plot").first

    def look():
        brightness = page.evaluate(
            "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"
        )
        line = plot.locator(".js-line").first.evaluate("line => line.style.stroke")
        return sum(brightness) / 3, line

    plot.scroll_into_view_if_needed()
    before = look()
    page.locator("#theme").dispatch_event("click")  # without scrolling there, for charts follow where one looks
    after = look()
    assert (before[0] > 200, after[0] > 200) == ((True, False) if scheme == "light" else (False, True))
    assert before[1] != after[1]  # the charts follow


@pytest.mark.parametrize("width", [400, *(pytest.param(width, marks=pytest.mark.slow) for width in (768, 2000))])
def test_no_sideways_scrolling(visit, width):
    page = visit(viewport={"width": width, "height": 900})
    draw_all(page)
    page.locator("details.run summary").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_search_and_links_to_runs(page):
    page.locator("#search input").fill("failed fcgan")
    assert page.locator("details.run:visible").count() == 1
    assert page.locator("#search output").inner_text() == "1 of 21"
    page.locator("#search input").fill("")
    page.locator("#search [data-status=unfinished]").click()
    assert page.locator("#search output").inner_text() == "1 of 21"
    assert page.locator(".runs > .cell:visible").count() == 1
    page.locator("header .notice a").click()  # what the search has left out is shown again
    assert page.locator("#search output").inner_text() == "21 of 21"
    assert "FloatingPointError: <NaN> & co" in page.locator("details.run[open] pre").inner_text()


def test_readable_without_javascript(visit):
    page = visit(java_script_enabled=False)
    assert page.locator("#comparison-1 table.levels:not(.every)").is_visible()
    assert not page.locator(".strip .controls").first.is_visible()
    assert page.locator("#comparison-1 .picture").last.bounding_box()["width"] > 100
    page.locator("details.run summary").first.click()
    assert page.locator("details.run[open] .facts").first.is_visible()
    page.locator("details.shared summary").first.click()
    assert page.locator("details.shared[open] .layers").first.is_visible()
    assert page.locator("#gallery .hung .picture").last.bounding_box()["width"] > 200


def test_tables_and_controls_take_the_keyboard(visit):
    page = visit()
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert {"theme", "scroll", "sort", "play", "moment", "seed", "log"} <= reached
