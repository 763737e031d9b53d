"""Wasserstein loss with gradient penalty."""

from __future__ import annotations

from torch import nn

from gan_bench import Field, Recipe, Trick, Wasserstein, hookimpl

from ._gradients import between, gradients


class WassersteinGP(Trick):
    """Wasserstein loss with gradient penalty (Gulrajani et al. 2017, eq. 3 and algorithm 1)."""

    name = "wgan_gp"
    replaces = {"loss", "targets", "schedule"}
    wraps = {"networks"}
    weight: float = Field(10.0, gt=0, description="lambda: weight of (|grad D| - 1)^2")
    d_steps: int = Field(5, ge=1, le=100, description="discriminator (critic) updates per generator update")

    def edit(self, recipe: Recipe) -> None:
        if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in recipe.discriminator.modules()):
            raise ValueError(
                "wgan_gp penalises each sample's gradient alone: the discriminator must not have BatchNorm"
            )

        def gradient_penalty(discriminator, seen):
            at = between(seen)
            penalty = (gradients(discriminator(at), at).norm(dim=1) - 1).square().mean()
            recipe.report("gradient_penalty", penalty)
            return self.weight * penalty

        recipe.loss = Wasserstein()
        recipe.d_steps = self.d_steps
        recipe.penalty(gradient_penalty, by_samples=False)


@hookimpl
def gan_bench_tricks():
    return [WassersteinGP]
