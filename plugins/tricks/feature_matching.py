"""Feature matching."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_bench import Field, LossAround, Recipe, Trick, hookimpl


class NotLearntFrom(LossAround):
    """A loss that G is shown, but does not follow."""

    def generator(self, fake_logits, real_logits=None, *seen):
        return super().generator(fake_logits, real_logits, *seen).detach()


class FeatureMatching(Trick):
    """G learns to match the mean of D's features, |E f(x) - E f(G(z))|^2 (Salimans et al. 2016, section 3.1).

    As in the paper this takes the place of G's loss, whose value still stands in the curves; D's loss stays. f is what goes into
    D's last layer. It costs three more passes of D in G's step.
    """

    name = "feature_matching"
    wraps = {"loss"}
    weight: float = Field(1.0, gt=0, description="weight of the squared distance, summed over features")
    add: bool = Field(False, description="add it to G's loss, instead of putting it in its place")
    layer: str = Field("", description='module of D whose input is f, by its path, such as "3"; empty: the last layer')

    def edit(self, recipe: Recipe) -> None:
        modules = dict(recipe.discriminator.named_modules())
        layers = [m for m in modules.values() if isinstance(m, (nn.Linear, nn.modules.conv._ConvNd))]
        if self.layer not in modules or not (self.layer or layers):
            names = ", ".join(filter(None, modules)) or "none"
            raise ValueError(
                f"feature_matching finds no layer {self.layer!r} in the discriminator (its modules: {names})"
            )
        layer = modules[self.layer] if self.layer else layers[-1]

        def features(discriminator, samples, labels) -> Tensor:
            found: list[Tensor] = []
            with layer.register_forward_pre_hook(lambda module, inputs: found.append(inputs[0])):
                discriminator(samples, labels)
            if not found:
                raise ValueError(
                    f"feature_matching: {type(layer).__name__} takes no part in the discriminator's passes"
                )
            return found[-1].to(torch.promote_types(found[-1].dtype, torch.float32))

        def distance(discriminator, seen):
            with torch.no_grad():
                real = features(discriminator, seen.real, seen.real_labels).mean(0)
            squared = (features(discriminator, seen.fake, seen.fake_labels).mean(0) - real).square().sum()
            recipe.report("feature_distance", squared)
            return self.weight * squared

        recipe.g_penalty(distance, needs_real=True)
        if not self.add:
            recipe.loss = NotLearntFrom(recipe.loss)


@hookimpl
def gan_bench_tricks():
    return [FeatureMatching]
