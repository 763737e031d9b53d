"""Fully connected networks."""

from __future__ import annotations

from torch import nn

from gan_bench import Architecture, DataSpec, Field, hookimpl

from ._labels import Conditional, Labels, conditional_field


class FCGAN(Architecture):
    """Multilayer perceptrons (Goodfellow et al. 2014), for data of any shape.

    Weights start as PyTorch's layers draw them. G ends in tanh for images, whose values lie in [-1, 1], and without it
    for points, which have no such bound.
    """

    name = "fcgan"
    checked_with = ({"latent": 4, "width": 8},)
    depth: int = Field(2, ge=1, le=8, description="hidden layers of each network")
    width: int = Field(256, ge=1, description="units of a hidden layer")
    slope: float = Field(0.3, ge=0, le=1, description="LeakyReLU's slope for negative values")
    dropout: float = Field(0.3, ge=0, lt=1, description="share of D's activations dropped after each hidden layer")
    batch_norm: bool = Field(True, description="BatchNorm in G; without it G's hidden layers have biases")
    conditional: Conditional = conditional_field()

    def generator(self, data: DataSpec) -> nn.Sequential:
        """(B, latent) -> (B, *shape); in [-1, 1] for images, unbounded for points."""
        labels = Labels(self.conditional, data)
        layers, units = labels.beside_latents(self.latent, normalised=self.batch_norm)
        for _ in range(self.depth):
            layers.append(nn.Linear(units, self.width, bias=not self.batch_norm))
            if self.batch_norm:
                layers.append(labels.norm(nn.BatchNorm1d, self.width))
            layers.append(nn.LeakyReLU(self.slope))
            units = self.width
        layers.append(nn.Linear(units, data.numel))
        if data.kind == "image":
            layers.append(nn.Tanh())
        return labels.network(*layers, nn.Unflatten(1, data.shape))

    def discriminator(self, data: DataSpec) -> nn.Sequential:
        """(B, *shape) -> logits (B, 1)."""
        labels = Labels(self.conditional, data)
        beside, units = labels.beside_samples(data.numel)
        layers: list[nn.Module] = [nn.Flatten(), *beside]
        for _ in range(self.depth):
            layers += [nn.Linear(units, self.width), nn.LeakyReLU(self.slope), nn.Dropout(self.dropout)]
            units = self.width
        return labels.network(*layers, labels.head(units))


@hookimpl
def gan_bench_architectures() -> list[type[Architecture]]:
    return [FCGAN]
