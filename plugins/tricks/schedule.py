"""Learning rates that change while training."""

from __future__ import annotations

import math
from typing import Literal

import torch

from gan_bench import Field, Recipe, Trick, hookimpl


class Schedule(Trick):
    """Learning rates rise at first (warm-up), and fall linearly or as a cosine (Loshchilov & Hutter 2017, eq. 5).

    All is counted in G steps, not in shares of the run's length, so that a longer run goes on from a shorter one; `steps` that
    end with the run are the usual choice, for afterwards the rate is `end`. A rate that stays and then falls linearly, as in
    CycleGAN (Zhu et al. 2017), has a `start`.
    """

    name = "schedule"
    checked_with = ({"kind": "cosine", "steps": 5, "warm_up": 2},)
    kind: Literal["constant", "linear", "cosine"] = Field(
        "linear", description="how the rate falls; constant: it does not"
    )
    steps: int = Field(1000, ge=1, description="G steps over which it falls")
    start: int = Field(0, ge=0, description="G steps done when it begins to fall")
    end: float = Field(0.0, ge=0, le=1, description="factor on the learning rate when it has fallen")
    warm_up: int = Field(
        0, ge=0, description="G steps over which it rises linearly to its full value at first; 0: none"
    )
    network: Literal["generator", "discriminator", "both"] = Field("both", description="whose rate")

    def edit(self, recipe: Recipe) -> None:
        if self.kind == "constant" and not self.warm_up:
            raise ValueError("a constant schedule without warm-up changes nothing: set warm_up, or another kind")

        def factor() -> torch.Tensor:
            rise = ((recipe.step + 1) / max(self.warm_up, 1)).clamp(max=1)
            if self.kind == "constant":
                return rise
            done = ((recipe.step - self.start) / self.steps).clamp(0, 1)
            fallen = done if self.kind == "linear" else (1 - torch.cos(math.pi * done)) / 2
            return rise * (1 - (1 - self.end) * fallen)

        recipe.lr_schedule(factor, None if self.network == "both" else self.network)


@hookimpl
def gan_bench_tricks():
    return [Schedule]
