"""The report's figures in a real browser: one axis for all of a comparison, read and zoomed by mouse and keyboard, saved."""

from __future__ import annotations

import base64
import time
from io import BytesIO
from pathlib import Path

import pytest
from browser import BROWSER
from PIL import Image

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")


def settled(page, section):
    """The comparison's charts that are near the window; all that is asked of them has been drawn."""
    section.locator(".plot").first.scroll_into_view_if_needed()
    page.wait_for_function(
        "section => section.querySelectorAll('.plot .main-svg').length > 5", arg=section.element_handle()
    )
    return section.locator(".plot:has(.main-svg)")


def until(plot, seen, gesture, *where, **how):
    """Repeat what a busy browser may miss, as a double click whose halves it handles too far apart, until it is seen."""
    for _ in range(20):
        gesture(*where, **how)
        for _ in range(20):
            if plot.evaluate(seen):
                return
            time.sleep(0.1)
    raise AssertionError(f"not seen after 20 times: {seen}")


@pytest.mark.slow
def test_one_axis_for_all_charts_of_a_comparison(visit):
    page = visit()
    section = page.locator("#comparison-3")
    plots = settled(page, section)
    look = (
        "plots => plots.map(p => [p.layout.xaxis.title.text, p.layout.xaxis.range, p.data.find(l => l.meta).x.at(-1)])"
    )
    steps = plots.evaluate_all(look)
    assert {(title, *ends) for title, ends, _ in steps} == {("generator steps", 0, 306)}
    assert {last for *_, last in steps} == {300}
    section.locator("[value=images]").check()
    images = plots.evaluate_all(look)
    assert {(title, *ends) for title, ends, _ in images} == {("real images seen", 0, 306 * 64)}
    assert {last for *_, last in images} == {300 * 64}
    section.locator("[value=seconds]").check()
    seconds = plots.evaluate_all(look)
    assert {title for title, *_ in seconds} == {"training seconds"}
    assert len({tuple(ends) for _, ends, _ in seconds}) == 1
    assert all(0 < last < 300 * 0.027 for *_, last in seconds)
    bands = "plots => plots[0].data.filter(l => l.fill === 'toself').length"
    seeds = "plots => plots[0].data.filter(l => l.opacity === 0.55).map(l => l.x.length).sort()"
    assert plots.evaluate_all(bands) == 3
    section.locator(".each").check()
    assert plots.evaluate_all(bands) == 0
    assert plots.evaluate_all(seeds) == [2, *[4] * 8]  # all of them as a whole; one is unfinished
    section.locator(".log-x").check()
    assert plots.evaluate_all("plots => plots[0].layout.xaxis.type") == "log"
    # An unfinished run goes on for itself where the band ends, and a failed one is marked where it did.
    other = settled(page, page.locator("#comparison-1"))
    assert other.evaluate_all("plots => plots[0].data.find(l => l.marker?.symbol === 'x').x") == [150]


@pytest.mark.slow
def test_zoom_and_reading_are_common_to_all_charts(visit):
    page = visit(reduced_motion="reduce")  # where the mouse goes must not scroll any longer
    section = page.locator("#comparison-2")
    plots = settled(page, section)
    ranges = "plots => plots.map(plot => plot.layout.xaxis.range.map(Math.round).join(' to '))"
    box = plots.first.bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + 320, box["y"] + 90, steps=4)
    page.mouse.up()
    page.wait_for_function("plot => plot.layout.xaxis.range[0] > 50", arg=plots.nth(1).element_handle())
    zoomed = plots.evaluate_all(ranges)
    assert len(set(zoomed)) == 1
    # What is shown fills the height: the spike of the losses lies outside, to the right of it or in it.
    high, top = plots.first.evaluate("""plot => {
        const [from, to] = plot.layout.xaxis.range;
        const shown = plot.data.flatMap((line) => line.y.filter((_, i) => line.x[i] >= from && line.x[i] <= to));
        return [Math.max(...shown), 10 ** plot.layout.yaxis.range[1]];
    }""")
    assert high < top < 2 * high
    second = plots.nth(1).element_handle()
    until(second, "plot => plot.layout.xaxis.range[0] === 0", page.mouse.dblclick, box["x"] + 200, box["y"] + 80)
    assert set(plots.evaluate_all(ranges)) == {"0 to 306"}
    read = "plot => plot.querySelector('.hoverlayer .legendtext') !== null"
    until(second, read, page.mouse.move, box["x"] + 250, box["y"] + 100, steps=3)
    page.mouse.move(5, 5)
    plots.nth(2).focus()
    for key in ("Home", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    reading = section.locator(".reading").inner_text()
    assert reading.startswith("Loss of G at 75 generator steps: no tricks ")
    assert "label_noise (amount 0.05) + ema " in reading
    page.keyboard.press("+")
    assert plots.evaluate_all(ranges)[0] == "77 to 230"
    page.keyboard.press("Escape")
    assert plots.evaluate_all(ranges)[0] == "0 to 306"
    label = plots.nth(2).get_attribute("aria-label")
    assert label.startswith("Loss of G, against generator steps. Last values: no tricks ")


@pytest.mark.slow
def test_levels_are_isolated_with_the_keyboard(visit):
    page = visit()
    section = page.locator("#comparison-2")
    plots = settled(page, section)
    key = section.locator(".legend button", has_text="ema").first
    key.focus()
    page.keyboard.press("Shift+Enter")
    assert section.locator(".legend [aria-pressed=true]").all_inner_texts() == ["ema"]
    assert plots.first.evaluate("plot => plot.data.filter(l => l.meta).map(l => l.name)") == ["ema"]
    section.locator(".all").press("Enter")
    assert section.locator(".legend [aria-pressed=true]").count() == 4


@pytest.mark.slow
def test_charts_are_saved_on_white_with_title_and_legend(visit):
    page = visit(color_scheme="dark")
    section = page.locator("#comparison-3")
    settled(page, section)
    files = {}
    for kind in ("PNG", "SVG"):
        with page.expect_download() as download:
            section.locator(".save", has_text=kind).nth(2).press("Enter")
        assert download.value.suggested_filename == f"quickstart_do-more-layers-help_loss-of-g.{kind.lower()}"
        files[kind] = Path(download.value.path()).read_bytes()
    picture = Image.open(BytesIO(files["PNG"])).convert("RGB")
    assert picture.size == (1800, 1120)
    assert picture.getpixel((3, 3)) == picture.getpixel((1796, 1116)) == (255, 255, 255)
    drawing = files["SVG"].decode()
    for words in ("Do more layers help?", "Loss of G", "depth 1", "depth 3", "generator steps"):
        assert words in drawing
    assert "rgb(28, 27, 25)" in drawing  # the light theme's ink


@pytest.mark.slow
def test_differences_are_saved_with_names_and_numbers(visit):
    page = visit(color_scheme="dark")
    section = page.locator("#comparison-2")
    files = {}
    for kind in ("png", "svg"):
        with page.expect_download() as download:
            section.locator(f"[data-kind={kind}]").first.press("Enter")
        name = f"quickstart_which-tricks-help_fd-classifier-2000-generated-360-real.{kind}"
        assert download.value.suggested_filename == name
        files[kind] = Path(download.value.path()).read_bytes()
    assert Image.open(BytesIO(files["png"])).convert("RGB").getpixel((3, 3)) == (255, 255, 255)
    drawing = files["svg"].decode()
    for words in ("Which tricks help?", "FD[classifier]", "ema", "paired difference to no tricks", "no verdict yet"):
        assert words in drawing


@pytest.mark.slow
def test_sample_grids_are_saved_as_they_are_shown(visit):
    page = visit(color_scheme="dark")
    strip = page.locator("#comparison-2 .strip")
    strip.locator(".moment").focus()
    page.keyboard.press("ArrowLeft")
    tile = strip.locator("[data-cell]").first
    with page.expect_download() as download:
        strip.locator(".save-sheet").press("Enter")
    assert download.value.suggested_filename == "quickstart_which-tricks-help_samples.png"
    sheet = Image.open(download.value.path()).convert("RGB")
    source = tile.locator(".picture").evaluate('it => /base64,(.*)"/.exec(getComputedStyle(it).backgroundImage)[1]')
    picture = Image.open(BytesIO(base64.b64decode(source))).convert("RGB")
    zoom = round(300 / picture.width)
    enlarged = picture.resize((zoom * picture.width, zoom * picture.height), Image.Resampling.NEAREST)
    left = 24 + enlarged.width + 24  # beside the real data
    assert sheet.crop((left, 70, left + enlarged.width, 70 + enlarged.height)).tobytes() == enlarged.tobytes()
    assert page.evaluate("document.documentElement.style.colorScheme") == ""
