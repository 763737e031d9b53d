"""The relativistic average loss."""

from __future__ import annotations

from torch.nn.functional import softplus

from gan_bench import Loss, Recipe, Trick, hookimpl


class RelativisticAverage(Loss):
    """Logits of each kind against the other kind's mean over the batch: real ones are to lie above for D, below for G."""

    generator_needs_real = True

    def discriminator(self, real_logits, fake_logits):
        above = softplus(fake_logits.mean(0) - real_logits).mean()
        return above + softplus(fake_logits - real_logits.mean(0)).mean()

    def generator(self, fake_logits, real_logits=None):
        return self.discriminator(fake_logits, real_logits)


class RaGAN(Trick):
    """Relativistic average: D softplus(-(r - mean f)) + softplus(f - mean r) (RaSGAN of Jolicoeur-Martineau 2018).

    G minimises the same with real and fake exchanged, so that both its terms depend on real samples too.
    """

    name = "ragan"
    replaces = {"loss", "targets"}

    def edit(self, recipe: Recipe) -> None:
        recipe.loss = RelativisticAverage()


@hookimpl
def gan_bench_tricks():
    return [RaGAN]
