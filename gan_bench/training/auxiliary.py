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
        assert seen.fake_class_logits is not None
        assert seen.fake_labels is not None
        return cross_entropy(seen.fake_class_logits, seen.fake_labels)

    def of_both(discriminator: Discriminate, seen: Seen) -> Tensor:
        assert seen.real_class_logits is not None
        assert seen.real_labels is not None
        loss = cross_entropy(seen.real_class_logits, seen.real_labels) + of_fakes(discriminator, seen)
        recipe.report("class_loss_d", loss)
        return loss

    recipe.penalty(of_both, pairs=False)
    recipe.g_penalty(of_fakes)
