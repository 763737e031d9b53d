"""Fakes of the generator's past."""

from __future__ import annotations

import copy

import torch
from torch import nn

from gan_bench import Field, Recipe, Trick, hookimpl


class OldGenerators(Trick):
    """A share of the fakes that D learns from is made by an old checkpoint of G (ganhacks, Chintala et al. 2016, point 8).

    Every so many G steps the old one gives way to a copy, made as long before; so it is one to two times as many steps old.
    The list swaps whole networks for some iterations; mixed into each batch they do D the same service at an even pace.
    """

    name = "old_generators"
    wraps = {"networks"}
    checked_with = ({"every": 2},)
    share: float = Field(0.25, gt=0, lt=1, description="of D's fakes, rounded to whole samples")
    every: int = Field(100, ge=1, description="G steps between two checkpoints")

    def edit(self, recipe: Recipe) -> None:
        count = round(self.share * recipe.batch_size)
        if not 0 < count < recipe.batch_size:
            raise ValueError(
                f"share {self.share} of a batch of {recipe.batch_size} is {count} samples; take some, not all"
            )
        if count == 1 and any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in recipe.generator.modules()):
            raise ValueError(
                f"share {self.share} of a batch of {recipe.batch_size} is 1 sample, too few for G's BatchNorm"
            )
        old, later = (
            recipe.register(name, copy.deepcopy(recipe.generator).requires_grad_(False)) for name in ("old", "later")
        )

        def mix(fake, labels):
            z = torch.randn(count, recipe.latent, device=fake.device)
            for transform in recipe.latent_transforms:
                z = transform(z)
            with torch.no_grad():
                made = old(z) if labels is None else old(z, labels[-count:])
            return torch.cat((fake[:-count], made.float())), labels

        def age():
            old.load_state_dict(later.state_dict())
            later.load_state_dict(recipe.generator.state_dict())

        recipe.d_fakes(mix)
        recipe.after_g_step(age, every=self.every)


@hookimpl
def gan_bench_tricks():
    return [OldGenerators]
