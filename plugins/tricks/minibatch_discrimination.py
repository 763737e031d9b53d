"""Minibatch discrimination."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_bench import Field, Recipe, Trick, hookimpl

from ._last_layer import add_statistic


class MinibatchDiscrimination(Trick):
    """D's last layer is told how near a sample is to the others of its batch (Salimans et al. 2016, section 3.2).

    Features f(x) become a matrix M(x) = T f(x) of `kernels` rows; o(x)_b, the sum over all samples y of
    exp(-|M(x)_b - M(y)_b|_1), is concatenated to the features. T has a weight for each feature, kernel and dimension: 3.1
    million beside the 0.2 million of a usual DCGAN's D on 28x28 pixels. Real and fake are judged apart.
    """

    name = "minibatch_discrimination"
    kernels: int = Field(100, ge=1, description="B: rows of M, as many as in the published code")
    dimensions: int = Field(5, ge=1, description="C: numbers in a row")

    def edit(self, recipe: Recipe) -> None:
        add_statistic(recipe, lambda inputs: (Nearness(inputs[0].numel(), self.kernels, self.dimensions), self.kernels))


class Nearness(nn.Module):
    """How near each sample's features are to those of its batch, by several learnt measures."""

    def __init__(self, inputs: int, kernels: int, dimensions: int) -> None:
        super().__init__()
        self.shape = (kernels, dimensions)
        self.tensor = nn.Linear(inputs, kernels * dimensions, bias=False)

    def forward(self, h: Tensor) -> Tensor:
        """(B, *features) -> (B, kernels)."""
        m = self.tensor(h.flatten(1)).view(-1, *self.shape)
        m = m.to(torch.promote_types(m.dtype, torch.float32))
        return torch.exp(-(m[:, None] - m).abs().sum(3)).sum(1)


@hookimpl
def gan_bench_tricks():
    return [MinibatchDiscrimination]
