"""Fewer discriminator updates."""

from __future__ import annotations

from gan_bench import Field, Recipe, Trick, hookimpl


class DEvery(Trick):
    """The discriminator is updated once per n updates of the generator: Goodfellow et al. 2014, algorithm 1, with k = 1/n."""

    name = "d_every"
    replaces = {"schedule"}
    n: int = Field(2, ge=2, le=1000, description="generator updates per discriminator update")

    def edit(self, recipe: Recipe) -> None:
        recipe.g_per_d = self.n


@hookimpl
def gan_bench_tricks():
    return [DEvery]
