"""The truncation trick."""

from __future__ import annotations

from gan_bench import Field, Recipe, Trick, hookimpl

from ._truncated_normal import truncated


class Truncation(Trick):
    """When G is sampled, and only then, latents beyond a threshold are drawn again: better samples, less varied.

    Brock et al. 2019, section 3.1, whose figure 2 has thresholds 2, 1, 0.5 and 0.04. Only for latents from N(0, 1).
    """

    name = "truncation"
    needs = {"prior"}
    threshold: float = Field(1.0, gt=0, le=10, description="largest magnitude of a latent's number")

    def edit(self, recipe: Recipe) -> None:
        recipe.latents(lambda z: truncated(z, self.threshold), training=False)


@hookimpl
def gan_bench_tricks():
    return [Truncation]
