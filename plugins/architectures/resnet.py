"""Residual networks, with self-attention where it is wanted."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_bench import Architecture, DataSpec, Field, hookimpl

from ._labels import ClassBatchNorm, Conditional, Labels, conditional_field
from ._parts import Network, Pair, initialised, map_sizes, strides

END = 12  # pixels of a side that D halves at least: 32, 16, 8, as the paper's


class ResNet(Architecture):
    """SNGAN's residual networks for CIFAR-10 (Miyato et al. 2018, appendix B.4, table 4).

    Table 4 is for 32x32: G's three blocks go from 4x4 to the picture, D's first two to 8x8, and two more stay there. Of other
    sizes G doubles from sides of 4 to 7, and D halves down to 6 to 11; sides that are odd, or differ, are rounded up as
    `dcgan`'s are. D has no BatchNorm and ends in a sum over all pixels. The paper trains with the tricks `hinge` and
    `spectral_norm`, and five D updates a G update.

    `attention_at` adds self-attention (SAGAN, Zhang et al. 2019, eq. 1 to 3) after the first block of each network whose maps
    have that height: 8 or 16 for 32x32.
    """

    name = "resnet"
    checked_with = ({"latent": 8, "width": 4, "width_d": 4},)
    latent: int = Field(128, ge=1, description="size of the latent vector z")
    width: int = Field(256, ge=1, description="channels of G's maps")
    width_d: int = Field(128, ge=1, description="channels of D's maps")
    attention_at: tuple[int, ...] = Field((), description="heights of the maps, in both networks, with attention")
    conditional: Conditional = conditional_field()

    def _attention(self, data: DataSpec) -> frozenset[int]:
        """`attention_at`. ValueError: maps of such a height are not in both networks."""
        g, d = ([height for height, _ in map_sizes(self.name, data, least)] for least in (8, END))
        shared = sorted({*g[:-1]} & {*d[1:]})
        if missing := sorted({*self.attention_at} - {*shared}):
            found = f"for {data.shape[1]}x{data.shape[2]} the heights of maps that both networks have are {shared}"
            raise ValueError(f"{self.name} can't have attention_at = {missing}: {found}")
        return frozenset(self.attention_at)

    def generator(self, data: DataSpec) -> nn.Sequential:
        """(B, latent) -> (B, C, H, W) in [-1, 1]."""
        labels, attention = Labels(self.conditional, data), self._attention(data)
        sizes = map_sizes(self.name, data)[::-1]
        beside, size = labels.beside_latents(self.latent, normalised=True)
        layers: list[nn.Module] = [
            *beside,
            nn.Linear(size, self.width * math.prod(sizes[0])),
            nn.Unflatten(1, (self.width, *sizes[0])),
        ]
        for after in sizes[1:]:
            norms = [labels.norm(nn.BatchNorm2d, self.width) for _ in range(2)]
            layers.append(UpBlock(self.width, self.width, after, norms))
            if after[0] in attention:
                layers.append(Attention(self.width))
                attention -= {after[0]}
        last = nn.Conv2d(self.width, data.shape[0], 3, padding=1)
        return _started(labels.network(*layers, nn.BatchNorm2d(self.width), nn.ReLU(), last, nn.Tanh()))

    def discriminator(self, data: DataSpec) -> nn.Sequential:
        """(B, C, H, W) -> logits (B, 1)."""
        labels, attention = Labels(self.conditional, data), self._attention(data)
        sizes = map_sizes(self.name, data, END)
        layers, channels = labels.beside_samples(data.shape[0])
        for block, (before, after) in enumerate(pairwise([*sizes, sizes[-1], sizes[-1]])):
            layers.append(DownBlock(channels, self.width_d, strides(after, before), first=block == 0))
            channels = self.width_d
            if after[0] in attention:
                layers.append(Attention(self.width_d))
                attention -= {after[0]}
        return _started(labels.network(*layers, nn.ReLU(), Sum(), labels.head(self.width_d)))


class UpBlock(nn.Module):
    """G's residual block: norm, ReLU, nearest neighbours to the new size, convolution, norm, ReLU, convolution."""

    per_sample = True

    def __init__(self, channels: int, outputs: int, after: Pair, norms: list[nn.Module]) -> None:
        super().__init__()
        self.norm1, self.norm2 = norms
        self.takes_labels = isinstance(self.norm1, ClassBatchNorm)
        self.up = nn.Upsample(after)
        self.conv1 = nn.Conv2d(channels, outputs, 3, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(channels, outputs, 1)

    def forward(self, x: Tensor, *y: Tensor) -> Tensor:
        """(B, channels, h, w), and labels (B,) if its norms take them -> (B, outputs, *after)."""
        h = self.conv1(self.up(F.relu(self.norm1(x, *y))))
        h = self.conv2(F.relu(self.norm2(h, *y)))
        out: Tensor = h + self.up(self.shortcut(x))  # the same as upsampling first, at a quarter of the work
        return out


class DownBlock(nn.Module):
    """D's residual block: ReLU, convolution, ReLU, convolution, averages of 2x2 where it halves; the first has no ReLU before."""

    per_sample = True

    def __init__(self, channels: int, outputs: int, step: Pair, *, first: bool) -> None:
        super().__init__()
        self.before = nn.Identity() if first else nn.ReLU()
        self.conv1 = nn.Conv2d(channels, outputs, 3, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        halves = math.prod(step) > 1
        self.down = nn.AvgPool2d(step, ceil_mode=True) if halves else nn.Identity()
        self.shortcut = nn.Conv2d(channels, outputs, 1) if halves or channels != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) -> (B, outputs, h', w')."""
        h = self.conv2(F.relu(self.conv1(self.before(x))))
        out: Tensor = self.down(h) + self.shortcut(self.down(x))
        return out


class Attention(nn.Module):
    """Self-attention over a map's pixels, added to it with a weight learned from 0 (Zhang et al. 2019, eq. 1 to 3)."""

    per_sample = True

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // 8)
        self.f, self.g, self.h = (nn.Conv2d(channels, inner, 1, bias=False) for _ in range(3))
        self.v = nn.Conv2d(inner, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) to the same shape."""
        f, g, h = (layer(x).flatten(2) for layer in (self.f, self.g, self.h))  # (B, inner, pixels)
        beta = (f.transpose(1, 2) @ g).softmax(1)  # column j: how much pixel j looks at each other
        return x + self.gamma * self.v((h @ beta).view(len(x), -1, *x.shape[2:]))


class Sum(nn.Module):
    """The sum over all pixels."""

    per_sample = True

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C)."""
        return x.sum((2, 3))


def _started(network: Network) -> Network:
    """Xavier's weights, and sqrt(2) times as large in the 3x3 convolutions of blocks, as the authors' code has them."""
    for block in initialised(network).modules():
        if isinstance(block, UpBlock | DownBlock):
            for conv in (block.conv1, block.conv2):
                conv.weight.data.mul_(math.sqrt(2))
    return network


@hookimpl
def gan_bench_architectures() -> list[type[Architecture]]:
    return [ResNet]
