"""A store that an earlier version wrote opens as it did there; what was found in it then stands here."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from stores import gan_bench

from gan_bench.findings.compare import compare
from gan_bench.findings.tables import load
from gan_bench_reports.live import Live

ARCHIVE = Path(__file__).parents[1] / "stores" / "before_rooms.tar.xz"
LAST = {
    "dcgan-0-5e83d517e178": 12.789713227315918,
    "dcgan-0-f330ee0997f7": 9.863178130733672,
    "dcgan-1-07cd2a6f3c5b": 13.067990084980854,
    "dcgan-1-2a2e6f71f0d6": 10.558063221273223,
}
BEST_AGAIN = [11.4358713267, 10.1782785955, 13.5054959183, 10.7370985102]
SENTENCE = (
    "FD[random] (64 generated, 360 real) of ema + spectral_norm is 27 % higher than that of no tricks in the geometric mean "
    "(95 % interval −5.8 % to +70 %; 2 seeds). A verdict needs at least 6 seeds. Lower is better."
)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "store"


def test_its_tables_and_verdicts_are_those_of_then(store):
    results = load(store)
    assert dict(zip(results.runs["run"], results.runs["FD[random] last"], strict=True)) == LAST
    assert results.runs["FD[random] best again"].tolist() == pytest.approx(BEST_AGAIN)
    assert set(results.runs["status"]) == {"finished"}
    assert set(results.runs["health"]) == {""}  # three windows are too few to say
    assert (len(results.curves), len(results.snapshots), len(results.faults)) == (12, 24, 0)
    (comparison,) = compare(results)
    (answer,) = comparison.answers
    assert (answer.verdict, answer.sentence) == ("not tested", SENTENCE)


def test_its_report_and_the_page_that_is_watched_say_the_same(store):
    gan_bench("report", store, cwd=store.parent)
    for page in ((store / "report.html").read_text(encoding="utf-8"), Live([store], lambda: False).page()):
        assert SENTENCE in page.replace("\N{NO-BREAK SPACE}", " ")
        assert page.count('<small class="status finished">') == len(LAST)
