"""The minimax loss."""

from __future__ import annotations

from torch.nn.functional import binary_cross_entropy_with_logits

from gan_bench import BinaryCrossEntropy, Recipe, Trick, hookimpl


class Minimax(BinaryCrossEntropy):
    """D's cross-entropy, of which G maximises its part: it is driven away from "fake" instead of towards "real"."""

    def generator(self, fake_logits, real_logits=None):
        return -binary_cross_entropy_with_logits(fake_logits, 1 - self.target(fake_logits, "generator", True))


class Saturating(Trick):
    """The minimax game: G minimises log(1 - D(G(z))) = -softplus(f) (Goodfellow et al. 2014, eq. 1).

    Its gradient by f is -sigmoid(f), which vanishes while D is sure of fakes, in contrast to that of the core's -log D(G(z)).
    With a target t for G other than 1 it is -(softplus(f) - (1 - t) f), minus the cross-entropy to 1 - t.
    """

    name = "saturating"
    replaces = {"loss"}

    def edit(self, recipe: Recipe) -> None:
        recipe.loss = Minimax()


@hookimpl
def gan_bench_tricks():
    return [Saturating]
