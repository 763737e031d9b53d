"""The dry pass: what it finds, and which cells share one."""

from __future__ import annotations

from pathlib import Path

import pytest

from gan_bench.errors import GanBenchError
from gan_bench.grid import Grid, load_grid
from gan_bench.training import dry, loss_scale

GRID = """
name = "dry"
plugins = ["plugin.py"]
dataset = "gaussians"
architecture = { name = "fcgan", depth = 1, width = 8, latent = 4 }
steps = 10
batch_size = 16

[[compare]]
title = "Which?"
"""
PLUGIN = """
import torch

from gan_bench import Trick, hookimpl


class Slower(Trick):
    "Changes a setting of the optimiser."

    name = "slower"

    def edit(self, recipe):
        recipe.optimizer["discriminator"]["lr"] -= 1e-3


class Pairs(Trick):
    "Needs batches of an even size."

    name = "pairs"

    def edit(self, recipe):
        recipe.d_inputs(lambda samples: samples.view(-1, 2, 2).view(-1, 2))


class Rarely(Trick):
    "Fails in the 100th step."

    name = "rarely"
    of_g: bool = True
    before: bool = False

    def edit(self, recipe):
        def fail():
            torch.zeros(2).add_(torch.zeros(3))

        network, moment = "g" if self.of_g else "d", "before" if self.before else "after"
        getattr(recipe, f"{moment}_{network}_step")(fail, every=100)


class Learner(Trick):
    "Trains a network of its own, of three parameters."

    name = "learner"

    def edit(self, recipe):
        network = recipe.register("network", torch.nn.Linear(2, 1))
        optimizer = recipe.register("optimizer", torch.optim.Adam(network.parameters(), fused=False))

        def learn():
            for parameter in network.parameters():
                parameter.grad = torch.ones_like(parameter)
            optimizer.step()

        recipe.after_g_step(learn, every=7)


@hookimpl
def gan_bench_tricks():
    return [Slower, Pairs, Rarely, Learner]
"""


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Labels of the cells for which a dry pass was made."""
    made: list[str] = []
    make = dry._dry_pass
    monkeypatch.setattr(dry, "_passes", {})
    monkeypatch.setattr(dry, "_dry_pass", lambda cell: (made.append(cell.label), make(cell))[1])
    return made


def grid(folder: Path, *axes: str, **replaced: str) -> Grid:
    (folder / "plugin.py").write_text(PLUGIN)
    text = GRID + "\n".join(axes)
    for old, new in replaced.items():
        text = text.replace(old, new)
    (folder / "grid.toml").write_text(text)
    return load_grid(folder / "grid.toml")


def test_numbers_of_the_optimiser_share_a_pass(tmp_path, passes):
    optimizers = '[{ lr = 1e-3 }, { lr = 1e-2, betas = [0, 0.9] }, { name = "sgd" }, { name = "sgd", momentum = 0.5 }]'
    cells = grid(tmp_path, f"optimizer = {optimizers}", "batch_size = [16, 8]").cells
    found = [dry.dry_pass(cell) for cell in cells]
    assert len(cells) == 8
    assert len(passes) == 6, "one for each batch size and kind of moments"
    assert len({one.checkpoint_bytes for one in found}) == 6
    assert [dry.dry_pass(cell) for cell in cells] == found
    assert len(passes) == 6


def test_a_trick_that_changes_the_optimiser_gets_its_own(tmp_path, passes):
    cells = grid(tmp_path, 'tricks = [["slower"]]', '"optimizer.lr" = [1e-2, 2e-3, 1e-4]').cells
    for cell in cells[:2]:
        dry.dry_pass(cell)
    with pytest.raises(GanBenchError, match=r"fcgan, lr 0.0001: .*Invalid learning rate"):
        dry.dry_pass(cells[2])
    assert len(passes) == 3


@pytest.mark.parametrize("work", [0.0, 1e9], ids=["meta", "real"])
def test_what_depends_on_the_batch_size_is_found(tmp_path, passes, monkeypatch, work):
    monkeypatch.setattr(dry, "REAL_WORK", work)
    even, odd = grid(tmp_path, 'tricks = [["pairs"]]', "batch_size = [16, 15]").cells
    dry.dry_pass(even)
    with pytest.raises(GanBenchError, match=r"fcgan, batch_size 15: .*plugin.py:22: RuntimeError"):
        dry.dry_pass(odd)
    assert len(passes) == 2


@pytest.mark.parametrize("work", [0.0, 1e9], ids=["meta", "real"])
def test_what_is_seldom_done_is_tried_as_well(tmp_path, passes, monkeypatch, work):
    monkeypatch.setattr(dry, "REAL_WORK", work)
    axes = '"tricks.rarely.of_g" = [true, false]', '"tricks.rarely.before" = [true, false]'
    for cell in grid(tmp_path, *axes, **{"steps = 10": 'tricks = ["rarely"]\nsteps = 10'}).cells:
        with pytest.raises(GanBenchError, match=r"plugin.py:34: RuntimeError: The size of tensor"):
            dry.dry_pass(cell)


@pytest.mark.parametrize("work", [0.0, 1e9], ids=["meta", "real"])
def test_float16_passes_though_its_first_gradients_may_not_be_finite(tmp_path, passes, monkeypatch, work):
    monkeypatch.setattr(dry, "REAL_WORK", work)
    monkeypatch.setattr(loss_scale, "START", 2.0**100)
    single, half = (dry.dry_pass(cell) for cell in grid(tmp_path, 'precision = ["fp32", "fp16"]').cells)
    assert half == single


def test_what_a_trick_trains_is_in_the_checkpoints_size(tmp_path, passes):
    plain, learning = [dry.dry_pass(cell) for cell in grid(tmp_path, 'tricks = [[], ["learner"]]').cells]
    kept = 3 * 3 + 2  # float32: parameters with two moments each, and how many steps each of two tensors was moved
    assert learning.checkpoint_bytes - plain.checkpoint_bytes == 4 * kept


@pytest.mark.parametrize("dataset", ['"gaussians"', '{ name = "digits", size = 8 }'])
def test_real_and_meta_passes_find_the_same(tmp_path, passes, monkeypatch, dataset):
    axes = ('architecture = ["fcgan", { name = "dcgan", width = 4 }]',) if "digits" in dataset else ()
    tricks = 'tricks = [[], ["ema", "spectral_norm"], ["wgan_gp"]]'
    cells = grid(tmp_path, tricks, *axes, **{'"gaussians"': dataset}).cells
    found = []
    for work in (0.0, 1e12):
        monkeypatch.setattr(dry, "_passes", {})
        monkeypatch.setattr(dry, "REAL_WORK", work)
        found.append([dry.dry_pass(cell) for cell in cells])
    assert len(passes) == 2 * len(cells)
    assert found[0] == found[1]
