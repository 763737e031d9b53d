"""The README's first command, at full length: a verdict that a person sees in the pictures."""

from __future__ import annotations

import pytest
from markdown import ROOT
from stores import gan_bench

import gan_bench as api
from gan_bench.findings.answers import answer
from gan_bench.findings.compare import compare

QUALITY = "precision[random]"


@pytest.mark.slow
def test_quickstart(tmp_path):
    gan_bench("run", ROOT / "grids" / "quickstart.toml", cwd=tmp_path)
    results = api.load(tmp_path / "runs" / "quickstart")
    assert list(results.runs.status) == ["finished"] * 24
    first = compare(results)[0]
    assert [column.label for column in first.headlines] == ["KID[classifier]", QUALITY, "recall[classifier]"]
    # The fully connected generator draws noise: any child sees it, and so does a number of quality.
    (by_quality,) = first.differences[QUALITY]
    assert (by_quality.level.label, by_quality.verdict) == ("fcgan", "worse")
    means = {level.label: level.values[QUALITY]["last"].mean for level in first.levels}
    assert means["fcgan"] < 0.6 < means["dcgan"] < first.real[QUALITY][0]
    said = answer(first)
    assert said.lead.startswith("fcgan draws worse ")
    assert said.lead.endswith(" samples than dcgan")
    page = (tmp_path / "runs" / "quickstart" / "report.html").read_text()
    assert said.lead in page
