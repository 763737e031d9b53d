"""LeCam regularisation of D's logits."""

from __future__ import annotations

from typing import Literal

import torch
from torch.nn.functional import relu

from gan_bench import Field, Recipe, Trick, hookimpl


class LeCam(Trick):
    """Logits r and f are drawn to moving averages a of the other's: |r - a_F|^2 + |f - a_R|^2 (Tseng et al. 2021).

    The published code penalises only what is on the far side, relu(r - a_F)^2 + relu(a_R - f)^2: `form = "relu"`. Its averages
    begin at 1000, of which 0.99^n is left after n updates, unless the penalty starts late, after 1000 steps in its scripts, and
    the averages follow the latest batch until then. Here they always begin at the first batch's logits, and the penalty
    starts at once: a start of 1000 is no penalty at all in shorter runs.
    """

    name = "lecam"
    checked_with = ({"form": "relu", "start": 2},)
    weight: float = Field(0.3, gt=0, description="weight; 0.3 is the paper's for BigGAN on CIFAR-10")
    form: Literal["squared", "relu"] = Field("squared", description="the paper's equation, or the published code's")
    decay: float = Field(0.99, ge=0, lt=1, description="weight of the old average in every update of D")
    start: int = Field(
        0, ge=0, description="G steps before the penalty; until then the averages are the latest batch's"
    )

    def edit(self, recipe: Recipe) -> None:
        # Of r and of f; NaN until there is one.
        averages = recipe.register(
            "averages", torch.full((2,), torch.nan, dtype=torch.float64, device=recipe.step.device)
        )

        def lecam(discriminator, seen):
            latest = torch.stack((seen.real_logits.mean(), seen.fake_logits.mean())).detach().double()
            follow = (recipe.step < self.start) | averages.isnan()
            averages.copy_(torch.where(follow, latest, averages.lerp(latest, 1 - self.decay)))
            real, fake = averages.clone()
            above, below = seen.real_logits - fake, real - seen.fake_logits
            if self.form == "relu":
                above, below = relu(above), relu(below)
            penalty = above.square().mean() + below.square().mean()
            recipe.report("lecam", penalty)
            return self.weight * (recipe.step >= self.start) * penalty

        recipe.penalty(lecam, pairs=False, by_samples=False)


@hookimpl
def gan_bench_tricks():
    return [LeCam]
