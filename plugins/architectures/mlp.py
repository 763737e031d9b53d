"""Small fully connected networks."""

from __future__ import annotations

from torch import nn

from gan_bench import Architecture, DataSpec, Field, hookimpl

from ._labels import Conditional, Labels, conditional_field


class MLP(Architecture):
    """Small perceptrons, no paper's: three hidden layers of 128 and nothing else, as toy experiments have them.

    For points, vectors and small pictures. Neither normalisation nor dropout stands between a loss or penalty and what it does
    to them; `fcgan` has both. Weights start as PyTorch's layers draw them. G ends in tanh for images alone.
    """

    name = "mlp"
    checked_with = ({"latent": 4, "width": 8},)
    depth: int = Field(3, ge=1, le=16, description="hidden layers of each network")
    width: int = Field(128, ge=1, description="units of a hidden layer")
    slope: float = Field(0.2, ge=0, le=1, description="LeakyReLU's slope for negative values")
    conditional: Conditional = conditional_field()

    def _hidden(self, units: int) -> list[nn.Module]:
        layers: list[nn.Module] = []
        for _ in range(self.depth):
            layers += [nn.Linear(units, self.width), nn.LeakyReLU(self.slope)]
            units = self.width
        return layers

    def generator(self, data: DataSpec) -> nn.Sequential:
        """(B, latent) -> (B, *shape); in [-1, 1] for images, unbounded for points."""
        labels = Labels(self.conditional, data)
        beside, units = labels.beside_latents(self.latent)
        end = [nn.Tanh()] if data.kind == "image" else []
        last = nn.Linear(self.width, data.numel)
        return labels.network(*beside, *self._hidden(units), last, *end, nn.Unflatten(1, data.shape))

    def discriminator(self, data: DataSpec) -> nn.Sequential:
        """(B, *shape) -> logits (B, 1)."""
        labels = Labels(self.conditional, data)
        beside, units = labels.beside_samples(data.numel)
        return labels.network(nn.Flatten(), *beside, *self._hidden(units), labels.head(self.width))


@hookimpl
def gan_bench_architectures() -> list[type[Architecture]]:
    return [MLP]
