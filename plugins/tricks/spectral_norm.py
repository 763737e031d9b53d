"""Spectral normalisation of the discriminator."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from gan_bench import Recipe, Trick, hookimpl


class SpectralNorm(Trick):
    """Every weight of D is divided by its largest singular value (Miyato et al. 2018, algorithm 1).

    The value is estimated by one power iteration after each update of D, so that all passes between two updates see
    the same weights.
    """

    name = "spectral_norm"
    wraps = {"discriminator"}

    def edit(self, recipe: Recipe) -> None:
        layers = [
            m for m in recipe.discriminator.modules() if isinstance(m, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d))
        ]
        if not layers:
            raise ValueError("spectral_norm finds no linear or convolutional layer in the discriminator")
        if any(not (layer.weight.is_meta or layer.weight.any()) for layer in layers):
            raise ValueError("spectral_norm can't divide a weight of the discriminator that starts at 0 by its norm")
        parametrised: list[Any] = [spectral_norm(layer) for layer in layers]
        weights = [layer.parametrizations.weight for layer in parametrised]
        for weight in weights:
            weight[-1].eval()  # in evaluation mode a forward pass leaves PyTorch's estimate alone

        def iterate() -> None:
            for weight in weights:
                *before, norm = weight
                value = weight.original
                for other in before:  # by which the architecture has parametrised it already
                    value = other(value)
                norm.train()
                norm(value)
                norm.eval()

        recipe.after_d_step(iterate)


@hookimpl
def gan_bench_tricks():
    return [SpectralNorm]
