"""Runs on parts of the training data: told apart by what they train on, and compared in one column."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from stores import gan_bench, run_folders, write_grid

from gan_bench.console import plain_console
from gan_bench.errors import GridError
from gan_bench.findings.compare import compare
from gan_bench.findings.tables import load
from gan_bench.grid import load_grid
from gan_bench.planning.courses import prepare_grid

GRID = """
name = "toy"
dataset = { name = "digits", size = 8 }
architecture = { name = "fcgan", depth = 1, width = 4, latent = 4 }
seeds = [0, 1]
epochs = 0.2
batch_size = 16

[evaluate]
snapshots = 1
samples = 64
features = { name = "classifier", steps = 5 }
metrics = ["kid", "memorization"]

[[compare]]
title = "How much data?"
"dataset.subset" = [0.1, 1.0]
"""


def prepared(folder, levels):
    return prepare_grid(load_grid(write_grid(folder, GRID.replace("[0.1, 1.0]", levels))), plain_console())


def test_all_of_the_data_are_the_run_that_there_was_before(tmp_path):
    with_levels = prepared(tmp_path, "[0.1, 1.0]")
    alone = load_grid(write_grid(tmp_path / "alone", GRID.partition("[[compare]]")[0]))
    (before,) = prepare_grid(alone, plain_console()).courses
    small, whole = with_levels.courses
    assert whole.identity(0) == before.identity(0) != small.identity(0)
    assert (len(small.data.training), len(whole.data.training)) == (144, 1437)
    assert small.snapshot_steps == whole.snapshot_steps == (18,), "a grid's epochs are its baseline's"


def test_equal_parts_by_another_name_are_the_same_runs(tmp_path):
    with pytest.raises(GridError, match="train on equal data, so they are the same runs"):
        prepared(tmp_path, "[1437, 1.0]")


def test_more_than_there_are_is_an_error_with_its_line(tmp_path):
    file = write_grid(tmp_path, GRID.replace("[0.1, 1.0]", "[0.1, 1438]"))
    told = " ".join(gan_bench("plan", file, "--no-pilot", cwd=tmp_path, code=2).stderr.split())
    assert "grid.toml:17: dataset.subset: there are 1,437 training samples, so a subset can't have 1,438" in told


def test_an_epoch_of_a_mirrored_baseline_is_twice_as_long(tmp_path):
    def planned(folder, text):
        return prepare_grid(load_grid(write_grid(tmp_path / folder, text)), plain_console())

    plain = planned("axis", GRID.replace('"dataset.subset" = [0.1, 1.0]', '"dataset.flip" = [false, true]'))
    mirrored = planned("baseline", GRID.partition("[[compare]]")[0].replace("size = 8", "size = 8, flip = true"))
    assert [len(course.data.training) for course in plain.courses] == [1437, 2874]
    assert [course.snapshot_steps for course in plain.courses] == [(18,), (18,)]
    assert plain.courses[0].identity(0) == prepared(tmp_path, "[0.1, 1.0]").courses[1].identity(0)
    assert mirrored.steps_an_epoch == 2 * plain.steps_an_epoch
    assert mirrored.courses[0].snapshot_steps == (36,)


FEATURES = '''
import torch

from gan_bench import FeatureExtractor, NetworkFeatures, hookimpl


class Brightness(FeatureExtractor):
    """The mean of all pixels."""

    name = "brightness"

    def prepare(self, data, cache, device):
        mean = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.AdaptiveAvgPool1d(1))
        return NetworkFeatures(mean, self.name, data.spec, device, 1, {})


@hookimpl
def gan_bench_features():
    return [Brightness]
'''


def test_training_samples_are_selected_by_features_of_a_plugin_file(tmp_path):
    (tmp_path / "brightness.py").write_text(FEATURES)
    axis = '"dataset.select" = [{ keep = 0.5, features = "brightness" }, 1.0]'
    file = write_grid(tmp_path, 'plugins = ["brightness.py"]\n' + GRID.replace('"dataset.subset" = [0.1, 1.0]', axis))
    few, whole = (course.data for course in prepare_grid(load_grid(file), plain_console()).courses)
    assert few.chosen == ("select: 718 of 1,437 training samples, the likeliest by brightness features",)
    spread = [data.training.data[data.training.labels == 0].float().mean((1, 2, 3)).std() for data in (few, whole)]
    assert spread[0] < spread[1] / 2


@pytest.mark.slow
def test_scores_of_parts_stand_in_one_column(tmp_path):
    gan_bench("run", write_grid(tmp_path, GRID), cwd=tmp_path)
    store = tmp_path / "runs" / "toy"
    results = load(store)
    (question,) = compare(results)
    assert [level.values["KID[classifier]"]["last"].n for level in question.levels] == [2, 2]
    assert question.differences["KID[classifier]"][0].finding.n == 2
    assert sum(column.metric == "memorization" for column in results.scores) == 2
    assert sorted(pd.read_csv(store / "results.csv")["dataset.subset"]) == [0.1, 0.1, 1.0, 1.0]
    trained = {json.loads((folder / "run.json").read_text())["dataset"]["training"] for folder in run_folders(store)}
    assert trained == {144, 1437}
    assert "nothing is trained" in gan_bench("run", "grid.toml", cwd=tmp_path).stderr
