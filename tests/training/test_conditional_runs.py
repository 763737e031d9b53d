"""Runs whose networks take labels: what is drawn, shown, scored, resumed, scored again and loaded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_runs import CPU, finish, interrupt, open_run
from stores import assert_equal_runs

from gan_bench.api.registry import Registry
from gan_bench.data.label_draw import LabelDraw, class_counts
from gan_bench.data.prepare import prepare
from gan_bench.grid import cell_from_settings
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.scoring.sample_grid import picture_of_images
from gan_bench.scoring.samples import draw, draw_labels
from gan_bench.store.folder import RunFolder
from gan_bench.training.rescoring import rescore, score_best_again
from gan_bench_plugins.datasets.digits import Digits
from gan_bench_plugins.metrics.class_accuracy import ClassAccuracy
from gan_bench_plugins.metrics.class_fd import ClassFrechetDistance
from gan_bench_plugins.metrics.classifier import Classifier
from gan_bench_plugins.metrics.fid import FrechetDistance

pytestmark = pytest.mark.slow
LABELLED = Path(__file__).parents[1] / "helpers" / "labelled.py"
COUNT, STEPS = 300, (200, 800)
ACCURACY, DISTANCE = "class accuracy[classifier]", "class FD[classifier]"


@pytest.fixture(scope="module")
def registry():
    return Registry.load([LABELLED])


@pytest.fixture(scope="module")
def data():
    return prepare(Digits(size=8, subset=0.5))


@pytest.fixture(scope="module")
def evaluator(data, tmp_path_factory):
    metrics, cache = [FrechetDistance(), ClassAccuracy(), ClassFrechetDistance()], tmp_path_factory.mktemp("features")
    made = Evaluator(data, metrics, Classifier(steps=300, width=4), COUNT, CPU, cache)
    made.prepare()
    return made


def cell_of(registry, *tricks, **architecture):
    settings = {
        "dataset": {"name": "digits", "size": 8, "subset": 0.5},
        "architecture": {"name": "labelled", "width": 128, **architecture},
        "tricks": [{"name": name} for name in tricks],
        "optimizer": {
            name: {"name": "adam", "lr": 2e-3, "betas": [0.5, 0.999]} for name in ("generator", "discriminator")
        },
        "batch_size": 32,
    }
    return cell_from_settings(settings, registry)


@pytest.fixture(scope="module")
def run(registry, data, evaluator, tmp_path_factory):
    training = open_run(cell_of(registry), STEPS, tmp_path_factory.mktemp("runs") / "whole", data, evaluator)
    for _ in training:
        pass
    score_best_again(training)
    training.finish()
    return training


def scores(folder, step=STEPS[-1], key="scores"):
    found = json.loads((folder.snapshot(step) / "scores.json").read_text()).get(key, [])
    return {score["label"]: score for score in found}


def test_its_samples_are_of_the_classes_they_were_asked_for(run, evaluator, data):
    found = scores(run.folder)
    assert found[ACCURACY]["value"] > 0.5, "a good part of digits can be told"
    counts = class_counts(data.training, 10)
    labels = draw_labels(LabelDraw(counts, CPU), COUNT, run.seed, CPU)
    asked = labels.bincount(minlength=10).tolist()
    of_class = found[ACCURACY]["by_class"]
    assert sum(n * share for n, share in zip(asked, of_class, strict=True)) / COUNT == pytest.approx(
        found[ACCURACY]["value"]
    )
    assert all(one > 0 for one in found[DISTANCE]["by_class"])
    again = evaluator.score(draw(run.recipe.sampled, 8, COUNT, run.seed, CPU, labels=labels), labels=labels)
    assert [one["value"] for one in again] == [score["value"] for score in found.values()]
    best = {label for step in STEPS for label in scores(run.folder, step, "again")}
    assert best == found.keys(), "the best ones are scored once more"


def test_its_picture_has_a_row_a_class(run):
    rows = torch.arange(10).repeat_interleave(10)
    expected = picture_of_images(draw(run.recipe.sampled, 8, 100, run.seed, CPU, labels=rows))
    shown = Image.open(run.folder.snapshot(STEPS[-1]) / "samples.png")
    assert np.array_equal(np.asarray(shown), np.asarray(expected))


def test_runs_without_labels_have_no_scores_by_class_and_are_not_scored_again_for_them(
    registry, data, evaluator, tmp_path
):
    training = open_run(cell_of(registry, conditional="none"), STEPS, tmp_path / "none", data, evaluator)
    folder = RunFolder(finish(training))
    assert scores(folder).keys() == {"FD[classifier]"}
    assert not training.warnings, "nobody is told that it has none"
    before = (folder.snapshot(STEPS[-1]) / "scores.json").stat().st_mtime_ns
    assert rescore(open_run(cell_of(registry, conditional="none"), STEPS, folder.path, data, evaluator))
    assert (folder.snapshot(STEPS[-1]) / "scores.json").stat().st_mtime_ns == before
    (state,) = {shot.columns == evaluator.columns(conditional=False) for shot in folder.read().snapshots}
    assert state


@pytest.mark.parametrize("tricks", [(), ("ema", "r1")], ids="+".join)
def test_an_interrupted_run_ends_with_the_same_bits(registry, data, evaluator, tmp_path, tricks):
    cell = cell_of(registry, *tricks)
    whole = finish(open_run(cell, (20, 40), tmp_path / "whole", data, evaluator))
    interrupt(open_run(cell, (20, 40), tmp_path / "parts", data, evaluator), 7)
    interrupt(open_run(cell, (20, 40), tmp_path / "parts", data, evaluator), 31, saved=False)
    assert_equal_runs(finish(open_run(cell, (20, 40), tmp_path / "parts", data, evaluator)), whole)


def test_another_protocol_scores_the_same_samples_from_their_weights(run, registry, data, evaluator):
    place = run.folder.snapshot(STEPS[0])
    before, picture = scores(run.folder, STEPS[0]), (place / "samples.png").read_bytes()
    (place / "samples.png").write_bytes(b"damaged")
    metrics = [ClassAccuracy(), ClassFrechetDistance(least=10)]
    other = Evaluator(data, metrics, Classifier(steps=300, width=4), COUNT, CPU, evaluator.kept.folder)
    assert rescore(open_run(cell_of(registry), STEPS, run.folder.path, data, other))
    after = scores(run.folder, STEPS[0])
    assert after[ACCURACY] == before[ACCURACY]
    assert after[DISTANCE]["protocol_id"] != before[DISTANCE]["protocol_id"]
    assert (place / "samples.png").read_bytes() == picture


def test_a_class_that_is_not_trained_on_is_not_asked_for(data):
    labels = data.training.labels
    few = replace(data, training=data.training.chosen((labels < 3).nonzero()[:, 0]))
    drawn = draw_labels(LabelDraw(class_counts(few.training, 10), CPU), 1000, 0, CPU)
    assert drawn.unique().tolist() == [0, 1, 2]
