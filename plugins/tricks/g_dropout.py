"""Dropout in the generator's layers."""

from __future__ import annotations

from torch.nn.functional import dropout

from gan_bench import Field, Recipe, Trick, hookimpl

from ._layers import change_hidden


class GDropout(Trick):
    """Dropout of what every hidden layer of G passes on, in training and when it is sampled.

    Point 17 of ganhacks (Chintala et al. 2016).
    It is the noise of Isola et al. 2017 (pix2pix: "at both training and test time"), who have it in three layers.
    """

    name = "g_dropout"
    p: float = Field(0.5, gt=0, lt=1, description="share of activations dropped")

    def edit(self, recipe: Recipe) -> None:
        change_hidden(recipe.generator, lambda x: dropout(x, self.p, training=True))


@hookimpl
def gan_bench_tricks():
    return [GDropout]
