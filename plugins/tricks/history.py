"""Fakes of before among those that the discriminator learns from."""

from __future__ import annotations

import torch

from gan_bench import Field, Recipe, Trick, hookimpl


class History(Trick):
    """Half of the fakes that D learns from are of before, from a buffer (SimGAN: Shrivastava et al. 2017, section 2.3).

    In each update of D new fakes take the places of random ones in the buffer, half a batch of them. At first they fill it, and
    stand in for what it has too few of. It is part of the checkpoint. Fakes of before keep their labels where networks take them:
    a loss or penalty that pairs real and fake samples of one class pairs half of them with others.
    """

    name = "history"
    checked_with = ({"size": 10},)
    size: int = Field(1000, ge=1, le=10**6, description="fakes in the buffer; at least half a batch is kept")

    def edit(self, recipe: Recipe) -> None:
        half = recipe.batch_size // 2
        if not half:
            raise ValueError("history needs a batch_size of at least 2, for half of each batch is of before")
        size, device = max(self.size, half), recipe.step.device
        held = recipe.register("held", torch.zeros(size, *recipe.data.shape, device=device))
        labelled = recipe.register("labels", torch.zeros(size, dtype=torch.int64, device=device))
        filled = recipe.register("filled", torch.zeros((), dtype=torch.int64, device=device))
        places = torch.arange(size, device=device)

        def draw(shift):
            """Different places that hold a fake; empty ones, in their order, come after these or, shifted below 0, before."""
            return torch.where(places < filled, torch.rand(size, device=device), places + shift).argsort()[:half]

        def with_old(fake, labels):
            old, into = draw(size), draw(-size)
            there = old < filled
            samples = torch.where(there.view(-1, *[1] * (fake.dim() - 1)), held[old], fake[-half:])
            mixed = torch.cat((fake[:-half], samples))
            held.index_copy_(0, into, fake[:half])
            if labels is not None:
                known = torch.where(there, labelled[old], labels[-half:])
                labelled.index_copy_(0, into, labels[:half])
                labels = torch.cat((labels[:-half], known))
            filled.add_(half).clamp_(max=size)
            return mixed, labels

        recipe.d_fakes(with_old)


@hookimpl
def gan_bench_tricks():
    return [History]
