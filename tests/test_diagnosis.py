"""Diagnoses: of curves and scores made up to have or just not to have them, and of trainings provoked to show them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from small_runs import CPU
from torch.nn import functional as F

from gan_bench.data import prepare
from gan_bench.diagnosis import CONDITIONS, KINDS, Record, as_json, diagnose, hopeless
from gan_bench.evaluation import Evaluator
from gan_bench.grid import cell_from_settings
from gan_bench.losses import BinaryCrossEntropy
from gan_bench.plugin import Trick
from gan_bench.registry import Registry
from gan_bench.store import RunFolder
from gan_bench.training import Diverged, Training, record_failure

ADAM = {"name": "adam", "lr": 1e-3, "betas": [0.5, 0.999], "eps": 1e-8, "weight_decay": 0.0}
SGD = {"name": "sgd", "lr": 0.02, "momentum": 0.0, "weight_decay": 0.0}
RING = {"name": "ring", "training": 500, "held_out": 200}
SMALL = {"name": "fcgan", "width": 16, "depth": 1, "latent": 4, "dropout": 0}


class Saturating(BinaryCrossEntropy):
    """The minimax loss of G, whose gradient is gone where D is sure (Goodfellow et al. 2014, eq. 1)."""

    def generator(self, fake_logits, real_logits=None):
        return -F.softplus(fake_logits).mean()


class Minimax(Trick):
    """Its trick."""

    name = "minimax"
    replaces = {"loss"}

    def edit(self, recipe):
        recipe.loss = Saturating()


class Shaken(Trick):
    """From step 300 on, the weights of G wander off, further with each step."""

    name = "shaken"

    def edit(self, recipe):
        def shake():
            amount = (recipe.step - 300).clamp(min=0) * 1e-4
            for parameter in recipe.generator.parameters():
                parameter += amount * torch.randn_like(parameter)

        recipe.after_g_step(shake)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.load()


@pytest.fixture
def train(tmp_path, registry):
    """Train a run to its end, however that is; returns its result.json."""

    def train(steps, tricks=(), g=ADAM, d=ADAM, architecture=SMALL, dataset=RING, metrics=("fid",), snapshots=6, **options):
        settings = {
            "dataset": dataset,
            "architecture": architecture,
            "tricks": [trick for trick in tricks if isinstance(trick, dict)],
            "optimizer": {"generator": g, "discriminator": d},
            "batch_size": 32,
        }
        cell = cell_from_settings(settings, registry)
        object.__setattr__(cell, "tricks", (*cell.tricks, *(trick for trick in tricks if isinstance(trick, Trick))))
        data = prepare(cell.dataset)
        made = [registry.create("metric", metric) for metric in metrics]
        evaluator = Evaluator(data, made, registry.create("features", "pixels"), 200, CPU)
        folder = RunFolder(tmp_path / "run")
        folder.path.mkdir(exist_ok=True)
        at = [steps * (i + 1) // snapshots for i in range(snapshots)]
        training = Training(cell, 0, at, folder, data, evaluator, CPU, **options)
        try:
            for _ in training:
                pass
            training.finish()
        except Exception as error:  # noqa: BLE001 - as a worker does
            record_failure(folder, error, training)
        return json.loads(folder.result_file.read_text())

    return train


def test_a_healthy_run_is_healthy(train):
    result = train(600, architecture={**SMALL, "width": 32, "depth": 2})
    assert result["health"] == "healthy", result["diagnoses"]
    assert result["diagnoses"] == []


# What each is provoked by, and what its evidence must name.
PROVOKED = {
    "not a number": ({"steps": 300, "d": {**SGD, "lr": 1e5}, "g": {**SGD, "lr": 1e5}}, "no finite number"),
    "discriminator saturated": ({"steps": 500, "d": {**ADAM, "lr": 0.3}, "g": {**ADAM, "lr": 1e-6}}, "D's logits"),
    "generator's gradient vanished": (
        {"steps": 500, "tricks": [Minimax()], "d": {**ADAM, "lr": 0.02}, "g": {**ADAM, "lr": 1e-5}},
        "norm of G's gradient",
    ),
    "mode collapse": (
        {"steps": 500, "g": {**ADAM, "lr": 0.05}, "architecture": {**SMALL, "batch_norm": False}},
        "as far apart as two real ones",
    ),
    "oscillation": (
        {"steps": 4000, "g": SGD, "d": SGD, "architecture": {"name": "dirac"}, "dataset": {"name": "dirac"}},
        "G's loss repeats itself every",
    ),
    "divergence after the best snapshot": ({"steps": 900, "tricks": [Shaken()], "snapshots": 9}, "as bad as at its best"),
}


@pytest.mark.parametrize("name", PROVOKED)
def test_a_provoked_run_has_its_diagnosis(train, name):
    options, evidence = PROVOKED[name]
    result = train(**options)
    print(result["health"], result["diagnoses"])
    found = {diagnosis["name"]: diagnosis for diagnosis in result["diagnoses"]}
    assert evidence in found[name]["evidence"]
    assert 0 < found[name]["step"] <= result["steps"] + 25
    assert set(result["health"].split(", ")) == set(found)
