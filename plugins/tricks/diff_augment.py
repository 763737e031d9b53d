"""DiffAugment: the same differentiable augmentation of real and generated pictures."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import field_validator
from torch import Tensor

from gan_bench import Field, Recipe, Trick, hookimpl

from ._pixels import random_shift, shifted


def color(x: Tensor) -> Tensor:
    """Brightness + U(-0.5, 0.5), saturation times U(0, 2), contrast times U(0.5, 1.5)."""
    brightness, saturation, contrast = torch.rand(3, len(x), 1, 1, 1, device=x.device)
    x = x + (brightness - 0.5)
    grey = x.mean(1, keepdim=True)
    x = (x - grey) * (2 * saturation) + grey
    mean = x.mean((1, 2, 3), keepdim=True)
    return (x - mean) * (contrast + 0.5) + mean


def translation(x: Tensor) -> Tensor:
    """A shift of up to an eighth of each side, in whole pixels; what comes in is zero."""
    rows, columns = (random_shift(len(x), int(side / 8 + 0.5), x.device) for side in x.shape[2:])
    return shifted(x, rows, columns, mirrored=False)


def cutout(x: Tensor) -> Tensor:
    """A rectangle of half of each side, its centre anywhere in the picture, becomes zero."""
    inside = []
    for side in x.shape[2:]:
        cut = int(side / 2 + 0.5)
        centre = torch.randint(side + 1 - cut % 2, (len(x), 1), device=x.device)
        from_first = torch.arange(side, device=x.device) - (centre - cut // 2)  # (B, side)
        inside.append((from_first >= 0) & (from_first < cut))
    return x * ~(inside[0][:, None, :, None] & inside[1][:, None, None, :])


KINDS = {"color": color, "translation": translation, "cutout": cutout}
ONE = "|".join(KINDS)


class DiffAugment(Trick):
    """All pictures that D sees are augmented, real and fake, in both networks' steps (Zhao et al. 2020).

    Values, ranges and order are the published code's. What translation and cutout bring in is 0, which is grey. On pictures of
    one channel saturation does nothing.
    """

    name = "diff_augment"
    policy: str = Field(
        "color,translation,cutout",
        pattern=rf"^({ONE})(,({ONE}))*$",
        description="what is done, in this order: color, translation, cutout; names with commas between them, or a list",
    )

    @field_validator("policy", mode="before")
    @classmethod
    def _of_list(cls, policy: Any) -> Any:
        names = isinstance(policy, list | tuple) and all(isinstance(name, str) for name in policy)
        return ",".join(policy) if names else policy

    def edit(self, recipe: Recipe) -> None:
        if recipe.data.kind != "image":
            raise ValueError("diff_augment augments pictures, and these data are points; input_noise takes any")
        for kind in self.policy.split(","):
            recipe.d_inputs(KINDS[kind])


@hookimpl
def gan_bench_tricks():
    return [DiffAugment]
