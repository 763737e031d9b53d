"""A real browser, and a report opened in it."""

from __future__ import annotations

import shutil
from contextlib import contextmanager

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NEEDS_BROWSER = pytest.mark.skipif(
    BROWSER is None, reason="no Chromium is installed (chromium, chromium-browser, google-chrome)"
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def address(tmp_path_factory):
    from fake_store import write_store

    from gan_bench_reports.page import write_report

    store = write_store(tmp_path_factory.mktemp("stores") / "quickstart", seeds=3, snapshots=4, steps=300)
    write_report([store], store / "report.html")
    return (store / "report.html").as_uri()


@pytest.fixture(scope="session")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="the Python package playwright is not installed")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def visiting(browser, address):
    """A function that opens the report; afterwards nothing may have been complained of or fetched."""
    contexts, complaints = [], []

    def open_page(at=address, script="", **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "offline": True, **options})
        context.set_default_timeout(120_000)  # milliseconds: on a busy machine half a minute was once too short
        contexts.append(context)
        page = context.new_page()
        page.add_init_script(script)
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on(
            "request",
            lambda request: request.url.startswith(("file:", "data:", "blob:")) or complaints.append(request.url),
        )
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}") or dialog.dismiss())
        page.goto(at)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def visit(browser, address):
    """The function of `visiting`."""
    with visiting(browser, address) as open_page:
        yield open_page


@pytest.fixture(scope="module")
def page(browser, address):
    """The report, opened once for those tests of a file that don't mind what the others have done to it."""
    with visiting(browser, address) as open_page:
        yield open_page()


def draw_all(page) -> None:
    """Scroll through the page, so that every chart is drawn."""
    page.evaluate("""async () => {
        for (const plot of document.querySelectorAll(".plot")) {
            plot.scrollIntoView({ behavior: "instant" });
            while (!plot.querySelector(".main-svg")) await new Promise((done) => setTimeout(done, 10));
        }
    }""")
    page.wait_for_function("[...document.querySelectorAll('.plot')].every(plot => plot.querySelector('.main-svg'))")
