"""Data and networks that checks train on: so small that a step takes a millisecond, with what tricks may ask for."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from functools import cache
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from gan_bench.api.data_spec import DataSpec, Modes
from gan_bench.api.kinds import Architecture, ArrayPart, Dataset, FeatureExtractor, Features, Field, Parts
from gan_bench.api.network_features import NetworkFeatures
from gan_bench.api.samples import PreparedData, Samples

TRAINING, HELD_OUT = 96, 48  # samples
CLASSES = ("0", "1", "2", "3")
RADIUS = 0.8  # of the circle on which points lie


class Blobs(Dataset):
    """A bright blob a picture, in the corner that is its class; or points round four centres."""

    name = "blobs"
    sides: tuple[int, ...] = Field((1, 8, 8), description="shape of a sample")

    @property
    def shape(self) -> tuple[int, ...]:
        return self.sides

    def spec(self) -> DataSpec:
        """Points tell their mixture as well."""
        if len(self.sides) == 3:
            return DataSpec(self.sides, "image", CLASSES)
        return DataSpec(self.sides, "points", CLASSES, Modes(tuple(map(tuple, _centres(self.sides[0]).tolist())), 0.05))

    def load(self) -> Parts:
        """The samples of `prepared`."""
        data = self.prepared()
        return Parts(*(ArrayPart(part.data.numpy(), part.labels) for part in (data.training, data.held_out)))

    def prepared(self) -> PreparedData:
        """Decoded, as if it lay in the cache."""
        return _prepared(self.sides)


@cache
def _prepared(shape: tuple[int, ...]) -> PreparedData:
    generator = torch.Generator().manual_seed(0)
    count = TRAINING + HELD_OUT
    labels = torch.arange(count) % len(CLASSES)
    noise = torch.randn(count, *shape, generator=generator)
    data = _pictures(labels, noise) if len(shape) == 3 else _centres(shape[0])[labels] + 0.05 * noise
    training, held_out = (Samples(data[part], labels[part]) for part in (slice(TRAINING), slice(TRAINING, None)))
    prints = [hashlib.sha256(part.data.numpy().tobytes()).hexdigest() for part in (training, held_out)]
    return PreparedData("blobs", Blobs(sides=shape).spec(), prints[0], Path(), training, held_out, (), prints[1])


def _pictures(labels: Tensor, noise: Tensor) -> Tensor:
    """(N, C, H, W) uint8."""
    height, width = noise.shape[2:]
    ys, xs = torch.linspace(0, 1, height)[:, None], torch.linspace(0, 1, width)[None]
    spot = torch.stack([((ys - (c // 2)) ** 2 + (xs - (c % 2)) ** 2).mul(-3).exp() for c in range(len(CLASSES))])
    return (200 * spot[labels][:, None] + 12 * noise + 25).clamp(0, 255).to(torch.uint8)


def _centres(size: int) -> Tensor:
    """(classes, size) float32: on a circle in the first two numbers."""
    angles = torch.arange(len(CLASSES)) * (2 * torch.pi / len(CLASSES))
    return RADIUS * torch.stack((angles.cos(), angles.sin()), 1)[:, [i % 2 for i in range(size)]]


class Toy(Architecture):
    """What both toys are made of; a conditional one is projected on classes (Miyato and Koyama 2018)."""

    latent: int = Field(4, ge=1, description="size of z")
    width: int = Field(6, ge=1, description="units or channels")
    conditional: Literal["none", "projection"] = Field("none", description="whether labels are told")

    def generator(self, data: DataSpec) -> nn.Module:
        """(B, latent[, B]) -> (B, *shape)."""
        told = len(CLASSES) if self.takes_labels else 0
        network = nn.Sequential(*self.generating(data, self.latent + told), nn.Tanh(), nn.Unflatten(1, data.shape))
        return Told(network) if told else network

    def discriminator(self, data: DataSpec) -> nn.Module:
        """(B, *shape[, B]) -> logits (B, 1)."""
        body = nn.Sequential(*self.judging(data))
        features = body(torch.zeros(1, *data.shape, device=next(body.parameters()).device)).shape[1]
        head = nn.Linear(features, 1)
        return Projected(body, head, nn.Embedding(len(CLASSES), features)) if self.takes_labels else body.append(head)

    @abstractmethod
    def generating(self, data: DataSpec, inputs: int) -> list[nn.Module]:
        """Layers (B, inputs) -> (B, numel)."""

    @abstractmethod
    def judging(self, data: DataSpec) -> list[nn.Module]:
        """Layers (B, *shape) -> (B, features)."""


class Connected(Toy):
    """A hidden layer each."""

    name = "connected"

    def generating(self, data: DataSpec, inputs: int) -> list[nn.Module]:
        return [nn.Linear(inputs, self.width), nn.ReLU(), nn.Linear(self.width, data.numel)]

    def judging(self, data: DataSpec) -> list[nn.Module]:
        return [nn.Flatten(), nn.Linear(data.numel, self.width), nn.LeakyReLU(0.2)]


class Convolutional(Toy):
    """Two convolutions each, BatchNorm in G and dropout in D, or BatchNorm too."""

    name = "convolutional"
    batch_norm: bool = Field(False, description="BatchNorm in D in place of dropout")

    def generating(self, data: DataSpec, inputs: int) -> list[nn.Module]:
        channels, height, width = data.shape
        return [
            nn.Linear(inputs, self.width * (height // 2) * (width // 2)),
            nn.Unflatten(1, (self.width, height // 2, width // 2)),
            nn.BatchNorm2d(self.width),
            nn.ReLU(),
            nn.ConvTranspose2d(self.width, self.width, 4, 2, 1),
            nn.BatchNorm2d(self.width),
            nn.ReLU(),
            nn.Conv2d(self.width, channels, 3, padding=1),
            nn.Flatten(),
        ]

    def judging(self, data: DataSpec) -> list[nn.Module]:
        return [
            nn.Conv2d(data.shape[0], self.width, 3, 2, 1),
            nn.LeakyReLU(0.2),
            nn.BatchNorm2d(self.width) if self.batch_norm else nn.Dropout(0.2),
            nn.Conv2d(self.width, self.width, 3, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
        ]


class Told(nn.Module):
    """A generator of latents beside one number a class."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        samples: Tensor = self.network(torch.cat((z, nn.functional.one_hot(y, len(CLASSES)).to(z.dtype)), 1))
        return samples


class Projected(nn.Module):
    """A discriminator whose logit has the class's projection added (Miyato and Koyama 2018, eq. 7)."""

    def __init__(self, body: nn.Module, head: nn.Module, classes: nn.Embedding) -> None:
        super().__init__()
        self.body, self.head, self.classes = body, head, classes

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        features = self.body(x)
        logits: Tensor = self.head(features) + (features * self.classes(y)).sum(1, keepdim=True)
        return logits


class Flat(FeatureExtractor):
    """A sample's own numbers, and logits that tell blobs apart."""

    name = "flat"

    def prepare(self, data: PreparedData, cache: Path, device: torch.device) -> Features:
        samples = data.training.batch(torch.arange(len(data.training)))
        labels = data.training.labels
        assert labels is not None
        means = torch.stack([samples[labels == label].flatten(1).mean(0) for label in range(len(CLASSES))])
        head = nn.Linear(data.spec.numel, len(CLASSES), device="meta")  # where no weights are drawn
        head.weight, head.bias = nn.Parameter(means), nn.Parameter(-means.square().sum(1) / 2)
        return NetworkFeatures(nn.Flatten(), self.name, data.spec, device, data.spec.numel, {}, head)
