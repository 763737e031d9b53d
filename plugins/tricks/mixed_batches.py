"""Real and fake samples in one batch."""

from __future__ import annotations

from gan_bench import Recipe, Trick, hookimpl


class MixedBatches(Trick):
    """D learns from one batch of real and fake samples together: the opposite of ganhacks, point 4.

    Where D has batch normalisation (`d_norm`), both are then normalised by statistics that they share, and only in its own
    updates: G's has fakes alone. Without such a layer it changes nothing but rounding.
    """

    name = "mixed_batches"

    def edit(self, recipe: Recipe) -> None:
        recipe.joined = True


@hookimpl
def gan_bench_tricks():
    return [MixedBatches]
