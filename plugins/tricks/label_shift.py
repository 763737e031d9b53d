"""A constant shift of targets: what label noise is without its noise."""

from __future__ import annotations

from typing import Literal

from gan_bench import Field, Recipe, Trick, hookimpl


class LabelShift(Trick):
    """Targets raised by a constant, which is no paper's: the control of `label_noise`, whose mean this is at half its amount.

    Cross-entropy is linear in the target t (softplus(s) - t s for a logit s), so noise on targets is this shift plus noise
    in the gradient. A target above 1 has no lower bound: it pushes every logit up for ever.
    """

    name = "label_shift"
    needs = {"targets"}
    amount: float = Field(0.025, gt=0, le=1, description="targets become t + amount")
    network: Literal["generator", "discriminator", "both"] = Field("generator", description="in whose loss")

    def edit(self, recipe: Recipe) -> None:
        def shifted(target, network, real):
            return target + self.amount if self.network in (network, "both") else target

        recipe.targets(shifted)


@hookimpl
def gan_bench_tricks():
    return [LabelShift]
