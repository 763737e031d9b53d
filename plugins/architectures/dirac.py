"""The smallest GAN there is, whose training is known in closed form."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_bench import Architecture, DataSpec, Field, hookimpl


class Dirac(Architecture):
    """One parameter each: G gives theta whatever the latent, D is psi x (Mescheder et al. 2018, section 2).

    On dataset `dirac` the equilibrium is theta = psi = 0. With plain gradient descent training circles around it for
    ever, with R1 or instance noise it arrives.
    """

    name = "dirac"
    latent: int = Field(1, ge=1, description="size of z, which G ignores")
    theta: float = Field(1.0, description="G's parameter at the start")
    psi: float = Field(1.0, description="D's parameter at the start")

    def generator(self, data: DataSpec) -> nn.Module:
        """(B, latent) -> (B, *shape), every number theta."""
        return _Constant(self.theta, data.shape)

    def discriminator(self, data: DataSpec) -> nn.Module:
        """(B, *shape) -> logits (B, 1): psi times the sum of a sample's numbers."""
        linear = nn.Linear(data.numel, 1, bias=False)
        nn.init.constant_(linear.weight, self.psi)
        return nn.Sequential(nn.Flatten(), linear)


class _Constant(nn.Module):
    def __init__(self, theta: float, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.full((1, *shape), theta))

    def forward(self, z: Tensor) -> Tensor:
        return self.theta.repeat(len(z), *[1] * (self.theta.dim() - 1))


@hookimpl
def gan_bench_architectures() -> list[type[Architecture]]:
    return [Dirac]
