"""The origin's report as a grid: all of its questions, at toy length, on files in the datasets' own formats."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from dataset_files import write_mnist, write_oxford_pets
from markdown import ROOT
from stores import gan_bench, run_folders

TOY = [
    *("--set", "steps=2", "--set", "evaluate.at_steps=[1, 2]", "--set", "batch_size=8", "--seeds", "0"),
    *("--set", "evaluate.samples=32", "--set", 'evaluate.features={ name = "classifier", steps = 5 }'),
]


@pytest.mark.slow
def test_homework_at_toy_length(tmp_path, monkeypatch):
    data = tmp_path / "data"
    write_mnist(data, 60, 30)
    write_oxford_pets(data, 24, 12)
    monkeypatch.setenv("GAN_BENCH_DATA", str(data))
    done = gan_bench("run", ROOT / "grids" / "homework.toml", *TOY, cwd=tmp_path)
    store = tmp_path / "runs" / "homework"
    assert done.stdout.strip() == "runs/homework/report.html"
    table = pd.read_csv(store / "results.csv")
    assert set(table.status) == {"finished"}
    comparisons = pd.read_csv(store / "comparisons.csv")
    assert list(comparisons.comparison.unique()) == [
        "Do more layers help?",
        "Which tricks help, at which depth?",
        "Label noise, or its mean?",
        "Convolutional or fully connected?",
        "Digits, or cats and dogs?",
    ]
    facts = [json.loads((folder / "run.json").read_text()) for folder in run_folders(store)]
    baseline = next(f for f in facts if f["run"] == comparisons.run[comparisons.level == "depth 2"].iloc[0])
    assert baseline["networks"]["generator"]["parameters"] == 2_330_944
    assert baseline["networks"]["discriminator"]["parameters"] == 212_865
    assert {f["dataset"]["name"] for f in facts} == {"mnist", "oxford_pets"}
    # Equal steps for all, except that D is updated less often where the trick says so.
    assert set(table.g_steps) == {2}
    assert set(table.d_steps) == {1, 2}
