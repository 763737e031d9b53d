"""A generator that learns from its best samples."""

from __future__ import annotations

import torch

from gan_bench import Field, LossAround, Recipe, Trick, hookimpl


class OfTheBest(LossAround):
    """A loss whose generator's part is over a share of the fakes alone: those with the highest logits."""

    def __init__(self, inner, share):
        super().__init__(inner)
        self.share = share

    def generator(self, fake_logits, real_logits=None, *seen):
        count, nothing = len(fake_logits), torch.zeros_like(fake_logits)
        k = (count * self.share()).floor().clamp(min=1)
        place = fake_logits.detach().mean(1).argsort(descending=True, stable=True).argsort()
        best = (place < k).unsqueeze(1)

        def loss(fake, real):
            return self.inner.generator(fake, None if real_logits is None else real, *self.inner.given(*seen))

        # The mean of l over the best: that with 0 in place of all others, less l(0) for each of these.
        real = nothing if real_logits is None else real_logits
        mixed = loss(torch.where(best, fake_logits, nothing), torch.where(best, real, nothing))
        return (count * mixed - (count - k) * loss(nothing, nothing)) / k


class TopK(Trick):
    """G learns from the k fakes alone that D holds for the most real (Sinha et al. 2020).

    k falls from the batch size B to `share` B, by a factor every epoch in the paper (50,000 images are 781 steps of 64), which
    takes 54,000 steps: short runs need a smaller `factor` or `every`. Exact for losses that are means over samples or over
    pairs of them (not for `ragan`, whose means the others would enter). Of several logits a sample the mean counts. D, and
    penalties of G, see all fakes.
    """

    name = "top_k"
    wraps = {"loss"}
    checked_with = ({"factor": 0.8, "every": 1},)
    share: float = Field(0.5, gt=0, le=1, description="nu: the least share of the batch that is used")
    factor: float = Field(0.99, gt=0, le=1, description="gamma: by which the share shrinks from 1 on")
    every: int = Field(781, ge=1, description="G steps between two shrinkings")

    def edit(self, recipe: Recipe) -> None:
        def share() -> torch.Tensor:
            now = (self.factor ** (recipe.step // self.every)).clamp(min=self.share)
            recipe.report("top_k_share", now)
            return now

        recipe.loss = OfTheBest(recipe.loss, share)


@hookimpl
def gan_bench_tricks():
    return [TopK]
