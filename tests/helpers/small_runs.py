"""Small real trainings that tests share."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.kinds import Architecture, Trick
from gan_bench.api.randomness import Streams
from gan_bench.api.recipe import Recipe
from gan_bench.training.build import apply_tricks
from gan_bench.training.loop import Loop
from gan_bench.training.networks import build_networks
from gan_bench.training.window import Window

ADAM = {"name": "adam", "lr": 2e-3, "betas": (0.5, 0.999), "eps": 1e-8, "weight_decay": 0.0}
CPU = torch.device("cpu")


def some_data(shape: tuple[int, ...], batch_size: int) -> Callable[[], Tensor]:
    """Batches of smooth noise in [-1, 1], the same ones every time."""
    batches = torch.tanh(torch.randn(8, batch_size, *shape, generator=torch.Generator().manual_seed(1)))
    return itertools.cycle(batches).__next__


def make_loop(
    architecture: Architecture,
    tricks: Sequence[Trick] = (),
    *,
    shape: tuple[int, ...] = (1, 8, 8),
    batch_size: int = 8,
    seed: int = 0,
    networks: tuple[nn.Module, nn.Module] | None = None,
    precision: str = "fp32",
) -> Loop:
    """A training loop outside any run folder."""
    streams = Streams(seed, CPU)
    data = DataSpec(shape, "image" if len(shape) == 3 else "points")
    generator, discriminator = networks or build_networks(architecture, data, streams)
    window = Window(CPU)
    recipe = Recipe(
        data,
        generator,
        discriminator,
        {"generator": dict(ADAM), "discriminator": dict(ADAM)},
        batch_size=batch_size,
        total_steps=100,
        streams=streams,
        reports=window,
    )
    apply_tricks(recipe, tricks)
    return Loop(recipe, window, streams, some_data(shape, batch_size), batch_size, architecture.latent, precision)
