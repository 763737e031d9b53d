"""Mode seeking."""

from __future__ import annotations

from gan_bench import Field, Recipe, Trick, hookimpl


class ModeSeeking(Trick):
    """G is to tell latents apart: it minimises 1 / (d_x / d_z + 1e-5) (Mao et al. 2019, as in the published code).

    d_x and d_z are mean absolute differences of samples and of latents over all pairs. Pairs are the halves of the batch, as the
    published code makes them of a batch of twice the size. Where networks take labels a pair must have the same: there each
    sample's partner is made anew, of its own label and its neighbour's latents.
    """

    name = "mode_seeking"
    weight: float = Field(1.0, gt=0, description="weight of the term")

    def edit(self, recipe: Recipe) -> None:
        half = recipe.batch_size // 2
        if not half:
            raise ValueError("mode_seeking compares pairs of samples: batch_size must be at least 2")

        def alike(discriminator, seen):
            x, z = seen.fake_samples, seen.latents.detach()
            if seen.fake_labels is None:
                x, z, other_x, other_z = x[:half], z[:half], x[half : 2 * half], z[half : 2 * half]
            else:
                other_z = z.roll(1, 0)
                other_x = recipe.generator(other_z, seen.fake_labels)
            distance = (x - other_x).abs().mean() / (z - other_z).abs().mean()
            recipe.report("mode_distance", distance)
            return self.weight / (distance + 1e-5)

        recipe.g_penalty(alike)


@hookimpl
def gan_bench_tricks():
    return [ModeSeeking]
