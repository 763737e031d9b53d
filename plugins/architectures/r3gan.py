"""Residual networks without any normalisation: the modern baseline."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_bench import Architecture, DataSpec, Field, hookimpl

from ._labels import Conditional, Labels, conditional_field
from ._parts import Bilinear, Layer, Pair, doubling, map_sizes

SLOPE = 0.2  # of LeakyReLU
GAIN = math.sqrt(2 / (1 + SLOPE**2))  # that keeps the variance through it (He et al. 2015)


class R3GAN(Architecture):
    """R3GAN's networks, config E (Huang et al. 2025, section 4).

    A stage has `blocks` residual blocks: 1x1 convolution to `expansion` times the channels, LeakyReLU, 3x3 convolution in
    groups, LeakyReLU, 1x1 convolution back (an inverted bottleneck). Between stages maps are resampled bilinearly, with a 1x1
    convolution where channels change. G starts from learned maps of the smallest size, times a linear layer of z; D ends in one
    weighted sum over each of its smallest maps, and a linear layer. There is no normalisation: by fix-up initialisation (Zhang
    et al. 2019) blocks start as the identity, their last weights at 0, which `spectral_norm` can't divide by their norm. Only
    the activations have biases. G's pictures have no bound, as in StyleGAN2; what lies beyond [-1, 1] is cut off where pictures
    are saved and scored.

    The defaults are those for FFHQ at 256x256: 96 channels there, doubled down to 768 (CIFAR-10's 32x32 is `width = 768,
    growth = 1`). They scale down to sides of 4 to 7, `width` included. The paper trains with the tricks `relativistic`, `r1`
    and `r2`, with moving averages of G, and with schedules of its own for all of these, which are not here.
    """

    name = "r3gan"
    checked_with = ({"latent": 8, "width": 4, "growth": 2, "blocks": 1, "group": 4},)
    latent: int = Field(64, ge=1, description="size of the latent vector z")
    width: int = Field(96, ge=1, description="channels of the maps of the picture's size; the next double it")
    growth: int = Field(8, ge=1, description="channels of the widest maps, in `width`s")
    blocks: int = Field(2, ge=1, le=8, description="residual blocks of a stage")
    expansion: int = Field(2, ge=1, le=8, description="channels of the 3x3 convolutions, in those of the maps")
    group: int = Field(16, ge=1, description="channels of a group of the 3x3 convolutions, which must divide theirs")
    conditional: Conditional = conditional_field()

    def _plan(self, data: DataSpec) -> tuple[list[Pair], list[int]]:
        """Sizes and channels of the stages, the picture's first. ValueError: groups don't fit."""
        sizes = map_sizes(self.name, data)
        if self.width * self.expansion % self.group:
            found = f"{self.width} x {self.expansion}"
            raise ValueError(
                f"{self.name}: width x expansion must be a multiple of group, {self.group} (found: {found})"
            )
        return sizes, doubling(self.width, len(sizes), self.growth)

    def _blocks(self, channels: int, stages: int) -> list[nn.Module]:
        scale = GAIN * (stages * self.blocks) ** -0.25  # fix-up's L^(-1/(2m - 2)) for L blocks of m = 3 layers
        return [Block(channels, channels * self.expansion, self.group, scale) for _ in range(self.blocks)]

    def generator(self, data: DataSpec) -> nn.Sequential:
        """(B, latent) -> (B, C, H, W), unbounded."""
        (sizes, channels), labels = self._plan(data), Labels(self.conditional, data)
        beside, size = labels.beside_latents(self.latent)
        layers = [*beside, _started(nn.Linear(size, channels[-1], bias=False)), Basis(channels[-1], sizes[-1])]
        stages = list(zip(channels, sizes, strict=True))[::-1]
        layers += self._blocks(channels[-1], len(sizes))
        for (many, before), (few, after) in pairwise(stages):
            layers += [*_between(many, few), Bilinear(before, after), *self._blocks(few, len(sizes))]
        return labels.network(*layers, _started(nn.Conv2d(channels[0], data.shape[0], 1, bias=False)))

    def discriminator(self, data: DataSpec) -> nn.Sequential:
        """(B, C, H, W) -> logits (B, 1)."""
        (sizes, channels), labels = self._plan(data), Labels(self.conditional, data)
        layers, inputs = labels.beside_samples(data.shape[0])
        layers += [_started(nn.Conv2d(inputs, channels[0], 1, bias=False)), *self._blocks(channels[0], len(sizes))]
        for (few, before), (many, after) in pairwise(zip(channels, sizes, strict=True)):
            layers += [Bilinear(before, after), *_between(few, many), *self._blocks(many, len(sizes))]
        last = channels[-1]
        layers += [_started(nn.Conv2d(last, last, sizes[-1], groups=last, bias=False)), nn.Flatten()]
        return labels.network(*layers, labels.head(last, _linear))


class Basis(nn.Module):
    """The smallest maps of G: learned ones, each times a number."""

    per_sample = True

    def __init__(self, channels: int, size: Pair) -> None:
        super().__init__()
        self.maps = nn.Parameter(torch.randn(channels, *size))

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels) -> (B, channels, h, w)."""
        return self.maps * x[..., None, None]


class Block(nn.Module):
    """A residual block: 1x1, 3x3 in groups, 1x1; LeakyReLU with biases between them."""

    per_sample = True

    def __init__(self, channels: int, inner: int, group: int, scale: float) -> None:
        super().__init__()
        self.conv1 = _started(nn.Conv2d(channels, inner, 1), scale)
        self.conv2 = _started(nn.Conv2d(inner, inner, 3, padding=1, groups=inner // group), scale)
        self.conv3 = _started(nn.Conv2d(inner, channels, 1, bias=False), 0.0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) to the same shape."""
        h = F.leaky_relu(self.conv1(x), SLOPE)
        out: Tensor = x + self.conv3(F.leaky_relu(self.conv2(h), SLOPE))
        return out


def _started(layer: Layer, gain: float = 1.0) -> Layer:
    """The layer with weights from N(0, gain^2 / fan-in) and biases 0."""
    nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _linear(inputs: int, outputs: int, bias: bool = False) -> nn.Module:
    return _started(nn.Linear(inputs, outputs, bias=False))


def _between(inputs: int, outputs: int) -> list[nn.Module]:
    """The 1x1 convolution where channels change."""
    return [] if inputs == outputs else [_started(nn.Conv2d(inputs, outputs, 1, bias=False))]


@hookimpl
def gan_bench_architectures() -> list[type[Architecture]]:
    return [R3GAN]
