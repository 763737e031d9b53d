"""Adaptive discriminator augmentation."""

from __future__ import annotations

import math
from typing import Any

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
    found = sampled(x, linear @ torch.stack((columns.flatten(), rows.flatten())) + offset)
    still = (linear == torch.eye(2, device=device)).flatten(1).all(1) & (offset == 0).flatten(1).all(1)
    return torch.where(still.view(-1, 1, 1, 1), x, found)  # to the bit


def scale(across: Tensor, down: Tensor) -> Tensor:
    """(B, 2, 2)."""
    return torch.diag_embed(torch.stack((across, down), 1))


def turn(angle: Tensor) -> Tensor:
    """(B, 2, 2)."""
    cos, sin = angle.cos(), angle.sin()
    return torch.stack((cos, -sin, sin, cos), 1).view(-1, 2, 2)


def sampled(x: Tensor, where: Tensor) -> Tensor:
    """Pictures (B, C, H, W) at positions (B, 2, HW), column and row from the centre, bilinearly, mirrored at the borders."""
    height, width = x.shape[2:]
    halves = (
        max(side - 1, 1) / 2 for side in (width, height)
    )  # no tensor of theirs, which a CUDA graph could not hold
    grid = torch.stack([at / half for at, half in zip(where.unbind(1), halves, strict=True)], 2)
    picture: Tensor = Sampled.apply(x, grid.view(len(x), height, width, 2))
    return picture


BILINEAR, REFLECTION = 0, 2  # as PyTorch's kernels number them


class Sampled(torch.autograd.Function):
    """`grid_sample` of corners aligned, of which PyTorch has no second derivative; it is linear in the pictures."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        picture = torch.grid_sampler_2d(x, grid, BILINEAR, REFLECTION, True)
        return picture.contiguous(memory_format=torch.channels_last)  # as the networks have it

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return Spread.apply(grad, *ctx.saved_tensors), None


class Spread(torch.autograd.Function):
    """The transpose of `Sampled`: each number is added to the pixels that it was taken from."""

    @staticmethod
    def forward(ctx: Any, grad: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        if grad.device.type == "cuda":
            picture = spread(grad, grid)
        else:
            picture, _ = torch.ops.aten.grid_sampler_2d_backward(
                grad, torch.empty_like(grad), grid, BILINEAR, REFLECTION, True, [True, False]
            )
        return picture.contiguous(memory_format=torch.channels_last)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return Sampled.apply(grad, *ctx.saved_tensors), None


def spread(grad: Tensor, grid: Tensor) -> Tensor:
    """What `Spread` says, in whole numbers: a GPU adds in any order, and sums of floats depend on it.

    The largest number gets 40 bits, so that rounding is finer than a float's and sums have 23 bits left.
    """
    sides = grad.shape[:1:-1]  # width and height
    column, row = (
        reflect((at + 1) * ((side - 1) / 2), side) for at, side in zip(grid.flatten(1, 2).unbind(2), sides, strict=True)
    )
    left, top = column.floor(), row.floor()
    largest = grad.abs().amax()
    power = 40 - torch.frexp(largest).exponent
    sums = torch.zeros_like(grad.flatten(2), dtype=torch.int64)
    for down in (0, 1):
        for right in (0, 1):
            weight = (1 - (row - top - down).abs()) * (1 - (column - left - right).abs())
            index = (top + down).clamp(max=sides[1] - 1) * sides[0] + (left + right).clamp(max=sides[0] - 1)
            parts = torch.ldexp((weight[:, None] * grad.flatten(2)).double(), power).round().long()
            sums.scatter_add_(2, index.long()[:, None].expand(sums.shape), parts)
    found = torch.ldexp(sums.double(), -power).to(grad.dtype).view(grad.shape)
    return torch.where(largest.isfinite(), found, torch.nan)


def coloured(x: Tensor, p: Tensor) -> Tensor:
    """Pictures (B, C, H, W) after brightness, contrast, luma flip, hue and saturation, each changed with probability p.

    They are composed into one affine map of a pixel's channels.
    """
    channels, device = x.shape[1], x.device

    def normal() -> Tensor:
        return torch.randn(len(x), 1, 1, device=device)

    def uniform() -> Tensor:
        return torch.rand(len(x), 1, 1, device=device)

    def maybe(value: Tensor, otherwise: float) -> Tensor:
        return torch.where(uniform() < p, value, otherwise)

    one = torch.eye(channels, device=device)
    luma = torch.full_like(one, 1 / channels)  # onto the axis of greys
    brightness = maybe(0.2 * normal(), 0)
    contrast = torch.exp2(maybe(0.5 * normal(), 0))
    colours = contrast * (one - 2 * maybe((2 * uniform()).floor(), 0) * luma)
    if channels == 3:  # a turn around the axis of greys (Rodrigues' formula)
        angle = maybe(math.pi * (2 * uniform() - 1), 0)
        across = (one.roll(1, 0) - one.roll(-1, 0)) / math.sqrt(3)
        colours = (luma + angle.cos() * (one - luma) + angle.sin() * across) @ colours
    colours = (luma + torch.exp2(maybe(normal(), 0)) * (one - luma)) @ colours
    shift = brightness * colours.sum(2, keepdim=True)
    pixels = x.permute(0, 2, 3, 1)  # which is how they lie in memory
    changed = torch.baddbmm(shift.transpose(1, 2), pixels.flatten(1, 2), colours.transpose(1, 2))
    return changed.view(pixels.shape).permute(0, 3, 1, 2)


@hookimpl
def gan_bench_tricks():
    return [ADA]
