"""Spectral norm regularisation of the discriminator."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import normalize

from gan_bench import Field, Recipe, Trick, hookimpl


class SpectralRegularisation(Trick):
    """weight/2 times the sum of the squared largest singular values of D's weights (Yoshida & Miyato 2017).

    As in algorithm 1 each is estimated by one power iteration an update, from where the last one stopped. A convolution's
    weight is the matrix of output channels by all else.
    """

    name = "spectral_regularisation"
    wraps = {"networks"}
    weight: float = Field(0.01, gt=0, description="lambda: weight of the sum, halved; 0.01 is the paper's")

    def edit(self, recipe: Recipe) -> None:
        kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
        layers = [module for module in recipe.discriminator.modules() if isinstance(module, kinds)]
        if not layers:
            raise ValueError("spectral_regularisation finds no linear or convolutional layer in the discriminator")
        device = recipe.step.device
        vectors = [
            recipe.register(f"u{i}", normalize(torch.randn(len(layer.weight), device=device), dim=0))
            for i, layer in enumerate(layers)
        ]

        def largest(layer, vector):
            matrix = layer.weight.flatten(1)
            with torch.no_grad():
                v = normalize(matrix.T @ vector, dim=0)
                u = normalize(matrix @ v, dim=0)
                vector.copy_(torch.where(u.any(), u, vector))  # from a matrix of zeros there is no way on
            return u @ matrix @ v

        def squared_norms(discriminator, seen):
            penalty = torch.stack([largest(*one) for one in zip(layers, vectors, strict=True)]).square().sum()
            recipe.report("squared_spectral_norms", penalty)
            return self.weight / 2 * penalty

        recipe.penalty(squared_norms, pairs=False, by_samples=False)


@hookimpl
def gan_bench_tricks():
    return [SpectralRegularisation]
