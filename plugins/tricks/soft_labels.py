"""Random targets around one and zero."""

from __future__ import annotations

import torch

from gan_bench import Field, Recipe, Trick, hookimpl


class SoftLabels(Trick):
    """D's targets are random numbers: of real samples from U(0.7, 1.2), of fakes from U(0, 0.3).

    Point 6 of ganhacks (Chintala et al. 2016).
    Cross-entropy is linear in the target t (softplus(s) - t s for a logit s): in the mean these are the constant targets 0.95
    and 0.15, and what else they do is noise in the gradient. With `label_flip` beside it labels are noisy as the list means it.
    """

    name = "soft_labels"
    needs = {"targets"}
    real_low: float = Field(0.7, ge=0, le=2, description="the smallest target of real samples")
    real_high: float = Field(1.2, ge=0, le=2, description="the largest target of real samples")
    fake_low: float = Field(0.0, ge=-1, le=1, description="the smallest target of fakes")
    fake_high: float = Field(0.3, ge=-1, le=1, description="the largest target of fakes")

    def edit(self, recipe: Recipe) -> None:
        def soft(target, network, real):
            if network == "generator":
                return target
            low, high = (self.real_low - 1, self.real_high - 1) if real else (self.fake_low, self.fake_high)
            return target + torch.empty_like(target).uniform_(low, high)  # moved, not set: others may have changed it

        for low, high in ((self.real_low, self.real_high), (self.fake_low, self.fake_high)):
            if low > high:
                raise ValueError(f"a smallest target of {low} is above the largest, {high}; exchange them")
        recipe.targets(soft)


@hookimpl
def gan_bench_tricks():
    return [SoftLabels]
