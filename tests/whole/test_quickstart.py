"""The README's first command, at full length: digits that a person, and so a classifier, recognises."""

from __future__ import annotations

import pytest
from markdown import ROOT
from stores import gan_bench

import gan_bench as api


@pytest.mark.slow
def test_quickstart(tmp_path):
    gan_bench("run", ROOT / "grids" / "quickstart.toml", cwd=tmp_path)
    results = api.load(tmp_path / "runs" / "quickstart")
    assert list(results.runs.status) == ["finished"] * 12
    values = results.snapshots.pivot(index="run", columns="step", values="value")
    assert (values[1200] < values[200] / 1.5).all()
    # Untrained generators score above 800; legible digits were seen below about 200, real training data scores 4.
    assert values[1200].median() < 150
    assert "Convolutional or fully connected?" in (tmp_path / "runs" / "quickstart" / "report.html").read_text()
