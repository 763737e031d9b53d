"""The hinge loss."""

from __future__ import annotations

from gan_bench import Hinge, Recipe, Trick, hookimpl


class HingeLoss(Trick):
    """Hinge loss: D relu(1-r) + relu(1+f), G -f (Lim & Ye 2017; Miyato et al. 2018, eq. 16 and 17)."""

    name = "hinge"
    replaces = {"loss", "targets"}

    def edit(self, recipe: Recipe) -> None:
        recipe.loss = Hinge()


@hookimpl
def gan_bench_tricks():
    return [HingeLoss]
