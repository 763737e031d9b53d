"""Networks that take labels on data that have none: refused before anything trains, with where the grid asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from stores import gan_bench

LABELLED = Path(__file__).parents[1] / "helpers" / "labelled.py"
GRID = """\
name = "labels"
dataset = {dataset}
architecture = {{ name = "labelled", conditional = "{conditional}" }}
steps = 10
seeds = [0]
{more}
"""
COMPARED = """
[[compare]]
title = "Do labels help?"
"architecture.conditional" = ["none", "concat"]
"""
PARTLY = """
import numpy as np
from gan_bench import ArrayPart, Dataset, Parts, hookimpl


class Partly(Dataset):
    \"\"\"Points, every fourth of which has no class.\"\"\"

    name = "partly"
    kind = "points"
    shape = (2,)

    def classes(self):
        return ("a", "b", "c")

    def load(self):
        points = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
        labels = np.arange(60) % 4 - 1
        return Parts(ArrayPart(points[:40], labels[:40]), ArrayPart(points[40:], labels[40:]))


@hookimpl
def gan_bench_datasets():
    return [Partly]
"""


def refused(folder: Path, dataset: str, conditional: str, more: str = "", command: str = "plan") -> str:
    text = GRID.format(dataset=dataset, conditional=conditional, more=more)
    (folder / "grid.toml").write_text(text)
    (folder / "partly.py").write_text(PARTLY)
    words = ["--no-pilot"] if command == "plan" else []
    plugins = ["--plugin", LABELLED, "--plugin", "partly.py"]
    said = gan_bench(command, "grid.toml", *words, *plugins, cwd=folder, code=2).stderr
    assert not (folder / "runs").exists()
    return " ".join(said.split())


@pytest.mark.parametrize("command", ["plan", "run"])
def test_data_without_classes_are_refused_before_they_are_read(tmp_path, command):
    said = refused(tmp_path, '"gaussian"', "concat", command=command)
    rule = "networks of labelled take labels, and the dataset gaussian has no classes"
    cure = 'Take a dataset with classes, or conditional = "none".'
    assert f"grid.toml:3: architecture.conditional: {rule} (found: 'concat'). {cure}" in said


def test_a_level_that_asks_for_it_is_named(tmp_path):
    said = refused(tmp_path, '"gaussian"', "none", COMPARED)
    assert "grid.toml:9: architecture.conditional: networks of labelled take labels" in said.replace("[1]", "")


def test_samples_without_a_class_are_refused(tmp_path):
    said = refused(tmp_path, '"partly"', "concat")
    rule = "networks of labelled take labels, and 10 of 40 training samples have no class"
    assert f"grid.toml:3: architecture.conditional: {rule}" in said


def test_scores_of_labels_need_a_level_that_takes_some(tmp_path):
    more = '[evaluate]\nmetrics = ["fid", "class_fd"]'
    said = refused(tmp_path, '"digits"', "none", more)
    assert "grid.toml:7: evaluate.metrics[1]: it reads the classes that samples were asked for" in said
    assert "no level's networks take labels: see docs/labels.md" in said
