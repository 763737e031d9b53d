"""The moving average of the generator: its weights, and the statistics that it is sampled with."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from small_runs import make_loop
from torch import nn

from gan_bench_plugins.architectures.dcgan import DCGAN
from gan_bench_plugins.architectures.fcgan import FCGAN
from gan_bench_plugins.tricks.ema import EMA, PASSES

TINY = DCGAN(latent=6, width=4, depth=1)


def decays(trick, steps=6):
    """How much of the old average each step left, from what it has become of the weights."""
    loop = make_loop(TINY, [trick])
    weight, average = loop.recipe.generator[0].weight, loop.recipe.sampled[0].weight
    found = []
    for _ in range(steps):
        old = average.detach().double().clone()
        loop.step()
        new, now = average.detach().double(), weight.detach().double()
        found.append(float(((new - now) * (old - now)).sum() / (old - now).square().sum()))
    return found


def test_the_decay_is_that_of_every_step_unless_a_half_life_is_given():
    assert decays(EMA(decay=0.9), 3) == pytest.approx([0.9] * 3, abs=1e-4)
    assert decays(EMA(half_life=20.0), 3) == pytest.approx([0.5 ** (8 / 20)] * 3, abs=1e-4)  # batches are of 8
    assert EMA().decay == 0.999


@pytest.mark.parametrize(
    ("trick", "half_life"),
    [(EMA(half_life=20.0, ramp=1.0), 20.0), (EMA(decay=0.9, ramp=1.0), 8 * math.log(0.5) / math.log(0.9))],
)
def test_the_half_life_grows_with_the_images_seen(trick, half_life):
    expected = [0.0, *(0.5 ** (8 / min(half_life, 1.0 * 8 * step)) for step in range(1, 9))]
    assert expected[1] == 0.5
    assert expected[-1] == expected[-2], "it has grown to its end"
    assert decays(trick, 9) == pytest.approx(expected, abs=1e-3)


def test_statistics_are_those_of_what_the_average_makes():
    loop = make_loop(TINY, [EMA()], batch_size=32)
    for _ in range(60):
        loop.step()
    recipe = loop.recipe
    average, before = recipe.sampled, copy.deepcopy(recipe.sampled.state_dict())
    with recipe.ready_to_sample():
        assert not any(module.training for module in average.modules())
        ours = copy.deepcopy(average.state_dict())
        torch.manual_seed(0)
        outputs = []
        with torch.no_grad(), average[0].register_forward_hook(lambda module, inputs, output: outputs.append(output)):
            average(torch.randn(20_000, 6))
    first = next(name for name, module in average.named_modules() if isinstance(module, nn.BatchNorm1d))
    std = outputs[0].std(0)
    for what, truth, room in (
        ("mean", outputs[0].mean(0), 0.2 * std.mean()),
        ("var", std**2, 0.2 * std.square().mean()),
    ):
        errors = [(one[f"{first}.running_{what}"] - truth).abs().mean() for one in (before, ours)]
        assert errors[1] < room
        assert what == "mean" or errors[1] < errors[0], "the weights have others"
    assert ours[f"{first}.num_batches_tracked"] == PASSES
    for name, value in recipe.sampled.state_dict().items():
        assert torch.equal(value, before[name]), "and all is put back"


def test_statistics_are_estimated_alike_at_every_snapshot_and_shift_nothing():
    loops = [make_loop(TINY, [EMA(decay=0.9)]) for _ in range(2)]
    for step in range(4):
        for loop in loops:
            loop.step()
        if step < 3:
            with loops[0].recipe.ready_to_sample():
                pass
    states = []
    for loop in loops:
        with loop.recipe.ready_to_sample():
            states.append(copy.deepcopy(loop.recipe.sampled.state_dict()))
    for one, other in zip(*(state.values() for state in states), strict=True):
        assert torch.equal(one, other)


def test_dropout_is_off_while_they_are_estimated():
    networks = (nn.Sequential(nn.Linear(6, 64), nn.Dropout(0.5), nn.BatchNorm1d(64)), nn.Linear(64, 1))
    recipe = make_loop(FCGAN(latent=6), [EMA()], shape=(64,), networks=networks).recipe
    modes = []
    recipe.sampled[1].register_forward_hook(lambda module, inputs, output: modes.append(module.training))
    with recipe.ready_to_sample():
        pass
    assert modes == [False] * PASSES
    assert recipe.sampled[1].training, "and it is put back"


def test_a_generator_without_batch_norm_is_not_passed_through():
    recipe = make_loop(FCGAN(latent=6, width=8, batch_norm=False), [EMA()]).recipe
    calls = []
    recipe.sampled.register_forward_hook(lambda *_: calls.append(1))
    with recipe.ready_to_sample():
        assert not recipe.sampled.training
    assert not calls
