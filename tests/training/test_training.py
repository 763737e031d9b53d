"""One run in its folder: the same bits however it is interrupted, packed or continued."""

from __future__ import annotations

import inspect
import json

import pytest
import torch
from small_runs import CPU, finish, interrupt, open_run
from stores import assert_equal_runs

from gan_bench.api.kinds import Trick
from gan_bench.api.losses import Hinge
from gan_bench.api.registry import Registry
from gan_bench.api.samples import PreparedData
from gan_bench.data.prepare import prepare
from gan_bench.grid import Cell, cell_from_settings
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.store.curves import WINDOW
from gan_bench.store.folder import RunFolder
from gan_bench.training.curve_writer import Diverged
from gan_bench.training.training import record_failure
from gan_bench_plugins.tricks import hinge

ADAM = {"name": "adam", "lr": 1e-3, "betas": [0.5, 0.999], "eps": 1e-8, "weight_decay": 0.0}
SGD = {"name": "sgd", "lr": 1e-2, "momentum": 0.9, "weight_decay": 0.0}
RMSPROP = {"name": "rmsprop", "lr": 1e-4, "alpha": 0.99, "eps": 1e-8, "momentum": 0.0, "weight_decay": 0.0}
CELLS = {
    "dropout and batch norm": ("dcgan", [], ADAM),
    "averages": ("dcgan", ["ema", "spectral_norm", "input_noise"], ADAM),
    "penalties": ("dcgan", ["wgan_gp", {"name": "r1", "every": 3}], ADAM),
    "schedule": ("dcgan", ["d_every", "label_noise", "label_flip"], SGD),
    "fully connected": ("fcgan", ["hinge"], RMSPROP),
}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.load()


@pytest.fixture(scope="module")
def data(registry) -> PreparedData:
    return prepare(registry.create("dataset", {"name": "digits", "size": 8}))


@pytest.fixture(scope="module")
def evaluator(registry, data) -> Evaluator:
    return Evaluator(data, [registry.create("metric", "fid")], registry.create("features", "random"), 64, CPU)


@pytest.fixture(params=CELLS)
def cell(request, registry) -> Cell:
    return make_cell(registry, *CELLS[request.param])


def make_cell(registry, architecture, tricks, optimizer):
    table = {"name": architecture, "width": 4, "latent": 8, "depth": 1}
    settings = {
        "dataset": {"name": "digits", "size": 8},
        "architecture": table,
        "tricks": [{"name": t} if isinstance(t, str) else t for t in tricks],
        "optimizer": {"generator": optimizer, "discriminator": optimizer},
        "batch_size": 16,
    }
    return cell_from_settings(settings, registry)


@pytest.fixture
def train(tmp_path, data, evaluator):
    """Open a run; the same name goes on in the same folder."""

    def train(cell, name="run", steps=(20, 60), seed=0):
        return open_run(cell, steps, tmp_path / name, data, evaluator, seed=seed)

    return train


# Penalties need D's gradients twice over, and take the most time of all.
QUICK = [pytest.param(name, marks=[pytest.mark.slow] if name == "penalties" else []) for name in CELLS]


def test_interrupted_run_ends_with_the_same_bits(cell, train):
    steps = (10, 32)
    whole = finish(train(cell, "whole", steps))
    interrupt(train(cell, "parts", steps), 7, saved=True)
    interrupt(train(cell, "parts", steps), 15, saved=False)  # goes on from the snapshot's checkpoint at 10
    interrupt(train(cell, "parts", steps), 22, saved=True)
    interrupt(train(cell, "parts", steps), 29, saved=False)
    assert_equal_runs(finish(train(cell, "parts", steps)), whole)


@pytest.mark.parametrize("cell", QUICK, indirect=True)
def test_packed_runs_have_the_bits_of_lone_ones(cell, train):
    lone = [finish(train(cell, f"lone{seed}", seed=seed)) for seed in (0, 1)]
    packed = [train(cell, f"packed{seed}", seed=seed) for seed in (0, 1)]
    active = [iter(training) for training in packed]
    while active:
        active = [steps for steps in active if next(steps, None) is not None]
    for training, alone in zip(packed, lone, strict=True):
        training.finish()
        assert_equal_runs(training.folder.path, alone)


def test_a_finished_run_that_is_opened_keeps_its_checkpoint_unread(registry, train):
    """It is opened to be scored again, which may be broken off: its networks are not the trained ones."""
    cell = make_cell(registry, *CELLS["averages"])
    folder = RunFolder(finish(train(cell)))
    before, result = folder.checkpoint_file.read_bytes(), folder.result_file.read_bytes()
    opened = train(cell)
    opened.save()
    assert list(opened) == []
    opened.finish()
    assert folder.checkpoint_file.read_bytes() == before
    assert json.loads(folder.result_file.read_bytes()) == json.loads(result)
    opened.folder.snapshot(60).rename(folder.path / "elsewhere")
    assert list(train(cell)) == []


def test_longer_training_goes_on_from_the_old_end(registry, train):
    cell = make_cell(registry, *CELLS["averages"])
    whole = finish(train(cell, "whole", (30, 70)))
    finish(train(cell, "parts", (30,)))
    assert_equal_runs(finish(train(cell, "parts", (30, 70))), whole)


def test_curves_are_means_over_windows(registry, train):
    folder = finish(train(make_cell(registry, *CELLS["schedule"])))
    rows = [json.loads(line) for line in (folder / "curves.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [WINDOW, 2 * WINDOW, 60]
    assert [row["d_steps"] for row in rows] == [13, 25, 30]
    assert [row["images"] for row in rows] == [16 * n for n in (13, 25, 30)]
    assert rows[0].keys() >= {"loss_d", "loss_g", "logit_real", "logit_fake", "seconds"}


class NoisyLoss(Hinge):
    """A loss that draws random numbers."""

    def generator(self, fake_logits, real_logits=None):
        return super().generator(fake_logits) + 0.1 * torch.randn(()).abs() * fake_logits.square().mean()


def test_a_loss_may_draw_random_numbers(registry, train, monkeypatch):
    monkeypatch.setattr(hinge, "Hinge", NoisyLoss)
    cell = make_cell(registry, *CELLS["fully connected"])
    whole = finish(train(cell, "whole"))
    interrupt(train(cell, "parts"), 13, saved=True)
    torch.rand(100)
    assert_equal_runs(finish(train(cell, "parts")), whole)


def test_a_run_that_diverges_says_so(registry, train):
    training = train(make_cell(registry, "fcgan", ["wgan_gp"], {**SGD, "lr": 1000.0}))
    with pytest.raises(Diverged, match=r"not a finite number in the steps up to \d+: .*loss_"):
        finish(training)


class Spoils(Trick):
    """Leaves something that the core stumbles over later."""

    name = "spoils"

    def edit(self, recipe):
        recipe.after_g_step(lambda: setattr(recipe.loss, "discriminator", None), every=5)


class TakesTheLoss(Trick):
    """Leaves nothing of which even what a failure is recorded with could be asked."""

    name = "takes"

    def edit(self, recipe):
        recipe.after_g_step(lambda: setattr(recipe, "loss", None), every=5)


@pytest.mark.parametrize("trick", [Spoils, TakesTheLoss])
def test_a_failure_after_the_first_steps_names_who_may_be_the_cause(registry, train, trick):
    cell = make_cell(registry, "fcgan", [], ADAM)
    object.__setattr__(cell, "tricks", (trick(),))
    training = train(cell)
    with pytest.raises((TypeError, AttributeError)) as caught:
        finish(training)
    caught.value.__traceback__ = caught.tb.tb_next.tb_next  # as in a worker: without the tests' own frames
    said = record_failure(training.folder, caught.value, training)
    assert "'NoneType' object " in said
    assert f"(in {trick.name} at tests/training/test_training.py:{inspect.getsourcelines(trick.edit)[1]})" in said
    assert training.loop.steps == 5
    assert ":" not in record_failure(training.folder, MemoryError("no room"), training).removeprefix("MemoryError: ")


@pytest.mark.parametrize("cell", QUICK, indirect=True)
def test_a_finished_run_that_is_opened_again_keeps_its_files(cell, train):
    whole = finish(train(cell, "whole"))
    finish(train(cell, "again"))
    assert_equal_runs(finish(train(cell, "again")), whole)


@pytest.mark.parametrize("at", [20, 60])
def test_a_snapshot_that_was_broken_off_is_taken_later(registry, train, monkeypatch, at):
    cell = make_cell(registry, *CELLS["averages"])
    whole = finish(train(cell, "whole"))
    training = train(cell, "parts")
    take = type(training)._take_snapshot

    def broken_off(self):
        if self.loop.steps == at:
            assert self.folder.read().steps == at, "it is saved before"
            raise KeyboardInterrupt
        take(self)

    with monkeypatch.context() as patch:
        patch.setattr(type(training), "_take_snapshot", broken_off)
        with pytest.raises(KeyboardInterrupt):
            finish(training)
    assert_equal_runs(finish(train(cell, "parts")), whole)


def test_samples_of_a_snapshot_come_from_the_same_latents(registry, train, evaluator):
    from gan_bench.scoring.samples import draw

    training = train(make_cell(registry, *CELLS["dropout and batch norm"]))
    few, many = (draw(training.recipe.sampled, 8, count, 0, CPU) for count in (20, 700))
    assert torch.equal(few, many[:20])
    assert not torch.equal(many[:100], many[100:200])
    assert training.recipe.sampled.training  # the mode is put back
