"""How long the report takes to make and to open, and how large it is.

pytest benchmarks/test_report_speed.py    making is limited in processor time; opening in real time, so on a quiet machine
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from browser import BROWSER, browser  # noqa: F401 - a fixture
from fake_store import BASELINE, write, write_run

from gan_bench_reports.page import write_report

POINTS = 2000  # of a run's curves
OPENED = """window.opened = new Promise((done) => {
    const look = () => {
        const slider = document.querySelector("input.moment");
        const theme = document.getElementById("theme"); // shown when the page's scripts have run
        if (theme && !theme.hidden && document.querySelector(WANTED)) {
            if (!slider.checkVisibility()) return done(performance.now()); // only one snapshot is in the page
            const before = document.body.innerText;
            slider.value = 0;
            slider.dispatchEvent(new Event("input", { bubbles: true }));
            if (document.body.innerText !== before) return done(performance.now());
        }
        requestAnimationFrame(look);
    };
    look();
});"""


FIRST_CHARTS = "#comparison-1-training"


def make_store(store: Path, cells: int, seeds: int, snapshots: int, courses: int) -> Path:
    """One comparison of so many cells. Only so many runs differ; the others are copies of them."""
    levels = []
    for cell in range(cells):
        settings = {**BASELINE, "architecture": {**BASELINE["architecture"], "width": cell + 1}}
        runs = {str(seed): f"run-{cell * seeds + seed}" for seed in range(seeds)}
        for seed, name in runs.items():
            number = int(name[4:])
            if number < courses:
                identity = f"{number:08x}" * 8
                write_run(store / "runs" / name, settings, int(seed), identity, snapshots=snapshots, steps=25 * POINTS)
            else:
                shutil.copytree(store / "runs" / f"run-{number % courses}", store / "runs" / name)
        label = f"width {cell + 1}"
        levels.append(
            {"label": label, "values": {"architecture.width": cell + 1}, "reference": cell == 0, "runs": runs}
        )
    comparison = {"title": "How wide?", "axes": ["architecture.width"], "budget": "steps", "levels": levels}
    grid = {"name": "wide", "arguments": ["grid.toml"], "seeds": list(range(seeds))}
    write(store / "grid.json", {**grid, "comparisons": [comparison]})
    return store


def data_in(page: Path) -> str:
    """What the page's scripts read, curves above all."""
    html = page.read_text(encoding="utf-8")
    start = html.index('id="data">') + len('id="data">')
    return html[start : html.index("</script>", start)]


def measure(benchmark, store: Path, limit: float, rounds: int = 3) -> str:
    """Make the page some times; the fastest must stay within `limit` seconds of processor time. What the command tells."""
    seconds, told = [], []

    def make() -> None:
        began = time.process_time()
        told.append(write_report([store], store / "report.html"))
        seconds.append(time.process_time() - began)

    benchmark.pedantic(make, rounds=rounds)
    benchmark.extra_info |= {"processor_seconds": min(seconds), "told": told[-1]}
    data = len(data_in(store / "report.html")) / 1e6
    print(
        f"\n{store.name}: {min(seconds):.1f} s of processor time; {told[-1]}; {data:.1f} MB of it data for the scripts"
    )
    assert min(seconds) < limit
    return told[-1]


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory):
    """12 cells, 5 seeds, 20 snapshots, 2000 curve points."""
    return make_store(tmp_path_factory.mktemp("stores") / "12 cells x 5 seeds", 12, 5, 20, courses=60)


def test_making_60_runs(benchmark, ordinary):
    measure(benchmark, ordinary, limit=10)
    assert (
        len(data_in(ordinary / "report.html")) < 3_500_000
    )  # leaves room for charts' JavaScript and pictures in 12 MB


def open_page(browser, page: Path, at: str, benchmark, limit: float, rounds: int) -> None:  # noqa: F811
    """Open the page, each time anew, until the slider moves pictures, and a chart is drawn where it is opened at one."""
    seconds, busy = [], []
    wanted = "'.plot .main-svg .js-line'" if at else "'main'"

    def visit() -> None:
        context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
        tab = context.new_page()
        tab.add_init_script(OPENED.replace("WANTED", wanted))
        protocol = context.new_cdp_session(tab)
        protocol.send("Performance.enable", {"timeDomain": "threadTicks"})
        tab.goto(page.as_uri() + at, wait_until="commit")
        seconds.append(tab.evaluate("opened") / 1000)
        metrics = protocol.send("Performance.getMetrics")["metrics"]
        busy.append(next(metric["value"] for metric in metrics if metric["name"] == "ThreadTime"))
        context.close()

    benchmark.pedantic(visit, rounds=rounds, warmup_rounds=1)
    benchmark.extra_info |= {"seconds_from_navigation": seconds, "processor_seconds": busy}
    took = f"{min(seconds):.2f} to {max(seconds):.2f} s, of which {min(busy):.2f} s of processor time"
    print(f"\n{page.parent.name}: interactive{' at its first charts' if at else ''} after {took}")
    assert min(seconds) < limit


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
@pytest.mark.parametrize("at", ["", FIRST_CHARTS])
def test_opening_60_runs(benchmark, ordinary, browser, at):  # noqa: F811
    if not (ordinary / "report.html").exists():
        write_report([ordinary], ordinary / "report.html")
    open_page(browser, ordinary / "report.html", at, benchmark, limit=2, rounds=5)


def test_making_200_runs(benchmark, tmp_path):
    measure(benchmark, make_store(tmp_path / "40 cells x 5 seeds", 40, 5, 8, courses=24), limit=15)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_making_and_opening_1000_runs(benchmark, tmp_path, browser):  # noqa: F811
    store = make_store(tmp_path / "200 cells x 5 seeds", 200, 5, 2, courses=16)
    told = write_report([store], store / "report.html")
    assert "curves of up to 2,000 points are drawn with" in told
    print(f"\n{store.name}: {told}")
    open_page(browser, store / "report.html", FIRST_CHARTS, benchmark, limit=20, rounds=1)
