"""The script that provokes faults, at toy size."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def faults(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return import_module("faults")


@pytest.mark.slow
def test_provoked_faults_are_seen(faults, tmp_path, capsys):
    options = ["--features", "pixels", "--samples", "60", "--draws", "2", "--csv", str(tmp_path / "faults.csv")]
    faults.main(["digits", *options])
    faults.main(["digits", *options])  # its rows take the place of the former ones
    rows = pd.read_csv(tmp_path / "faults.csv")
    assert not rows.duplicated(["dataset", "number", "fault"]).any()
    assert set(rows.fault) == set(faults.FAULTS)
    mean = rows.set_index(["number", "fault"])["mean"]
    effect = rows.set_index(["number", "fault"]).effect
    assert mean["copies of training data", "floor"] == 0
    assert mean["copies of training data", "copies"] == 1
    assert mean["repeats", "repeats"] == pytest.approx(0.9)
    assert effect["FD[pixels]", "floor"] == 0
    assert effect["repeats", "repeats"] == float("inf")
    for fault in ("noise 0.4", "shift 2", "all noise", "half the classes"):
        assert effect["FD[pixels]", fault] > 3
    assert "| precision[pixels] |" in capsys.readouterr().out


def test_a_cell_tells_the_median_and_what_moved_the_wrong_way(faults):
    assert faults.cell(pd.Series([4.0, 8.6, float("inf")])) == "9"
    assert faults.cell(pd.Series([2.9, -2.9])) == "."
    assert faults.cell(pd.Series([50.0, 60.0, -3.2])) == "**−3**"
    assert faults.cell(pd.Series([300.0])) == "> 99"
    assert faults.cell(pd.Series([float("nan")])) == ""


def test_the_docs_show_the_table_of_the_stored_rows(faults):
    rows = pd.read_csv(ROOT / "benchmarks/results/faults.csv")
    assert faults.table(rows) in (ROOT / "docs/metric.md").read_text(encoding="utf-8")
