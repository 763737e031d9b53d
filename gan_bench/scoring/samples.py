"""Drawing samples from a generator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from gan_bench.api.randomness import make_stream

GRID_SAMPLES = 100  # images in a sample grid
POINTS = 2000  # points in a picture of them
BATCH = 100  # samples generated or scored at a time


@contextmanager
def evaluating(network: nn.Module) -> Iterator[nn.Module]:
    """The network in evaluation mode, without gradients; afterwards every module's mode is put back."""
    modes = [(module, module.training) for module in network.modules()]
    try:
        with torch.no_grad():
            yield network.eval()
    finally:
        for module, mode in modes:
            module.training = mode


def draw(
    sampled: nn.Module, latent: int, count: int, seed: int, device: torch.device, purpose: str = "evaluation"
) -> Tensor:
    """`count` samples (count, *shape) on the CPU, from the seed's own latents: equal at every snapshot and in every cell.

    They are drawn in whole batches, so that the first ones do not depend on how many are asked for.
    """
    with evaluating(sampled), make_stream(seed, purpose, device):
        batches = [sampled(torch.randn(BATCH, latent, device=device)).float() for _ in range(0, count, BATCH)]
    return torch.cat(batches)[:count].cpu()  # at the end, so that a GPU is waited for once


def shown(samples: Tensor) -> Tensor:
    """Those of (N, *shape) samples that a sample grid shows: a hundred images, or many points."""
    return samples[:POINTS] if samples.dim() == 2 else samples[:GRID_SAMPLES]


def shuffled(count: int, order: int = 0) -> Tensor:
    """The indices below `count`, in the same random order every time; in another one for each `order`."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(order))
