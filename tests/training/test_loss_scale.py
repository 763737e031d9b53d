"""float16: gradients computed at a scale, updates that are skipped where they are not finite, and what goes on from there.

On a CPU, whose autocast knows float16 too. What a GPU needs of it beyond that is in tests/whole/test_gpu.py.
"""

from __future__ import annotations

import copy
import math

import pytest
import torch
from edited import OPTIMIZERS, TINY, edited
from small_runs import CPU, finish, interrupt, make_loop, open_run
from stores import assert_equal_runs
from torch import nn

from gan_bench.grid import cell_from_settings
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.training import loss_scale
from gan_bench.training.window import Window
from gan_bench_plugins.tricks.clip_gradients import ClipGradients
from gan_bench_plugins.tricks.ema import EMA
from gan_bench_plugins.tricks.extra_gradient import ExtraGradient
from gan_bench_plugins.tricks.lookahead import Lookahead
from gan_bench_plugins.tricks.optimistic import OptimisticUpdates
from gan_bench_plugins.tricks.r1 import R1
from gan_bench_plugins.tricks.spectral_norm import SpectralNorm
from gan_bench_plugins.tricks.wgan_gp import WassersteinGP

TOO_LARGE = 2.0**40  # of a loss scale: the gradient of a mean over 8 logits is beyond float16
TRICKS = [
    [],
    [WassersteinGP(d_steps=1)],
    [R1()],
    [R1(every=3)],
    [EMA()],
    [SpectralNorm()],
    [Lookahead(k=2)],
    [ExtraGradient()],
    [OptimisticUpdates()],
    [ClipGradients(max_norm=0.01)],
]
NAMES = [" ".join(map(str, (trick.settings() for trick in tricks))) or "none" for tricks in TRICKS]


class Counting(torch.optim.Optimizer):
    """Descends along signs by steps that it counts and shortens, in a number of the host."""

    def __init__(self, parameters, lr):
        super().__init__(parameters, {"lr": lr, "count": 0})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            group["count"] += 1
            for p in group["params"]:
                p.sub_(group["lr"] / group["count"] * p.grad.sign())


CALLED = {
    "rprop": {"name": torch.optim.Rprop, "lr": 1e-3},  # the steps of its state do not begin at 0
    "nadam": {"name": torch.optim.NAdam, "lr": 1e-3},
    "plain sgd": {"name": torch.optim.SGD, "lr": 1e-2},  # has no state
    "counting": {"name": Counting, "lr": 1e-3},
}


def trained_by(settings, tricks=()):
    """A loop in float16 whose networks have an optimiser of these settings."""

    def edit(recipe):
        for network in recipe.optimizer:
            recipe.optimizer[network] = dict(settings)
        for trick in tricks:
            trick.edit(recipe)

    return edited(edit, precision="fp16")


def all_that_changes(loop):
    """Copies of weights, of the optimisers' state and settings."""
    networks = loop.recipe.generator, loop.recipe.discriminator
    weights = [[p.detach() for p in network.parameters()] for network in networks]
    return copy.deepcopy((weights, [o.state_dict() for o in (loop.g_optimizer, loop.d_optimizer)]))


def equal(one, other):
    """Whether copies have equal bits."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return one == other


def set_scale(loop, value):
    for scale in loop.scales.values():
        scale.value.fill_(value)


def test_it_trains_float32_weights_much_as_float32_does():
    single, half = (make_loop(TINY, precision=precision) for precision in ("fp32", "fp16"))
    for _ in range(20):
        single.step()
        half.step()
    assert half.generate("G").samples.dtype == torch.float32
    assert {p.dtype for p in half.recipe.generator.parameters()} == {torch.float32}
    assert not single.scales
    assert {name: float(scale.value) for name, scale in half.scales.items()} == dict.fromkeys(half.learns, 2.0**16)
    mine, theirs = half.window.means(), single.window.means()
    assert {name: mine.pop(name) for name in ("skipped_d", "skipped_g")} == {"skipped_d": 0, "skipped_g": 0}
    assert mine.pop("loss_scale_d") == mine.pop("loss_scale_g") == 2.0**16
    assert mine != theirs
    assert mine == pytest.approx(theirs, rel=5e-3, abs=5e-3)


@pytest.mark.parametrize("tricks", TRICKS, ids=NAMES)
def test_gradients_are_those_of_float32_whatever_the_trick(tricks):
    """Hooks, norms and optimisers see them without the scale."""
    loops = [make_loop(TINY, copy.deepcopy(tricks), precision=precision) for precision in ("fp32", "fp16")]
    for loop in loops:
        set_scale(loop, 2.0**10)
        loop.step()
    single, half = loops
    assert half.window.means()["skipped_d"] == half.window.means()["skipped_g"] == 0
    # Between the two Adam has moved D, by much even where its gradient is nearly 0.
    for network, tolerance in (("discriminator", 0.01), ("generator", 0.1)):
        found, true = (torch.cat([p.grad.flatten() for p in loop.learns[network][0]]) for loop in (half, single))
        assert (found - true).norm() < tolerance * true.norm()
    assert half.window.means()["grad_norm_d"] == pytest.approx(single.window.means()["grad_norm_d"], rel=0.02)


def test_without_a_scale_small_gradients_would_be_lost():
    """What it is for: logits whose gradients are smaller than float16 has numbers."""

    def gradients(precision, scale=2.0**16):
        loop = make_loop(TINY, precision=precision)
        loop.recipe.loss.generator = lambda fake, real=None, *seen: 1e-7 * fake.mean()
        set_scale(loop, scale)
        loop.step()
        return torch.cat([p.grad.flatten() for p in loop.g_parameters])

    true = gradients("fp32")
    assert true.any()
    assert (gradients("fp16") - true).norm() < 0.02 * true.norm()
    assert (gradients("fp16", 1.0) - true).norm() > 0.5 * true.norm()


@pytest.mark.parametrize("name", [*OPTIMIZERS, *CALLED])
@pytest.mark.parametrize("begun", [False, True], ids=["at first", "later"])
@pytest.mark.parametrize("tricks", [[], [ExtraGradient()]], ids=["alone", "extra_gradient"])
def test_an_update_whose_gradient_is_not_finite_is_skipped(name, begun, tricks):
    loop, plain = (trained_by((OPTIMIZERS | CALLED)[name], tricks) for _ in range(2))
    for _ in range(2 if begun else 0):
        loop.step()
    before, steps = all_that_changes(loop), loop.steps
    loop.window.clear()
    set_scale(loop, TOO_LARGE)
    loop.step()
    assert [float(scale.value) for scale in loop.scales.values()] == [TOO_LARGE / 2] * 2
    now = all_that_changes(loop)
    assert equal(now[0], before[0])
    assert loop.steps == steps + 1
    means = loop.window.means()
    assert (means["skipped_d"], means["skipped_g"]) == (1, 1)
    assert math.isfinite(means["loss_d"])
    assert math.isfinite(means["loss_g"])
    if begun:
        assert equal(now[1], before[1])
        return
    for one in (loop, plain):  # what comes then is as if nothing had been
        for network, (parameters, optimizer) in one.learns.items():
            one.scales[network].skipped.zero_()
            for p in parameters:
                p.grad = torch.ones_like(p)
            optimizer.step()
            optimizer.step()
    assert equal(all_that_changes(loop), all_that_changes(plain))


@pytest.mark.parametrize("name", [*OPTIMIZERS, "counting"])
@pytest.mark.parametrize("tricks", [[], [ExtraGradient()]], ids=["alone", "extra_gradient"])
def test_the_host_is_asked_nothing_once_updates_have_been_taken(monkeypatch, name, tricks):
    """So that a CUDA graph can hold a step; unless an optimiser counts in the host's own numbers."""
    loop = trained_by((OPTIMIZERS | CALLED)[name], tricks)
    loop.step()
    set_scale(loop, TOO_LARGE)

    def refused(tensor, *args):
        raise RuntimeError("a number is read back")

    for reading in ("item", "tolist", "__bool__", "__float__", "__int__"):
        monkeypatch.setattr(torch.Tensor, reading, refused)
    if name == "counting":
        with pytest.raises(RuntimeError, match="read back"):
            loop.step()
    else:
        loop.step()
        monkeypatch.undo()
        assert loop.window.means()["skipped_g"] == 0.5


@pytest.mark.parametrize("name", ["adam", "sgd", "rmsprop", "counting"])
def test_training_goes_on_once_the_scale_fits(name):
    loop = trained_by((OPTIMIZERS | CALLED)[name])
    set_scale(loop, TOO_LARGE)
    before = [p.detach().clone() for p in loop.d_parameters]
    for _ in range(30):
        loop.step()
    scales = [float(scale.value) for scale in loop.scales.values()]
    assert all(2.0**10 < scale < 2.0**30 for scale in scales), "it halves until the gradients are finite, and stays"
    means = loop.window.means()
    assert 0 < means["skipped_d"] < 1
    assert all(math.isfinite(mean) for mean in means.values()), "norms of skipped gradients are left out"
    assert all(p.isfinite().all() for p in loop.d_parameters)
    assert any(not torch.equal(p, old) for p, old in zip(loop.d_parameters, before, strict=True))
    taken = round(30 * (1 - means["skipped_d"]))
    if name == "adam":
        assert {int(state["step"]) for state in loop.d_optimizer.state.values()} == {taken}
    if name == "counting":
        assert loop.d_optimizer.param_groups[0]["count"] == taken


def test_the_scale_doubles_after_2000_good_updates_of_its_own_network():
    loop = make_loop(TINY, precision="fp16")
    loop.scales["generator"]._good.fill_(1998)
    for _ in range(3):
        loop.step()
    assert {name: float(scale.value) for name, scale in loop.scales.items()} == {
        "generator": 2.0**17,
        "discriminator": 2.0**16,
    }
    assert int(loop.scales["generator"]._good) == 1


def test_a_window_s_mean_is_that_of_what_was_not_left_out():
    window, again = (Window(CPU) for _ in range(2))
    for value, skipped in ((1.0, 0), (math.nan, 1), (3.0, 0)):
        window.add("norm", torch.tensor(value), unless=torch.tensor(float(skipped)))
    window.add("other", torch.tensor(math.inf), unless=torch.tensor(1.0))
    assert window.means() == {"norm": 2, "other": None}
    again.load_state_dict(window.state_dict())
    assert again.means() == window.means()
    again.clear()
    again.add("norm", torch.tensor(5.0))
    assert again.means() == {"norm": 5, "other": None}
    first = Window(CPU)  # as the first versions saved it
    first.load_state_dict({"sums": {"norm": torch.tensor(4.0)}, "counts": {"norm": 2}})
    assert first.means() == {"norm": 2}


def test_hooks_find_zeros_in_an_update_that_is_skipped():
    """So what they report or keep stays finite."""
    norms = []

    def edit(recipe):
        recipe.before_d_step(
            lambda: norms.append(float(nn.utils.get_total_norm([p.grad for p in recipe.discriminator.parameters()])))
        )

    loop = edited(edit, precision="fp16")
    loop.step()
    set_scale(loop, TOO_LARGE)
    loop.step()
    assert norms[0] > 0
    assert norms[1:] == [0]


def test_what_no_scale_makes_finite_is_a_divergence_as_in_float32():
    """A gradient of infinity whose loss is finite: it is skipped until the scale can't fall, and then does what it does."""

    def edit(recipe):
        weight = next(recipe.discriminator.parameters())
        recipe.penalty(lambda discriminator, seen: (weight.flatten()[0] * 0).sqrt())  # 0; its slope is not finite

    loop = edited(edit, precision="fp16")
    for _ in range(30):
        loop.step()
    assert float(loop.scales["discriminator"].value) == 2.0**-14
    assert all(p.isfinite().all() for p in loop.d_parameters)
    loop.step()
    assert not all(p.isfinite().all() for p in loop.d_parameters)
    loop.window.clear()
    loop.step()
    assert not math.isfinite(loop.window.means()["loss_d"])


@pytest.mark.parametrize("tricks", [(), (ExtraGradient(),)], ids=["alone", "extra_gradient"])
@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_a_run_goes_on_with_its_scale_wherever_it_is_interrupted(open_edited, monkeypatch, optimizer, tricks):
    monkeypatch.setattr(loss_scale, "START", 2.0**20)  # the first updates are skipped
    monkeypatch.setattr(loss_scale, "PATIENCE", 3)  # and later the scale rises again and again

    def opened(name):
        return open_edited(
            lambda recipe: [trick.edit(recipe) for trick in tricks], name, (10,), TINY, optimizer, "fp16"
        )

    whole = opened("whole")
    finish(whole)
    for step in range(1, 10):
        interrupt(opened("parts"), step)
    assert_equal_runs(finish(opened("parts")), whole.folder.path)
    for row in whole.curves.rows:
        for network in "dg":
            assert 0 < row[f"skipped_{network}"] < 1
            assert math.isfinite(row[f"grad_norm_{network}"])


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "width"), [("dcgan", 8), ("fcgan", 32)])
def test_scores_are_those_of_float32_within_the_spread_of_seeds(parts, tmp_path, architecture, width):
    registry, data, _ = parts
    evaluator = Evaluator(data, [registry.create("metric", "fid")], registry.create("features", "random"), 500, CPU)

    def score(precision, seed):
        settings = {
            "dataset": {"name": "digits", "size": 8},
            "architecture": {"name": architecture, "width": width, "latent": 8, "depth": 1},
            "tricks": [],
            "optimizer": {"name": "adam", "lr": 2e-3, "betas": [0.5, 0.999]},
            "batch_size": 32,
            "precision": precision,
        }
        cell, folder = cell_from_settings(settings, registry), tmp_path / f"{precision} {seed}"
        run = open_run(cell, (1, 300), folder, data, evaluator, seed=seed)
        finish(run)
        begun, ended = (run.folder.scores(step).scores[0].value for step in (1, 300))
        assert ended < begun
        return ended

    single, half = (torch.tensor([score(precision, seed) for seed in range(8)]) for precision in ("fp32", "fp16"))
    assert not torch.equal(single, half)
    assert (single.mean() - half.mean()).abs() < single.std()
