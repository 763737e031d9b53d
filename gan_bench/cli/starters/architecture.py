"""An architecture: a generator and a discriminator for given data."""

from torch import nn

from gan_bench import Architecture, Field, hookimpl


class Mine(Architecture):
    """Perceptrons with one hidden layer (no paper's)."""

    # The line above is shown in lists. Say there where it is from: (Goodfellow et al. 2014, eq. 1).

    name = "mine"
    latent: int = Field(64, ge=1, description="size of the latent vector z")
    width: int = Field(128, ge=1, le=65536, description="hidden units of both networks")

    def generator(self, data):  # (B, latent) -> (B, *data.shape), pictures in [-1, 1]
        return nn.Sequential(
            nn.Linear(self.latent, self.width),
            nn.ReLU(),
            nn.Linear(self.width, data.numel),
            nn.Tanh(),
            nn.Unflatten(1, data.shape),
        )

    def discriminator(self, data):  # (B, *data.shape) -> logits (B, 1), without a sigmoid
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(data.numel, self.width),
            nn.LeakyReLU(0.2),
            nn.Linear(self.width, 1),
        )


@hookimpl
def gan_bench_architectures():
    return [Mine]
