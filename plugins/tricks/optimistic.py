"""Optimistic updates."""

from __future__ import annotations

import torch

from gan_bench import OptimizerAround, Recipe, Trick, hookimpl


class Optimistic(OptimizerAround):
    """Takes each of the inner optimiser's updates twice and the one before it back."""

    @torch.no_grad()
    def step(self, closure=None):
        weights = self.learning()
        before = [weight.clone() for weight in weights]
        self.inner.step()
        update, last = torch._foreach_sub(weights, before), self.kept("update")
        torch._foreach_add_(weights, torch._foreach_sub(update, last))
        torch._foreach_copy_(last, update)


class OptimisticUpdates(Trick):
    """Both networks' updates u become 2 u_t - u_(t-1) (Daskalakis et al. 2018).

    With Adam it is their optimistic Adam (algorithm 1), with plain gradient descent their optimistic mirror descent;
    with any other optimiser the same of whatever update that makes, weight decay included. u_0 is 0. Here
    networks take turns, where the paper's move at once.
    """

    name = "optimistic"

    def edit(self, recipe: Recipe) -> None:
        recipe.optimizer_around(Optimistic)


@hookimpl
def gan_bench_tricks():
    return [OptimisticUpdates]
