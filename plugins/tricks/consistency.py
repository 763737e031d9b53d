"""Consistency regularisation: D's logits stay when its pictures are augmented."""

from __future__ import annotations

import torch

from gan_bench import Field, Recipe, Trick, hookimpl

from ._pixels import random_shift, shifted


class Consistency(Trick):
    """weight |D(x) - D(T(x))|^2 at real samples (CR-GAN, Zhang et al. 2020); balanced and latent by further weights.

    T flips a picture with probability 1/2 and shifts it by up to an eighth of its sides, 4 pixels of 32, mirrored at its
    borders; points have `noise` instead. With `fake = 10` it is balanced (bCR, Zhao et al. 2021); `latent = 5` and
    `spread = 0.5` are their zCR, all three ICR: D gives fakes of z and of z + sigma e like logits, while G is to tell them
    apart. Each term of D costs a pass of it, those in z a pass of G. Dropout in D differs between two passes, and is penalised
    with the rest: see `dropout_off`.
    """

    name = "consistency"
    checked_with = ({"fake": 10, "latent": 5, "spread": 0.5},)
    weight: float = Field(10.0, ge=0, description="lambda: weight of |D(x) - D(T(x))|^2 at real samples")
    fake: float = Field(0.0, ge=0, description="the same at fakes")
    latent: float = Field(0.0, ge=0, description="in D's loss, weight of |D(G(z)) - D(G(z + sigma e))|^2")
    spread: float = Field(
        0.0, ge=0, description="in G's loss, weight of -|G(z) - G(z + sigma e)|^2, a mean over numbers"
    )
    sigma: float = Field(0.03, gt=0, description="standard deviation of the noise on z")
    flip: bool = Field(True, description="whether T flips pictures; digits and letters should not be flipped")
    noise: float = Field(0.0, ge=0, description="standard deviation of Gaussian noise that T adds")

    def edit(self, recipe: Recipe) -> None:
        pictures = recipe.data.kind == "image"
        if not pictures and not self.noise and (self.weight or self.fake):
            raise ValueError("consistency shifts and flips pictures, and these data are points: set its noise")

        def augmented(x):
            x = x.detach()
            if pictures:
                rows, columns = (random_shift(len(x), int(side / 8 + 0.5), x.device) for side in x.shape[2:])
                x = shifted(x, rows, columns, mirrored=True)
                if self.flip:
                    x = torch.where(torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5, x.flip(3), x)
            return x + self.noise * torch.randn_like(x) if self.noise else x

        def perturbed(seen):
            z = seen.latents.detach()
            return recipe.generator(
                z + self.sigma * torch.randn_like(z), *() if seen.fake_labels is None else (seen.fake_labels,)
            )

        def at_real(discriminator, seen):
            return self.weight * distance(seen.real_logits, discriminator(augmented(seen.real), seen.real_labels))

        def at_fake(discriminator, seen):
            return self.fake * distance(seen.fake_logits, discriminator(augmented(seen.fake), seen.fake_labels))

        def at_latents(discriminator, seen):
            if recipe.fake_transforms:
                raise ValueError("consistency in z needs the fakes that D learns from as G makes them")
            with torch.no_grad():
                other = recipe.see(perturbed(seen))
            return self.latent * distance(seen.fake_logits, discriminator(other, seen.fake_labels))

        def apart(discriminator, seen):
            return -self.spread * distance(seen.fake_samples, perturbed(seen))

        def reported(term):
            def with_report(discriminator, seen):
                value = term(discriminator, seen)
                recipe.report(f"consistency_{term.__name__}", value)
                return value

            return with_report

        for weight, term in ((self.weight, at_real), (self.fake, at_fake), (self.latent, at_latents)):
            if weight:
                recipe.penalty(reported(term), pairs=False, by_samples=False)
        if self.spread:
            recipe.g_penalty(reported(apart))


def distance(a, b):
    """The mean squared difference."""
    return (a - b).square().mean()


@hookimpl
def gan_bench_tricks():
    return [Consistency]
