"""The least-squares loss."""

from __future__ import annotations

from gan_bench import Loss, Recipe, Trick, hookimpl


class LeastSquares(Loss):
    """Half the squared distance of logits from their targets, 1 for real and 0 for fake."""

    has_targets = True

    def discriminator(self, real_logits, fake_logits):
        return self._term(real_logits, "discriminator", True) + self._term(fake_logits, "discriminator", False)

    def generator(self, fake_logits, real_logits=None):
        return self._term(fake_logits, "generator", True)

    def _term(self, logits, network, real):
        return (logits - self.target(logits, network, real)).square().mean() / 2


class LSGAN(Trick):
    """Least squares: D 1/2 (r - 1)^2 + 1/2 f^2, G 1/2 (f - 1)^2 (Mao et al. 2017, eq. 9: the coding b = c = 1, a = 0).

    The codes are targets, so that label smoothing, flips and the like act on them.
    """

    name = "lsgan"
    replaces = {"loss"}

    def edit(self, recipe: Recipe) -> None:
        recipe.loss = LeastSquares()


@hookimpl
def gan_bench_tricks():
    return [LSGAN]
