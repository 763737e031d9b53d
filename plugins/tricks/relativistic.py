"""The relativistic pairing loss."""

from __future__ import annotations

from torch.nn.functional import softplus

from gan_bench import Loss, Recipe, Trick, hookimpl


class Pairing(Loss):
    """The logistic loss of differences between a real and a fake sample's logits."""

    generator_needs_real = True

    def discriminator(self, real_logits, fake_logits):
        return softplus(fake_logits - real_logits).mean()

    def generator(self, fake_logits, real_logits=None):
        return softplus(real_logits - fake_logits).mean()


class Relativistic(Trick):
    """Relativistic pairing (RpGAN): D softplus(-(r - f)), G softplus(-(f - r)) (Huang et al. 2024, eq. 2).

    With the logistic function, which is RSGAN of Jolicoeur-Martineau 2018.
    The i-th real sample of a batch is paired with the i-th fake one; where networks take labels, both are of one class.
    """

    name = "relativistic"
    replaces = {"loss", "targets"}

    def edit(self, recipe: Recipe) -> None:
        recipe.loss = Pairing()


@hookimpl
def gan_bench_tricks():
    return [Relativistic]
