"""Adaptive discriminator augmentation."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gan_bench import Field, Recipe, Trick, hookimpl

from ._pixels import reflect


class ADA(Trick):
    """Augmentation of all that D sees, as probable as D's overfitting asks for (ADA, Karras et al. 2020).

    The probability p of each operation rises by batch / `speed` a batch while r_t = E sign(D(x)) on real samples, a mean over
    `every` updates of D, is above `target`, and falls by as much while it is below; it stays within 0 and 1. The operations
    are the paper's pixel blitting, geometric and colour groups, with its magnitudes (appendix B): all moves of a picture become
    one, by bilinear interpolation with mirrored borders. The paper interpolates at twice the resolution between wavelet
    filters, so here rotated and scaled pictures are a little softer. What has no three channels is not turned in hue.

    r_t reads a logit above 0 as "real", which a relativistic or a Wasserstein loss gives no meaning. A run of fewer real
    pictures than `speed` can't reach p = 1: with 1000 updates of batch 64 p stays below 0.13 (`speed` smaller, or `start`
    above 0). On a GPU G's gradient is added up in an order that varies.
    """

    name = "ada"
    checked_with = ({"speed": 100, "every": 2, "start": 0.5},)
    target: float = Field(0.6, gt=-1, lt=1, description="r_t above which p rises")
    speed: int = Field(500_000, ge=1, description="real pictures over which p can go from 0 to 1")
    every: int = Field(4, ge=1, le=1000, description="updates of D between two changes of p")
    start: float = Field(0.0, ge=0, le=1, description="p in the beginning")

    def edit(self, recipe: Recipe) -> None:
        if recipe.data.kind != "image":
            raise ValueError("ada augments pictures, and these data are points; input_noise takes any")
        device = recipe.step.device
        p = recipe.register("p", torch.full((), self.start, device=device))
        signs = recipe.register("signs", torch.zeros((), device=device))

        def count() -> None:
            signs.add_(recipe.real_logits.sign().mean())

        def adjust() -> None:
            overfitting = signs / self.every
            step = recipe.batch_size * self.every / self.speed
            p.add_(step * torch.sign(overfitting - self.target)).clamp_(0, 1)
            recipe.report("ada_p", p)
            recipe.report("ada_r_t", overfitting)
            signs.zero_()

        recipe.d_inputs(lambda x: coloured(moved(x, p), p))
        recipe.after_d_step(count)
        recipe.after_d_step(adjust, every=self.every)


def moved(x: Tensor, p: Tensor) -> Tensor:
    """Pictures (B, C, H, W) after pixel blitting and geometric operations, each done with probability p.

    The maps are composed from the picture's last operation to its first: they lead from a pixel of the result to its source.
    """
    count, sides, device = len(x), (x.shape[3], x.shape[2]), x.device

    def uniform() -> Tensor:
        return torch.rand(count, device=device)

    def normal() -> Tensor:
        return torch.randn(count, device=device)

    def maybe(value: Tensor, otherwise: float, chance: Tensor = p) -> Tensor:
        return torch.where(uniform() < chance, value, otherwise)

    def angle() -> Tensor:
        return maybe(math.pi * (2 * uniform() - 1), 0, 1 - (1 - p).sqrt())  # p is the chance that one of two is not 0

    flip = 1 - 2 * maybe((2 * uniform()).floor(), 0)
    linear = scale(flip, torch.ones_like(flip)) @ turn(-math.pi / 2 * maybe((4 * uniform()).floor(), 0))
    blit = torch.stack([(side / 8 * maybe(2 * uniform() - 1, 0)).round() for side in sides], 1)
    offset = -linear @ blit[..., None]
    smaller = torch.exp2(-0.2 * maybe(normal(), 0))
    linear = linear @ scale(smaller, smaller) @ turn(angle())
    narrower = torch.exp2(-0.2 * maybe(normal(), 0))
    linear = linear @ scale(narrower, 1 / narrower) @ turn(angle())
    slide = torch.stack([side / 8 * maybe(normal(), 0) for side in sides], 1)
    offset = offset - linear @ slide[..., None]

    columns, rows = torch.meshgrid(
        *(torch.arange(side, device=device) - (side - 1) / 2 for side in sides), indexing="xy"
    )
    return sampled(x, linear @ torch.stack((columns.flatten(), rows.flatten())) + offset)


def scale(across: Tensor, down: Tensor) -> Tensor:
    """(B, 2, 2)."""
    return torch.diag_embed(torch.stack((across, down), 1))


def turn(angle: Tensor) -> Tensor:
    """(B, 2, 2)."""
    cos, sin = angle.cos(), angle.sin()
    return torch.stack((cos, -sin, sin, cos), 1).view(-1, 2, 2)


def sampled(x: Tensor, where: Tensor) -> Tensor:
    """Pictures (B, C, H, W) at positions (B, 2, HW), column and row from the centre, bilinearly, mirrored at the borders.

    Made of `gather`, which unlike `grid_sample` can be differentiated twice.
    """
    height, width = x.shape[2:]
    column, row = (
        reflect(at + (side - 1) / 2, side) for at, side in zip(where.unbind(1), (width, height), strict=True)
    )
    left, top = column.floor(), row.floor()
    result = torch.zeros_like(x)
    for down in (0, 1):
        for right in (0, 1):
            weight = (1 - (row - top - down).abs()) * (1 - (column - left - right).abs())
            index = (top + down).clamp(max=height - 1) * width + (left + right).clamp(max=width - 1)
            taken = x.flatten(2).gather(2, index.long()[:, None].expand(-1, x.shape[1], -1))
            result = result + (weight[:, None] * taken).view(x.shape)
    return result


def coloured(x: Tensor, p: Tensor) -> Tensor:
    """Pictures (B, C, H, W) after brightness, contrast, luma flip, hue and saturation, each changed with probability p."""

    def normal() -> Tensor:
        return torch.randn(len(x), 1, 1, 1, device=x.device)

    def uniform() -> Tensor:
        return torch.rand(len(x), 1, 1, 1, device=x.device)

    def maybe(value: Tensor, otherwise: float) -> Tensor:
        return torch.where(uniform() < p, value, otherwise)

    x = x + maybe(0.2 * normal(), 0)
    x = x * torch.exp2(maybe(0.5 * normal(), 0))
    luma = x.mean(1, keepdim=True)
    flip = maybe((2 * uniform()).floor(), 0)
    x, luma = x - 2 * flip * luma, luma - 2 * flip * luma
    if x.shape[1] == 3:  # a turn around the axis of greys (Rodrigues' formula)
        angle = maybe(math.pi * (2 * uniform() - 1), 0)
        x = x + (angle.cos() - 1) * (x - luma) + angle.sin() * (x.roll(1, 1) - x.roll(-1, 1)) / math.sqrt(3)
    return x + (torch.exp2(maybe(normal(), 0)) - 1) * (x - luma)


@hookimpl
def gan_bench_tricks():
    return [ADA]
