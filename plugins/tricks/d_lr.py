"""Another learning rate for the discriminator."""

from __future__ import annotations

from gan_bench import Field, Recipe, Trick, hookimpl


class DLearningRate(Trick):
    """The discriminator's learning rate is multiplied by a factor.

    Two time scales (Heusel et al. 2017) usually make it larger; the origin's report makes it smaller.
    """

    name = "d_lr"
    factor: float = Field(0.5, gt=0, le=100, description="factor on the discriminator's learning rate")

    def edit(self, recipe: Recipe) -> None:
        recipe.optimizer["discriminator"]["lr"] *= self.factor


@hookimpl
def gan_bench_tricks():
    return [DLearningRate]
