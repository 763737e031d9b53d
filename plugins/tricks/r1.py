"""The R1 gradient penalty."""

from __future__ import annotations

from gan_bench import Field, Recipe, Trick, hookimpl

from ._gradients import gradients


class R1(Trick):
    """R1: gamma/2 times the squared gradient of D at real samples (Mescheder et al. 2018, eq. 9).

    The paper's gamma is chosen for each experiment, 10 for its pictures. Squares add up over pixels, so that small pictures need
    less: the published code of ADA goes by 0.0002 pixels / batch.
    """

    name = "r1"
    checked_with = ({"every": 2},)
    gamma: float = Field(1.0, gt=0, description="weight; the penalty is gamma/2 |grad D(x)|^2")
    every: int = Field(1, ge=1, le=1000, description="computed every so many D updates, and weighted by as much")
    before_inputs: bool = Field(
        False, description="by samples before they were augmented, as R3GAN has it, not by what D sees"
    )

    def edit(self, recipe: Recipe) -> None:
        def squared_gradient(discriminator, seen):
            at = seen.real_samples if self.before_inputs else seen.real
            penalty = gradients(seen.real_logits, at).square().sum(1).mean()
            recipe.report("r1", penalty)
            return self.gamma / 2 * penalty

        recipe.penalty(squared_gradient, every=self.every, pairs=False)


@hookimpl
def gan_bench_tricks():
    return [R1]
