"""PacGAN: D judges several samples at once."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from gan_bench import Field, Recipe, Trick, hookimpl


class Pac(Trick):
    """D judges m samples at once, joined along their channels: PacGAN of m (Lin et al. 2018).

    D is the run's architecture built for data of m times the channels (points: of m times the numbers); logits are (B/m, k).
    It edits before what other tricks do to D, wherever it is written.
    """

    name = "pac"
    replaces = {"discriminator"}
    m: int = Field(2, ge=2, le=64, description="samples in a pack; they divide the batch")

    def edit(self, recipe: Recipe) -> None:
        if recipe.batch_size % self.m:
            raise ValueError(f"pac: packs of {self.m} do not divide a batch of {recipe.batch_size}")
        if recipe.conditional:
            raise ValueError('pac: a pack of samples has several labels, and D takes one; say conditional = "none"')
        channels, *size = recipe.data.shape
        data = replace(recipe.data, shape=(self.m * channels, *size), modes=None)
        recipe.discriminator = Packed(recipe.build_discriminator(data), self.m)


class Packed(nn.Module):
    """A discriminator of packs: consecutive samples of a batch, one after the other along their channels."""

    def __init__(self, network: nn.Module, m: int) -> None:
        super().__init__()
        self.network, self.m = network, m

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) -> logits (B/m, k)."""
        logits: Tensor = self.network(x.reshape(len(x) // self.m, self.m * x.shape[1], *x.shape[2:]))
        return logits


@hookimpl
def gan_bench_tricks():
    return [Pac]
