"""Gaussian noise on all that the discriminator sees."""

from __future__ import annotations

import torch

from gan_bench import Field, Recipe, Trick, hookimpl


class InputNoise(Trick):
    """Instance noise: Gaussian noise on real and fake samples, in both networks' steps (Sonderby et al. 2017)."""

    name = "input_noise"
    checked_with = ({"decay_steps": 4},)
    sigma: float = Field(0.1, gt=0, le=10, description="standard deviation at the start; samples lie in [-1, 1]")
    decay_steps: int = Field(0, ge=0, description="G steps over which sigma falls linearly to 0; 0: it stays")

    def edit(self, recipe: Recipe) -> None:
        def add_noise(x):
            if not self.decay_steps:
                return x + self.sigma * torch.randn_like(x)
            sigma = self.sigma * (1 - recipe.step / self.decay_steps).clamp(min=0).to(x.dtype)
            recipe.report("input_noise_sigma", sigma)
            return x + sigma * torch.randn_like(x)

        recipe.d_inputs(add_noise)


@hookimpl
def gan_bench_tricks():
    return [InputNoise]
