"""The minibatch standard deviation as one more feature of D."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_bench import Field, Recipe, Trick, hookimpl

from ._last_layer import add_statistic


class MinibatchStd(Trick):
    """D's last layer is told how much its features vary within groups of samples (Karras et al. 2018, section 3).

    The standard deviation over a group of each feature at each place, averaged over all of them: one number a group, which is
    concatenated to the features; constant maps where the layer is a convolution. Real and fake are judged apart.
    """

    name = "minibatch_std"
    group: int = Field(4, ge=2, description="samples in a group, as in the published code; they divide the batch")

    def edit(self, recipe: Recipe) -> None:
        def make(inputs: Tensor) -> tuple[nn.Module, int]:
            if len(inputs) % self.group:
                rule = f"groups of {self.group} do not divide the {len(inputs)} that D judges at once"
                raise ValueError(f"minibatch_std: {rule}")
            return GroupStd(self.group), 1

        add_statistic(recipe, make)


class GroupStd(nn.Module):
    """The mean deviation of features within groups of samples."""

    def __init__(self, group: int) -> None:
        super().__init__()
        self.group = group

    def forward(self, h: Tensor) -> Tensor:
        """(B, *features) -> (B, 1)."""
        h = h.to(torch.promote_types(h.dtype, torch.float32))
        groups = h.reshape(self.group, -1, *h.shape[1:])
        variance = (groups - groups.mean(0)).square().mean(0)  # `var` takes ten times as long over a first dimension
        return torch.sqrt(variance + 1e-8).flatten(1).mean(1).repeat(self.group)[:, None]

    def extra_repr(self) -> str:
        return f"group={self.group}"


@hookimpl
def gan_bench_tricks():
    return [MinibatchStd]
