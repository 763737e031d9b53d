"""Spectral normalisation of the discriminator."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from gan_bench import Recipe, Trick, hookimpl


class SpectralNorm(Trick):
    """Every weight of D is divided by its largest singular value (Miyato et al. 2018, algorithm 1).

    The value is estimated by one power iteration after each update of D, so that all passes between two updates see
    the same weights.
    """

    name = "spectral_norm"

    def edit(self, recipe: Recipe) -> None:
        layers = [
            m for m in recipe.discriminator.modules() if isinstance(m, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d))
        ]
        if not layers:
            raise ValueError("spectral_norm finds no linear or convolutional layer in the discriminator")
        for layer in layers:
            # In evaluation mode PyTorch's parametrisation leaves its vectors alone in a forward pass.
            spectral_norm(layer).parametrizations.weight[0].eval()

        def iterate() -> None:
            for layer in layers:
                norm = layer.parametrizations.weight[0]
                norm.train()
                norm(layer.parametrizations.weight.original)
                norm.eval()

        recipe.after_d_step(iterate)


@hookimpl
def gan_bench_tricks():
    return [SpectralNorm]
