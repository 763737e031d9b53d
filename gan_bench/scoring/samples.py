"""Drawing samples from a generator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gan_bench.api.pictures import ROW, ROWS
from gan_bench.api.randomness import make_stream

Labels = Callable[[int], Tensor | None]  # draws so many (n,) from PyTorch's default generator; None: there are none
GRID_SAMPLES = ROWS * ROW  # images in a sample grid
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


@dataclass(frozen=True)
class Generated:
    """Samples of a generator, as they are scored and shown."""

    samples: Tensor  # (N, *shape)
    labels: Tensor | None = None  # (N,) int64, the classes that they were asked for; None: the generator takes none
    rows: Tensor | None = None  # (R * ROW, *shape) pictures, a row for each of `row_classes`

    @property
    def shown(self) -> Tensor:
        """What a sample grid shows: a hundred images, or a row of each class; or many points."""
        if self.samples.dim() == 2:
            return self.samples[:POINTS]
        return self.samples[:GRID_SAMPLES] if self.rows is None else self.rows


def draw(
    sampled: nn.Module,
    latent: int,
    count: int,
    seed: int,
    device: torch.device,
    purpose: str = "evaluation",
    labels: Tensor | None = None,
) -> Tensor:
    """`count` samples (count, *shape) on the CPU, from the seed's own latents: equal at every snapshot and in every cell.

    `labels` (count,) int64 are their classes, where the generator takes any. They are drawn in whole batches, so that the first
    ones do not depend on how many are asked for.
    """
    classes: list[tuple[Tensor, ...]] = [()] * -(-count // BATCH)
    if labels is not None:
        whole = torch.cat([labels, labels.new_zeros(-count % BATCH)]).to(device)
        classes = [(some,) for some in whole.split(BATCH)]
    with evaluating(sampled), make_stream(seed, purpose, device):
        batches = [sampled(torch.randn(BATCH, latent, device=device), *some).float() for some in classes]
    return torch.cat(batches)[:count].cpu()  # at the end, so that a GPU is waited for once


def draw_latents(latent: int, count: int, seed: int, device: torch.device, purpose: str = "evaluation") -> Tensor:
    """The latents (count, latent) of `draw`, as far as the generator draws no noise of its own between its batches."""
    with make_stream(seed, purpose, device):
        return torch.cat([torch.randn(BATCH, latent, device=device) for _ in range(0, count, BATCH)])[:count]


def draw_labels(
    labels: Labels, count: int, seed: int, device: torch.device, purpose: str = "evaluation"
) -> Tensor | None:
    """The classes (count,) int64 on the CPU that go with `count` samples of a seed, in whole batches as these; None: none do.

    They have a stream of their own, so that latents are those of a generator that takes no labels.
    """
    with make_stream(seed, f"labels of {purpose}", device):
        drawn = [some for _ in range(0, count, BATCH) if (some := labels(BATCH)) is not None]
    return torch.cat(drawn)[:count].cpu() if drawn else None


def shuffled(count: int, order: int = 0) -> Tensor:
    """The indices below `count`, in the same random order every time; in another one for each `order`."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(order))
