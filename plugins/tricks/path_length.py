"""Path length regularisation."""

from __future__ import annotations

import math

import torch
from torch import nn

from gan_bench import Field, Recipe, Trick, hookimpl


class PathLength(Trick):
    """A step in w is to change the picture by a fixed amount: E (|J_w^T y| - a)^2 (Karras et al. 2020, StyleGAN2, eq. 4).

    y is N(0, I) noise divided by the root of the number of pixels, a a moving average of the lengths |J^T y|, this one included,
    and w the output of G's module `mapping`; by z in a generator that has none. Where w is (B, layers, size), squares are
    averaged over layers. Weight 2 and the division are the published code's, `every` is the paper's (the code's is 4). With
    BatchNorm in G, a length is that of what a latent does to the whole batch.
    """

    name = "path_length"
    checked_with = ({"every": 2, "shrink": 2},)
    weight: float = Field(2.0, gt=0, description="weight of the squared distance from the average length")
    decay: float = Field(0.99, gt=0, lt=1, description="weight of the old average, each time the penalty is computed")
    every: int = Field(8, ge=1, le=1000, description="computed every so many G updates, and weighted by as much")
    shrink: int = Field(1, ge=1, description="the batch is divided by this (the published code's is 2, for memory)")

    def edit(self, recipe: Recipe) -> None:
        average = recipe.register("average", torch.zeros((), device=recipe.step.device))

        def penalty(discriminator, seen):
            count = math.ceil(len(seen.latents) / self.shrink)
            inputs = [given[:count] for given in (seen.latents, seen.fake_labels) if given is not None]
            found = [inputs[0]]
            with mapping_of(recipe.generator).register_forward_hook(lambda module, z, w: found.append(w)):
                x = recipe.generator(*inputs)
            w = found[-1]
            y = torch.randn_like(x) / math.sqrt(x[0, 0].numel())
            (gradient,) = torch.autograd.grad((x * y).sum(), w, create_graph=True)
            layers = w[0].numel() / w.shape[-1]
            lengths = gradient.flatten(1).norm(dim=1) / math.sqrt(layers)
            average.lerp_(lengths.detach().mean().to(average), 1 - self.decay)
            recipe.report("path_length", lengths.mean())
            return self.weight * (lengths - average).square().mean()

        recipe.g_penalty(penalty, every=self.every)


def mapping_of(generator: nn.Module) -> nn.Module:
    """Its module `mapping`, wherever that stands; one that is never called if it has none."""
    return next((m for name, m in generator.named_modules() if name.rpartition(".")[2] == "mapping"), nn.Identity())


@hookimpl
def gan_bench_tricks():
    return [PathLength]
