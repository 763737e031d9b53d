"""The zero-centred gradient penalty between real and fake samples."""

from __future__ import annotations

from gan_bench import Field, Recipe, Trick, hookimpl

from ._gradients import between, gradients


class ZeroCentredGP(Trick):
    """0-GP: weight |grad D|^2 at random points between real and fake samples (Thanh-Tung et al. 2019).

    D is the logit, as in `wgan_gp` and `r1`, not its sigmoid.
    """

    name = "zero_centred_gp"
    weight: float = Field(10.0, gt=0, description="lambda: weight of |grad D|^2")

    def edit(self, recipe: Recipe) -> None:
        def squared_gradient(discriminator, seen):
            at = between(seen)
            penalty = gradients(discriminator(at), at).square().sum(1).mean()
            recipe.report("zero_centred_gp", penalty)
            return self.weight * penalty

        recipe.penalty(squared_gradient, by_samples=False)


@hookimpl
def gan_bench_tricks():
    return [ZeroCentredGP]
