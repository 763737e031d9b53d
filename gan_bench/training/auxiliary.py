"""What an auxiliary classifier adds to both networks' losses."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import cross_entropy

from gan_bench.api.recipe import Recipe
from gan_bench.api.seen import Discriminate, Seen


def classify(recipe: Recipe) -> None:
    """Have D, which gives class logits as well, learn the classes of real and fake samples, and G be told them by it.

    The term L_C of Odena et al. 2017: cross-entropy, on real and on fake samples in D's loss, on fake ones in G's.
    """

    def of_fakes(discriminator: Discriminate, seen: Seen) -> Tensor:
        return _of(seen.fake_class_logits, seen.fake_labels)

    def of_both(discriminator: Discriminate, seen: Seen) -> Tensor:
        loss = _of(seen.real_class_logits, seen.real_labels) + of_fakes(discriminator, seen)
        recipe.report("class_loss_d", loss)
        return loss

    recipe.penalty(of_both, pairs=False, by_samples=False)
    recipe.g_penalty(of_fakes)


def _of(logits: Tensor | None, labels: Tensor | None) -> Tensor:
    """The cross-entropy of class logits (B, classes). ValueError: D gives none, or not one row a sample."""
    assert labels is not None
    if logits is None or len(logits) != len(labels):
        found = "none" if logits is None else tuple(logits.shape)
        wanted = f"logits and class logits of all {len(labels)} samples"
        raise ValueError(f"with an auxiliary classifier D must give {wanted} (found: class logits {found})")
    return cross_entropy(logits, labels)
