"""Recipes that a test edits, in loops and in runs that are interrupted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from small_runs import finish, interrupt, make_loop, open_run
from stores import assert_equal_runs

from gan_bench import Trick
from gan_bench.grid import cell_from_settings
from gan_bench_plugins.architectures.dcgan import DCGAN
from gan_bench_plugins.architectures.fcgan import FCGAN

TINY = DCGAN(latent=6, width=4, depth=1, dropout=0)
FLAT = FCGAN(latent=4, width=8, depth=1)
OPTIMIZERS = {
    "adam": {"name": "adam", "lr": 1e-3, "betas": [0.5, 0.999], "eps": 1e-8, "weight_decay": 0.01},
    "adamw": {"name": "adamw", "lr": 1e-3, "betas": [0.5, 0.999], "eps": 1e-8, "weight_decay": 0.01},
    "sgd": {"name": "sgd", "lr": 1e-2, "momentum": 0.5, "weight_decay": 0.01},
    "rmsprop": {"name": "rmsprop", "lr": 1e-4, "alpha": 0.9, "eps": 1e-8, "momentum": 0.5, "weight_decay": 0.01},
}


class Edited(Trick):
    """Edits the recipe as a test says."""

    name = "edited"
    replaces = {"loss", "targets"}
    how: Callable[[Any], Any]

    def edit(self, recipe):
        self.how(recipe)


def edited(how, architecture=TINY, **settings):
    """A loop whose recipe was edited so."""
    return make_loop(architecture, [Edited(how=how)], **settings)


def settings_of(architecture, optimizer="adam"):
    one = OPTIMIZERS[optimizer]
    return {
        "dataset": {"name": "digits", "size": 8},
        "architecture": architecture.settings(),
        "tricks": [],
        "optimizer": {"generator": one, "discriminator": one},
        "batch_size": 8,
    }


@pytest.fixture
def open_edited(parts, tmp_path):
    """Open a run whose recipe is edited so; the same name goes on in the same folder."""
    registry, data, evaluator = parts

    def opened(how, name, steps=(9,), architecture=FLAT, optimizer="adam", precision="fp32"):
        cell = cell_from_settings(settings_of(architecture, optimizer) | {"precision": precision}, registry)
        object.__setattr__(cell, "tricks", (Edited(how=how),))
        return open_run(cell, steps, tmp_path / name, data, evaluator)

    return opened


def assert_resumes(open_edited, how, **settings):
    """An interrupted run ends as a whole one; returns the whole one."""
    whole = open_edited(how, "whole", **settings)
    finish(whole)
    for step, saved in ((2, True), (4, True), (6, False)):
        interrupt(open_edited(how, "parts", **settings), step, saved=saved)
    assert_equal_runs(finish(open_edited(how, "parts", **settings)), whole.folder.path)
    return whole
