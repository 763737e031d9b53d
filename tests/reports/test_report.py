"""The report's HTML: what it holds, that it holds it once, and that names can't become markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner
from fake_store import BASELINE, score, write, write_run, write_store

from gan_bench.cli.report import command
from gan_bench.findings.tables import load
from gan_bench.stats.paired import paired_difference
from gan_bench_reports import formats
from gan_bench_reports.differences import make_axis
from gan_bench_reports.page import plotly_js, write_report
from gan_bench_reports.pictures import Pictures


class Page(HTMLParser):
    """A page's elements, and the text of its scripts and cells."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._in = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._in = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._in = ""

    def handle_data(self, data):
        if self._in == "script":
            self.scripts[-1] += data
        elif self._in != "style":
            self.text += data.replace("\u00a0", " ")

    def all(self, tag, **attributes):
        return [a for t, a in self.elements if t == tag and all(a.get(k) == v for k, v in attributes.items())]


def report(store) -> str:
    write_report([store], store / "report.html")
    return (store / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("stores") / "quickstart", seeds=3, snapshots=4, steps=300)


@pytest.fixture(scope="module")
def html(store):
    return report(store)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_answers_come_first(html):
    order = [
        html.index(part)
        for part in ("<h1>quickstart", "In short", 'id="comparison-1"', 'id="comparison-3"', 'id="runs"')
    ]
    assert order == sorted(order)
    section = html[html.index('id="comparison-1"') : html.index('id="comparison-2"')]
    parts = [section.index(part) for part in ('class="findings"', 'class="levels"', 'class="strip"', 'class="charts"')]
    assert parts == sorted(parts)


def test_every_level_has_a_sentence_and_failures_are_said(page):
    for level in ("fcgan", "label_noise (amount 0.05)", "ema", "depth 1", "depth 3"):
        assert re.search(rf"real\) of {re.escape(level)} is [\d.]+ % (lower|higher) than that of ", page.text), level
    assert "Seed 2 of fcgan failed" in page.text
    assert "Not finished: seed 2 of depth 3." in page.text
    assert "no claim of significance" in page.text
    assert "FloatingPointError: <NaN> & co" in page.text
    assert not re.search(r"\bFID\b", page.text)


def verdicts(page) -> list[str]:
    return [(a["class"] or "").split()[1] for a in page.all("b") if "verdict" in (a.get("class") or "")]


def test_no_verdict_under_six_seeds(page):
    assert verdicts(page) == ["untested"] * 3
    assert page.text.count("No verdict yet") == 3
    assert page.text.count("no verdict yet") == 6  # beside each level
    assert "A verdict needs at least 6 seeds." in page.text
    assert "lower is better, at the last snapshot, paired over 3 seeds." in page.text
    assert not re.search(r"[Bb]etter than|[Ww]orse than|No difference", page.text)


def test_verdicts_from_six_seeds(tmp_path):
    store = write_store(tmp_path / "six", seeds=6, snapshots=1, steps=100, trouble=False)
    page = Page(report(store))
    assert {"better", "worse"} <= set(verdicts(page))
    assert "paired over 6 seeds." in page.text
    assert "needs at least" not in page.text
    assert "fcgan is worse than dcgan: " in page.text


def test_it_says_whether_best_snapshots_were_scored_on_other_samples(tmp_path):
    store = write_store(tmp_path / "s", seeds=1, snapshots=1, steps=100, trouble=False)
    assert (
        "chosen on the samples that are scored, so it flatters (these runs were not scored on others)."
        in Page(report(store)).text
    )
    for file in store.glob("runs/*/snapshots/*/scores.json"):
        scores = json.loads(file.read_text())
        write(file, scores | {"again": [{**score, "value": 77.25} for score in scores["scores"]]})
    page = Page(report(store))
    assert "of up to 1, chosen on one set of samples and scored again on another." in page.text
    assert "77.2" in page.text


@pytest.mark.slow
def test_a_finished_run_without_a_score_is_said(tmp_path):
    store = write_store(tmp_path / "s", seeds=3, snapshots=2, steps=100, trouble=False)
    file = next((store / "runs").glob("fcgan-1-*")) / "snapshots" / "step-00000100" / "scores.json"
    scores = json.loads(file.read_text())
    scores["scores"][0] |= {"value": None, "error": "too few samples"}
    write(file, scores)
    text = Page(report(store)).text
    assert "; 2 seeds). A verdict needs at least 6 seeds. Lower is better. Seed 1 of fcgan has no score." in text
    assert "of 2 seeds" in text  # in the table


def test_steps_written_twice_do_not_stop_it(tmp_path):
    store = write_store(tmp_path / "s", seeds=2, snapshots=2, steps=100, trouble=False)
    run = next((store / "runs").iterdir())
    rows = [json.loads(line) for line in (run / "curves.jsonl").read_text().splitlines()]
    with (run / "curves.jsonl").open("a") as file:
        file.write("".join(json.dumps({**row, "loss_g": 7.0}) + "\n" for row in rows[1:3]))
    scores = run / "snapshots" / "step-00000100" / "scores.json"
    write(scores, {"scores": [score(1.0), score(2.0)]})
    data = json.loads(Page(report(store)).scripts[0])["runs"][run.name]["curves"]
    assert data["loss_g"][0] == [25, 50, 75, 100]
    assert data["loss_g"][1][1:3] == [7.0, 7.0]
    assert data["FD[classifier]"][1][-1] == 2.0


def test_numbers_in_the_page_are_the_tables(store, page):
    results = load(store)
    joined = results.comparisons.merge(results.runs.drop(columns=["store", "seed"]), on="run")
    finished = joined[joined["status"] == "finished"]
    shown = {round(float(cell["data-value"]), 9) for cell in page.all("td") if cell.get("data-deviation")}
    columns = [f"{label} {moment}" for label in ("FD[classifier]", "KID[classifier]") for moment in ("last", "best")]
    means = finished.groupby(["comparison", "level"])[columns].mean()
    assert {round(value, 9) for value in means.to_numpy().ravel()} == shown
    data = json.loads(page.scripts[0])
    for run, table in results.curves.groupby("run"):
        steps, losses = data["runs"][run]["curves"]["loss_g"]
        assert steps == table["step"].tolist()
        assert losses == pytest.approx(table["loss_g"].tolist(), rel=1e-3)


def test_nothing_is_fetched(page, html):
    loading = [a for tag, a in page.elements if tag in ("link", "img", "script", "iframe", "object", "source")]
    assert [address for a in loading for address in (a.get("src"), a.get("href")) if address] == ["data:,"]
    assert not re.search(r"url\((?!data:)", html[: html.index('<script type="application/json"')])
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    for script in page.scripts[1:]:
        assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policy


def test_each_picture_is_embedded_once(store, html):
    distinct = {hashlib.sha256(path.read_bytes()).hexdigest() for path in store.rglob("samples.png")}
    own = html[: html.index('<script type="application/json"')]  # plotly's has a picture of its own
    embedded = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", own)
    assert len(embedded) == len(set(embedded))
    assert {hashlib.sha256(base64.b64decode(data)).hexdigest() for data in embedded} >= distinct


def test_size_is_that_of_its_parts(store, html):
    pictures = sum(path.stat().st_size for path in store.rglob("*.png"))
    assert len(html) < len(plotly_js()) + 1.35 * pictures + 600_000


def test_readable_without_scripts(page):
    pictures = [a for a in page.all("div", role="img") if a["class"].split() != ["picture"]]
    # Levels and real data; in the gallery each cell beside real data, all finished ones with their neighbours; both parts.
    assert len(pictures) == 9 + 3 + 2 * 7 + 7 + 2
    assert all(a.get("aria-label") for a in pictures)


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'`{{7*7}}&lt;\u2028"


def test_the_command_tells_size_time_and_what_is_thinned(store, tmp_path, monkeypatch):
    told = CliRunner().invoke(command, [str(store), "-o", str(tmp_path / "report.html")]).output
    size = (tmp_path / "report.html").stat().st_size
    assert re.search(rf"report\.html\n{size / 1e6:.1f} MB in \d+\.\d s\n$", told)
    monkeypatch.setattr("gan_bench_reports.curves.NUMBERS", 0)
    monkeypatch.setattr("gan_bench_reports.curves.LEAST", 6)
    told = write_report([store], tmp_path / "report.html")
    assert told.endswith("curves of up to 12 points are drawn with 6, the extremes of each stretch among them")
    assert "Curves of up to 12 points are drawn with 6;" in Page((tmp_path / "report.html").read_text()).text


def test_names_cannot_inject_markup(tmp_path):
    settings = {**BASELINE, "tricks": [{"name": HOSTILE, HOSTILE: HOSTILE}]}
    run = write_run(tmp_path / "runs" / "dcgan-0-x", settings, 0, end="failed", snapshots=2, steps=100)
    result = json.loads((run / "result.json").read_text())
    write(run / "result.json", {**result, "reason": HOSTILE, "traceback": HOSTILE})
    scores = json.loads((run / "snapshots" / "step-00000050" / "scores.json").read_text())
    scores["scores"][0]["label"] = HOSTILE
    write(run / "snapshots" / "step-00000050" / "scores.json", scores)
    level = {"label": HOSTILE, "values": {}, "reference": True, "runs": {"0": "dcgan-0-x"}}
    comparison = {
        "title": HOSTILE,
        "axes": [HOSTILE],
        "budget": HOSTILE,
        "levels": [level, {**level, "reference": False}],
    }
    write(tmp_path / "grid.json", {"name": HOSTILE, "arguments": [HOSTILE], "seeds": [0], "comparisons": [comparison]})
    page = Page(report(tmp_path))
    assert len(page.all("script")) == 3
    assert not page.all("img")
    assert not [a for _, a in page.elements if any(name.startswith("on") for name in a)]
    assert HOSTILE in page.text
    assert json.loads(page.scripts[0])["comparisons"]["comparison-1"]["levels"][0]["label"] == HOSTILE


def test_a_store_that_has_only_begun(tmp_path):
    (tmp_path / "runs" / "dcgan-0-x").mkdir(parents=True)
    level = {"label": "depth 1", "values": {}, "reference": True, "runs": {"0": "dcgan-0-x", "1": "dcgan-1-y"}}
    write(
        tmp_path / "grid.json",
        {"name": "new", "arguments": ["grid.toml"], "comparisons": [{"title": "?", "axes": [], "levels": [level]}]},
    )
    page = Page(report(tmp_path))
    assert "No verdict yet: there is no score." in page.text
    assert "2 unfinished" in page.text
    runs = [a["data-search"] for a in page.all("details") if a.get("class") == "run"]
    assert [search.split()[-3:] for search in runs] == [["seed", "0", "unfinished"], ["seed", "1", "unfinished"]]


def test_damaged_pictures_and_runs_do_not_stop_it(tmp_path):
    store = write_store(tmp_path / "s", seeds=2, snapshots=2, steps=100)
    next((store / "runs").glob("*/snapshots/*/samples.png")).write_bytes(b"torn")
    next((store / "runs").glob("fcgan-0*/run.json")).write_text("{")
    text = Page(report(store)).text
    assert "1 damaged" in text
    assert "run.json is damaged" in text


@pytest.mark.slow
def test_two_stores_in_one_page(store, tmp_path):
    other = write_store(tmp_path / "later", seeds=2, snapshots=1, steps=100)
    write_report([store, other], tmp_path / "both.html")
    page = Page((tmp_path / "both.html").read_text())
    assert len([a for a in page.all("section") if a.get("class") == "comparison"]) == 6
    assert "2 stores: quickstart, later" in page.text
    assert page.text.count("Not pooled:") == 6  # their runs are of other lengths
    assert {a["aria-label"].split("/")[0] for a in page.all("div") if "Settings" in (a.get("aria-label") or "")} == {
        "Settings of quickstart",
        "Settings of later",
    }
    folders = re.findall(r"folder((?:\.\.|later)/[\w./-]*?-\d-[0-9a-f]{12})", page.text)  # relative to the page
    assert {(tmp_path / folder).is_dir() for folder in folders} == {True}
    assert len(folders) == 21 + 14


def test_axis_shows_zero_and_every_seed():
    findings = [paired_difference({0: a, 1: b}, {0: 10.0, 1: 10.0}, "log") for a, b in ((9.0, 14.0), (12.0, 11.0))]
    axis = make_axis(findings)
    assert axis is not None
    positions = [axis.at(d) for finding in findings for d in finding.differences]
    assert all(0 < position < 100 for position in positions)
    assert "0" in [label for _, label in axis.ticks]
    assert axis.beyond(findings[0].interval[1])
    assert make_axis([paired_difference({}, {}, "raw")]) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (formats.number(12.345), "12.3"),
        (formats.number(-0.00123456), "−0.00123"),
        (formats.number(None), "–"),
        (formats.number(float("nan")), "–"),
        (formats.number(0.0), "0"),
        (formats.number(1.5e9), "1.50e+09"),
        (formats.count(1234567), "1\u202f234\u202f567"),
        (formats.spread(12.345, 0.412), "12.35 ± 0.41"),
        (formats.spread(123.4, 35.0), "123 ± 35"),
        (formats.spread(5.0, float("nan")), "5.00"),
        (formats.duration(31.2), "31 s"),
        (formats.duration(4000), "67 min"),
    ],
)
def test_formats(text, expected):
    assert text == expected


def test_a_picture_is_taken_once(tmp_path, store):
    pictures = Pictures()
    first = next(store.rglob("samples.png"))
    (tmp_path / "copy.png").write_bytes(first.read_bytes())
    assert pictures.add(first) == pictures.add(tmp_path / "copy.png")
    assert pictures.add(tmp_path / "none.png") is None
    assert pictures.css().count("base64") == 1


def test_equal_scores_have_an_axis():
    from gan_bench.stats.paired import paired_difference
    from gan_bench_reports.differences import make_axis

    for scale in ("log", "raw"):
        axis = make_axis([paired_difference({0: 2.0, 1: 3.0}, {0: 2.0, 1: 3.0}, scale)])
        assert axis.low < 0 < axis.high
        assert axis.at(0.0) == 50
