"""Whole updates of the real loop: what both networks' optimisers are given, by formulas written out in float64."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import pytest
import torch
from small_runs import CPU
from torch import Tensor
from torch.nn.functional import cross_entropy, relu, softplus

from gan_bench import DataSpec
from gan_bench.api.randomness import Streams
from gan_bench.api.registry import Registry
from gan_bench.training.build import build_loop

REGISTRY = Registry.load()
MLP = {"name": "mlp", "latent": 4, "width": 8, "depth": 2}
BATCH = 6


@dataclass
class Update:
    """What one of G or D was made from, with networks as they were before it, in float64."""

    network: str
    d: Callable[..., Any]
    g: Callable[..., Any]
    weights: list[Tensor]  # of the network that learned, by name
    gradient: list[Tensor]
    real: Tensor
    fake: Tensor
    latents: Tensor
    y: Tensor  # labels of real samples
    y_fake: Tensor
    number: int  # of D's update


def updates(tricks: list[Any], architecture: dict[str, Any], shape: tuple[int, ...], steps: int = 2) -> list[Update]:
    """Those of some steps of plain descent."""
    random = torch.Generator().manual_seed(1)
    batches = [
        (torch.tanh(torch.randn(BATCH, *shape, generator=random)), torch.randint(3, (BATCH,), generator=random))
        for _ in range(7)
    ]
    data = DataSpec(shape, "image" if len(shape) == 3 else "points", ("a", "b", "c"))
    sgd = {"name": "sgd", "lr": 0.05, "momentum": 0.0, "weight_decay": 0.0}
    loop = build_loop(
        REGISTRY.create("architecture", architecture),
        data,
        Streams(0, CPU),
        lambda memory: cycle(batches).__next__,
        tricks=[REGISTRY.create("trick", trick) for trick in tricks],
        optimizer={"generator": sgd, "discriminator": sgd},
        batch_size=BATCH,
    )
    told, found = loop.recipe.conditional, []

    def kept(network, update):
        def updated(*args):
            real, fake = args if network == "discriminator" else args[::-1]
            d, g = (copy.deepcopy(one).double() for one in (loop.recipe.discriminator, loop.recipe.generator))
            number = loop.d_steps
            update(*args)
            with torch.no_grad():
                z, y = fake.latents.double(), fake.labels
                samples = g(z, y) if told else g(z)
            found.append(
                Update(
                    network,
                    d if told else lambda x, y=None: d(x),
                    g if told else lambda z, y=None: g(z),
                    [p for _, p in (d if network == "discriminator" else g).named_parameters()],
                    [p.grad.clone() for p in loop.learns[network][0]],
                    None if real is None else real.samples.detach().double(),
                    samples,
                    z,
                    None if real is None else real.labels,
                    y,
                    number,
                )
            )

        return updated

    loop.update_discriminator = kept("discriminator", loop.update_discriminator)
    loop.update_generator = kept("generator", loop.update_generator)
    for _ in range(steps):
        loop.step()
    return found


def squared_slope(judge: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The mean over samples of D's squared gradient."""
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(judge(x).sum(), x, create_graph=True)
    return gradient.square().flatten(1).sum(1).mean()


def overlaps(weights: list[Tensor]) -> Tensor:
    """The sum over pairs of a layer's filters of their squared inner products."""
    pairs = [(w, i, j) for w in weights if w.dim() > 1 for i in range(len(w)) for j in range(len(w)) if i != j]
    return torch.stack([(w[i] @ w[j]) ** 2 for w, i, j in pairs]).sum()


def hinge(r: Tensor, f: Tensor) -> Tensor:
    return relu(1 - r).mean() + relu(1 + f).mean()


def average(r: Tensor, f: Tensor) -> Tensor:
    """ragan, for D; for G with both exchanged."""
    return -torch.log(torch.sigmoid(r - f.mean())).mean() - torch.log(1 - torch.sigmoid(f - r.mean())).mean()


def ragan_d(u: Update) -> Tensor:
    (r, told_r), (f, told_f) = u.d(u.real, u.y), u.d(u.fake, u.y)
    return average(r, f) + cross_entropy(told_r, u.y) + cross_entropy(told_f, u.y) + 0.1 * overlaps(u.weights)


def ragan_g(u: Update) -> Tensor:
    (r, _), (f, told) = u.d(u.real, u.y), u.d(u.g(u.latents, u.y), u.y)
    return average(f, r.detach()) + cross_entropy(told, u.y) + 0.1 * overlaps(u.weights)


def matching_g(u: Update) -> Tensor:
    fake = u.g(u.latents, u.y_fake)
    features = [u.d[:-1](x, y) for x, y in ((u.real, u.y), (fake, u.y_fake))]
    distance = (features[0].mean(0) - features[1].mean(0)).square().sum()
    return (u.d(fake, u.y_fake) - 1).square().mean() / 2 + 0.3 * distance


def normalised(u: Update, x: Tensor) -> Tensor:
    """D's own logits s become s / (|grad s| + |s|)."""
    x = x if x.requires_grad else x.clone().requires_grad_()
    s = u.d.network(x, u.y)
    (gradient,) = torch.autograd.grad(s.sum(), x, create_graph=True)
    return s / (gradient.norm(dim=1, keepdim=True) + s.abs())


def seeking_g(u: Update) -> Tensor:
    x, z, half = u.g(u.latents), u.latents, BATCH // 2
    ratio = (x[:half] - x[half:]).abs().mean() / (z[:half] - z[half:]).abs().mean()
    return torch.log(1 - torch.sigmoid(u.d(x))).mean() + 0.2 / (ratio + 1e-5)


CASES: dict[str, tuple[list[Any], dict[str, Any], tuple[int, ...], Any, Any]] = {
    "three updates of D, and R1 in every second": (
        ["hinge", {"name": "r1", "gamma": 0.7, "every": 2}, {"name": "d_steps", "k": 3}],
        {"name": "dcgan", "latent": 4, "width": 3, "depth": 1, "batch_norm": False, "dropout": 0},
        (1, 6, 10),
        lambda u: hinge(u.d(u.real), u.d(u.fake)) + 2 * 0.35 * (u.number % 2 == 0) * squared_slope(u.d, u.real),
        lambda u: -u.d(u.g(u.latents)).mean(),
    ),
    "pairs of one class": (
        ["relativistic", {"name": "r1", "gamma": 0.7}, {"name": "r2", "gamma": 0.3}],
        {**MLP, "conditional": "projection"},
        (3,),
        lambda u: (
            softplus(u.d(u.fake, u.y) - u.d(u.real, u.y)).mean()
            + 0.35 * squared_slope(lambda x: u.d(x, u.y), u.real)
            + 0.15 * squared_slope(lambda x: u.d(x, u.y), u.fake)
        ),
        lambda u: softplus(u.d(u.real, u.y).detach() - u.d(u.g(u.latents, u.y), u.y)).mean(),
    ),
    "an auxiliary classifier beside a relativistic loss": (
        ["ragan", {"name": "orthogonal", "weight": 0.1, "network": "both"}],
        {**MLP, "conditional": "auxiliary"},
        (3,),
        ragan_d,
        ragan_g,
    ),
    "features of labelled samples": (
        ["lsgan", {"name": "feature_matching", "add": True, "weight": 0.3}],
        {**MLP, "conditional": "concat"},
        (3,),
        lambda u: (u.d(u.real, u.y) - 1).square().mean() / 2 + u.d(u.fake, u.y_fake).square().mean() / 2,
        matching_g,
    ),
    "a normalised D and the penalty of its own gradient": (
        ["gradient_normalisation", "relativistic", {"name": "r2", "gamma": 0.5}],
        {**MLP, "conditional": "projection"},
        (3,),
        lambda u: (
            softplus(normalised(u, u.fake) - normalised(u, u.real)).mean()
            + 0.25 * squared_slope(lambda x: normalised(u, x), u.fake)
        ),
        lambda u: softplus(normalised(u, u.real).detach() - normalised(u, u.g(u.latents, u.y))).mean(),
    ),
    "modes that are sought in the minimax game": (
        ["saturating", {"name": "mode_seeking", "weight": 0.2}],
        MLP,
        (2,),
        lambda u: softplus(-u.d(u.real)).mean() + softplus(u.d(u.fake)).mean(),
        seeking_g,
    ),
    "packs of three": (
        [{"name": "pac", "m": 3}, "wgan_clip", {"name": "r1", "gamma": 0.5}],
        MLP,
        (2,),
        lambda u: (
            (u.d(u.fake).mean() - u.d(u.real).mean()) + 3 * 0.25 * squared_slope(u.d, u.real)
        ),  # a pack's: of two packs, where the mean is over six samples
        lambda u: -u.d(u.g(u.latents)).mean(),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_gradients_of_whole_updates_are_those_of_the_formulas(name):
    tricks, architecture, shape, of_d, of_g = CASES[name]
    found = updates(tricks, architecture, shape)
    assert {one.network for one in found} == {"discriminator", "generator"}
    for one in found:
        value = (of_d if one.network == "discriminator" else of_g)(one)
        expected = torch.autograd.grad(value, one.weights, materialize_grads=True)
        torch.testing.assert_close([g.double() for g in one.gradient], [*expected], rtol=1e-4, atol=2e-6)
