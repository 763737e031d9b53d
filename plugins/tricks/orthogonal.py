"""Orthogonal regularisation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList

from gan_bench import Field, Recipe, Trick, hookimpl


class Orthogonal(Trick):
    """Different filters are to have nothing in common: beta |W^T W * (1 - I)|^2 (Brock et al. 2019, eq. 3).

    A column of W is a filter: what a weight (n, ...) has at one of its n first indices, flattened. All weights of two dimensions
    or more count, but embeddings, as in the published code, whose gradient is half of this term's. Of a weight that is made of a
    stored one (equalised learning rates, spectral normalisation) it is what a pass uses.
    """

    name = "orthogonal"
    weight: float = Field(1e-4, gt=0, description="beta")
    network: Literal["generator", "discriminator", "both"] = Field("generator", description="whose weights")

    def edit(self, recipe: Recipe) -> None:
        def of(network: str):
            if not list(filters(getattr(recipe, network))):
                raise ValueError(f"orthogonal finds no weights of two dimensions or more in the {network}")
            return lambda discriminator, seen: self.weight * sum(map(overlap, filters(getattr(recipe, network))))

        if self.network != "discriminator":
            recipe.g_penalty(of("generator"))
        if self.network != "generator":
            recipe.penalty(of("discriminator"), pairs=False, by_samples=False)


def filters(network: nn.Module) -> Iterator[Tensor]:
    """Each weight (n, ...) of a network as its n filters: (n, numbers in one)."""
    for module in network.modules():
        if isinstance(module, nn.Embedding | ParametrizationList):
            continue
        made = [getattr(module, name) for name in getattr(module, "parametrizations", ())]
        yield from (p.flatten(1) for p in (*module.parameters(recurse=False), *made) if p.dim() > 1 and p.requires_grad)


def overlap(rows: Tensor) -> Tensor:
    """The sum of squared inner products of different rows, a scalar."""
    products = rows @ rows.t()
    return (products * (1 - torch.eye(len(rows), device=rows.device))).square().sum()


@hookimpl
def gan_bench_tricks():
    return [Orthogonal]
