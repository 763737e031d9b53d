"""The loops written by hand compute what the engine computes: same weights, batches, latents and random numbers, same training.

Both take steps of gradient descent, in which equal gradients give equal weights. What a trick draws comes from equal seeds,
in an order that the loops share, so that augmented pictures, interpolated points and shifts are equal too.
"""

from __future__ import annotations

import itertools

import pytest
import torch
from small_runs import CPU
from torch import nn

from gan_bench.api.randomness import Streams
from gan_bench.bench.cases import Case, canon, cases
from gan_bench.bench.contestants import engine, usual
from gan_bench.bench.usual_loops import LOOPS, Usual
from gan_bench.training.build import build_loop
from gan_bench.training.loop import Loop

BATCH, STEPS, RATE = 8, 3, 0.01
EXACT = 0.01  # an activation that rounding has put on the other side of 0 moves that much
LAZY = 17  # steps, of which two have R1 in every 16th
BY_TITLE = {case.title: case for case in [*cases(), *canon()]}
DEEP = {"stylegan2", "r3gan"}  # networks that take a second
TITLES = [
    pytest.param(title, marks=[pytest.mark.slow] if case.architecture.name in DEEP else [])
    for title, case in BY_TITLE.items()
]
# Dropout's masks differ by design. The two kinds of power iteration are compared below.
EQUAL = [
    param
    for param, case in zip(TITLES, BY_TITLE.values(), strict=True)
    if case.loop != "SpectrallyNormalised" and getattr(case.architecture, "dropout", 0) == 0
]


def inputs(case: Case, count: int = 4) -> tuple[torch.Tensor, ...]:
    """Some batches: real ones, latents, and labels of either."""
    random = torch.Generator().manual_seed(3)
    real = torch.tanh(torch.randn(count, BATCH, *case.data.shape, generator=random))
    latents = torch.randn(BATCH, case.architecture.latent, generator=random)
    labels = torch.randint(len(case.data.classes or "0"), (2, BATCH), generator=random)
    return real, latents, *labels


def ours(case: Case) -> Loop:
    """The engine's loop, which takes the batches in turn and the same latents every time."""
    real, latents, of_real, of_fake = inputs(case)
    batches = itertools.cycle(real)
    labelled = case.architecture.takes_labels
    descent = {"name": "sgd", "lr": RATE}
    loop = build_loop(
        case.architecture,
        case.data,
        Streams(0, CPU),
        lambda memory: lambda: (next(batches), of_real) if labelled else next(batches),
        tricks=case.tricks,
        optimizer={"generator": descent, "discriminator": descent},
        batch_size=BATCH,
    )
    loop.recipe.latent_transforms.append(lambda z: latents)
    if labelled:
        loop.recipe._draw_labels = lambda count: of_fake
    for purpose in (*(f"trick:{trick.name}" for trick in case.tricks), "forward passes of G"):
        loop.streams[purpose].state = torch.Generator().manual_seed(5).get_state()
    return loop


def by_hand(case: Case, loop: Loop) -> Usual:
    """The case's loop, with the weights of the engine's."""
    real, latents, of_real, of_fake = inputs(case)
    labelled = case.architecture.takes_labels
    batches = ([batch.clone(), of_real] if labelled else [batch.clone()] for batch in itertools.cycle(real))
    hand = LOOPS[case.loop](case, BATCH, CPU, batches, **case.settings)
    hand.generator.load_state_dict(loop.recipe.generator.state_dict())
    hand.discriminator.load_state_dict(joined(loop.recipe.discriminator).state_dict())
    if case.loop == "Averaged":
        hand.average.load_state_dict(loop.recipe.generator.state_dict())
    hand.g_optimizer = torch.optim.SGD(hand.generator.parameters(), lr=RATE)
    hand.d_optimizer = torch.optim.SGD(hand.discriminator.parameters(), lr=RATE)
    hand.latents = lambda: latents
    hand.labels = lambda: of_fake
    torch.manual_seed(5)
    return hand


def joined(discriminator: nn.Module) -> nn.Module:
    """D with a statistic's layer and the last one as one layer of both their inputs, as people write it."""
    *layers, last = discriminator.children()
    if not hasattr(last, "beside"):
        return discriminator
    whole = nn.Linear(last.layer.in_features + 1, 1)
    whole.weight.data = torch.cat([last.layer.weight.data, last.beside.weight.data], 1)
    whole.bias.data = last.layer.bias.data
    return nn.Sequential(*layers, nn.Identity(), whole)


def weights(network: nn.Module) -> dict[str, torch.Tensor]:
    """A network's parameters, under the names that people give them. Buffers follow how often G has been called."""
    return {name: value.detach().clone() for name, value in joined(network).named_parameters()}


def apart(start: dict[str, torch.Tensor], one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """How far two trainings from one start have come apart, as a share of the longest way that a weight has gone."""
    way = max(float((value - start[name]).abs().max()) for name, value in one.items())
    assert way > 1e-5
    return max(float((value - other[name]).abs().max()) for name, value in one.items()) / way


@pytest.mark.parametrize("title", EQUAL)
def test_the_engine_and_the_loop_train_to_equal_weights(title):
    case = BY_TITLE[title]
    loop = ours(case)
    hand = by_hand(case, loop)
    start = weights(hand.generator), weights(hand.discriminator)
    for _ in range(LAZY if case.settings.get("every", 1) > 1 else STEPS):
        loop.step()
        hand.advance()
    assert apart(start[0], weights(hand.generator), weights(loop.recipe.generator)) < EXACT
    assert apart(start[1], weights(hand.discriminator), weights(loop.recipe.discriminator)) < EXACT
    if case.loop == "Averaged":
        assert apart(start[0], weights(hand.average), weights(loop.recipe.sampled)) < EXACT


def test_spectral_norms_are_those_of_pytorch_once_their_iteration_has_converged():
    """The engine iterates after each update of D, PyTorch's parametrisation in every pass: equal but for what is left of it."""
    case = BY_TITLE["canon: spectral norm"]
    loop = ours(case)
    for _ in range(200):
        for module in loop.recipe.discriminator.modules():
            if parametrized := getattr(module, "parametrizations", None):
                parametrized.weight[-1].train()(parametrized.weight.original)
                parametrized.weight[-1].eval()
    hand = by_hand(case, loop)
    start = weights(hand.generator), weights(hand.discriminator)
    for _ in range(STEPS):
        loop.step()
        hand.advance()
    assert apart(start[0], weights(hand.generator), weights(loop.recipe.generator)) < 0.02
    assert apart(start[1], weights(hand.discriminator), weights(loop.recipe.discriminator)) < 0.02


@pytest.mark.parametrize("title", TITLES)
def test_contestants_of_a_case_count_the_images_they_take(title, monkeypatch):
    monkeypatch.setattr("gan_bench.bench.cases.PICTURES", 20)
    case = BY_TITLE[title]
    critic = case.settings.get("d_steps", 1)
    for build in (engine(case, BATCH, CPU, 1, "fp32"), usual(case, BATCH, CPU), usual(case, BATCH, CPU, resident=True)):
        assert [build() for _ in range(2)] == [BATCH * critic] * 2
