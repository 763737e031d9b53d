"""Dirac-GAN in the real loop, for trajectories that are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from gan_bench.api.kinds import Trick
from gan_bench.api.randomness import Streams
from gan_bench.training.build import build_loop
from gan_bench_plugins.architectures.dirac import Dirac
from gan_bench_plugins.datasets.dirac import DiracData

H = 0.1
DESCENT = {"name": "sgd", "lr": H, "momentum": 0.0, "weight_decay": 0.0}


def train(
    steps: int,
    start: tuple[float, float],
    tricks: Sequence[Trick],
    batch_size: int = 4,
    optimizer: dict[str, Any] = DESCENT,
) -> np.ndarray:
    """(steps + 1, 2): psi and theta before and after each step of the real loop, by default with plain gradient descent."""
    real = torch.zeros(batch_size, 1)
    loop = build_loop(
        Dirac(psi=start[0], theta=start[1]),
        DiracData().spec(),
        Streams(0, torch.device("cpu")),
        lambda memory: lambda: real,
        tricks=tricks,
        optimizer={"generator": optimizer, "discriminator": optimizer},
        batch_size=batch_size,
        total_steps=steps,
    )
    networks = loop.recipe.discriminator, loop.recipe.generator
    path = [start]
    for _ in range(steps):
        loop.step()
        path.append(tuple(float(next(network.parameters()).detach().flatten()[0]) for network in networks))
    return np.array(path)
