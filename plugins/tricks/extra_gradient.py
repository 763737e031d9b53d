"""Extrapolation from the past."""

from __future__ import annotations

import torch

from gan_bench import OptimizerAround, Recipe, Trick, hookimpl


class FromThePast(OptimizerAround):
    """Moves a point by the inner optimiser, and leaves weights where the same gradient would lead next: `ahead` of the point."""

    @torch.no_grad()
    def step(self, closure=None):
        weights = self.learning()
        back = [p for p in weights if "ahead" in self.state[p]]  # none in the first step
        if back:
            torch._foreach_sub_(back, [self.state[p]["ahead"] for p in back])
        self.inner.step()
        point = [weight.clone() for weight in weights]
        self.inner.step()
        torch._foreach_copy_(self.kept("ahead"), torch._foreach_sub(weights, point))


class ExtraGradient(Trick):
    """Both networks' gradients are taken at points extrapolated by their last ones (Gidel et al. 2019, algorithm 3).

    One gradient an update, taken at w' = w - lr g(the last w'), which then moves w. With Adam it is their algorithm 4, option II:
    moments and step count take in each gradient twice, when it moves w and when it extrapolates (the empty gradient before the
    first one is left out). Here networks take turns, where the paper's move at once. They hold w', and are sampled and scored
    there; the averages over iterates that the paper recommends are trick `ema`'s. Tricks that change weights (clipping,
    averaging) move w' and w alike.
    """

    name = "extra_gradient"

    def edit(self, recipe: Recipe) -> None:
        recipe.optimizer_around(FromThePast)


@hookimpl
def gan_bench_tricks():
    return [ExtraGradient]
