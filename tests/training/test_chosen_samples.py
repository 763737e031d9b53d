"""Runs on training sets that are chosen by index: the bits of a copied set, also after an interruption."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small_runs import CPU, finish, interrupt, open_run
from stores import assert_equal_runs

from gan_bench.api.registry import Registry
from gan_bench.api.samples import Samples
from gan_bench.data.prepare import prepare
from gan_bench.grid import cell_from_settings
from gan_bench.scoring.evaluator import Evaluator

ADAM = {"name": "adam", "lr": 2e-3, "betas": [0.5, 0.999], "eps": 1e-8, "weight_decay": 0.0}
SETTINGS = {
    "dataset": {"name": "digits", "size": 8, "subset": 50, "balance": True, "flip": True},
    "architecture": {"name": "fcgan", "width": 4, "latent": 4, "depth": 1},
    "tricks": [],
    "optimizer": {"generator": ADAM, "discriminator": ADAM},
    "batch_size": 16,
}


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    """Open a run on the chosen samples, or on a copy of them; the same name goes on in the same folder."""
    registry, folder = Registry.load(), tmp_path_factory.mktemp("runs")
    cell = cell_from_settings(SETTINGS, registry)
    chosen = prepare(cell.dataset)
    copied = replace(chosen, training=Samples(chosen.training.data, chosen.training.labels))
    metrics = [registry.create("metric", name) for name in ("duplicates", "memorization")]

    def train(name, copy=False):
        data = copied if copy else chosen
        evaluator = Evaluator(data, metrics, registry.create("features", "pixels"), 16, CPU, folder / f"cache {copy}")
        return open_run(cell, (10, 25), folder / name, data, evaluator)

    return train


def test_a_run_has_the_bits_of_one_on_a_copy_and_of_one_that_was_interrupted(train):
    whole = finish(train("whole"))
    assert_equal_runs(finish(train("copied", copy=True)), whole)
    interrupt(train("parts"), 7, saved=True)
    interrupt(train("parts"), 15, saved=False)
    interrupt(train("parts"), 22, saved=True)
    assert_equal_runs(finish(train("parts")), whole)


def test_mirrored_copies_and_repeats_are_training_samples(train):
    evaluator = train("scored").evaluator
    training, whole = evaluator.data.training, evaluator.data.whole.training
    mirrored = training.batch(torch.arange(len(training))[-16:])
    assert not any((whole.batch(torch.arange(len(whole))) == one).flatten(1).all(1).any() for one in mirrored)
    (copies,) = (score["value"] for score in evaluator.score(mirrored) if score["label"] == "copies of training data")
    assert copies == 1
