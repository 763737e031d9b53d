"""Real and fake samples in one batch."""

from __future__ import annotations

from torch import nn

from gan_bench import Recipe, Trick, hookimpl


class MixedBatches(Trick):
    """D learns from one batch of real and fake samples together: the opposite of ganhacks' point 4 (Chintala et al. 2016).

    Where D has batch normalisation (`d_norm`), both are then normalised by statistics that they share, and only in its own
    updates: G's has fakes alone. Without such a layer nothing would change but rounding.
    """

    name = "mixed_batches"
    wraps = {"networks"}

    def edit(self, recipe: Recipe) -> None:
        if not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in recipe.discriminator.modules()):
            raise ValueError("mixed_batches finds no BatchNorm in D, so it would change nothing; d_norm puts it there")
        recipe.joined = True


@hookimpl
def gan_bench_tricks():
    return [MixedBatches]
