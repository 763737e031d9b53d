"""A trick: a change of the training recipe, made once, before training."""

import torch

from gan_bench import Field, Trick, hookimpl


class Mine(Trick):
    """All that D sees is dimmed by a random factor (no paper's)."""

    # The line above is shown in lists. Say there where it is from: (Miyato et al. 2018, eq. 3).

    name = "mine"
    least: float = Field(0.5, gt=0, lt=1, description="the smallest factor")

    def edit(self, recipe):  # what else a recipe offers: losses, penalties, optimisers, how often each network steps
        def dim(x):  # (B, *shape) -> the same; runs every step, so it is torch operations alone
            factor = torch.empty(len(x), *[1] * (x.dim() - 1), device=x.device)
            return x * factor.uniform_(self.least, 1)

        recipe.d_inputs(dim)


@hookimpl
def gan_bench_tricks():
    return [Mine]
