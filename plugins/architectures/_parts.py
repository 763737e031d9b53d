"""What several architectures are made of: the sizes of their maps, how these are resampled, how weights start."""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_bench import DataSpec

Network = TypeVar("Network", bound=nn.Module)
Layer = TypeVar("Layer", bound=nn.Linear | nn.Conv2d)
Pair = tuple[int, int]  # a number for the height and one for the width


def stage_sizes(size: int, depth: int, least: int = 8) -> list[int]:
    """Side lengths from the picture's down to the smallest map: `depth + 1` numbers.

    A stage halves (rounding up) what has at least 8 pixels, so that no map gets smaller than DCGAN's 4x4; the stages
    after that keep the size: 28, 14, 7, 7, ...
    """
    sizes = [size]
    for _ in range(depth):
        sizes.append((sizes[-1] + 1) // 2 if sizes[-1] >= least else sizes[-1])
    return sizes


def map_sizes(name: str, data: DataSpec, least: int = 8) -> list[Pair]:
    """Heights and widths from the picture's down to the smallest map, as long as a side has `least` pixels to halve.

    ValueError, about the architecture `name`: the data are no pictures.
    """
    if data.kind != "image" or len(data.shape) != 3:
        raise ValueError(f"{name} needs pictures, not {data.kind} of shape {data.shape}; fcgan and mlp take any")
    depth, longest = 0, max(data.shape[1:])
    while longest >= least:
        depth, longest = depth + 1, (longest + 1) // 2
    height, width = (stage_sizes(side, depth, least) for side in data.shape[1:])
    return list(zip(height, width, strict=True))


def strides(small: Pair, large: Pair) -> Pair:
    """Of a step between maps of these heights and widths: 2 where it halves, else 1."""
    height, width = (1 if few == many else 2 for few, many in zip(small, large, strict=True))
    return height, width


def doubling(width: int, stages: int, growth: int) -> list[int]:
    """Channels of the picture's stage and of those below: each doubles them, up to `growth` times `width`."""
    return [width * min(2**stage, growth) for stage in range(stages)]


def initialised(network: Network) -> Network:
    """The network with Xavier's uniform weights (Glorot & Bengio 2010) and biases 0, as Keras' layers start."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network


class Filter(nn.Module):
    """The same fixed filter over every channel, of taps for the height and taps for the width; the size stays.

    The taps are whole numbers in a buffer, which are no parameters that anybody counts, trains or averages.
    """

    per_sample = True
    taps: Tensor

    def __init__(self, height: list[int], width: list[int]) -> None:
        super().__init__()
        self.register_buffer("taps", torch.outer(torch.tensor(height), torch.tensor(width)), persistent=False)
        self.total = sum(height) * sum(width)
        self.padding = (len(height) - 1) // 2, (len(width) - 1) // 2

    def kernel(self, x: Tensor, gain: int = 1) -> Tensor:
        """The filter (C, 1, h, w) for maps (B, C, H, W); it adds up to the gain."""
        return (self.taps.to(x.dtype) * (gain / self.total)).expand(x.shape[1], 1, *self.taps.shape)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        return F.conv2d(x, self.kernel(x), padding=self.padding, groups=x.shape[1])


class Bilinear(Filter):
    """Maps made twice or half as high and wide, as the two sizes say, by bilinear interpolation; beyond the edges are zeros.

    That is the filter (1, 3, 3, 1), StyleGAN2's. PyTorch's own `interpolate` adds its gradients on a GPU in an order that varies.
    """

    per_sample = True

    def __init__(self, before: Pair, after: Pair) -> None:
        super().__init__(*([1, 3, 3, 1] if step == 2 else [1] for step in strides(before, after)))
        self.after, self.strides = after, strides(before, after)
        self.up = math.prod(after) > math.prod(before)
        rows, columns = (few * step - many for few, step, many in zip(after, self.strides, before, strict=True))
        self.odd = [0, columns, 0, rows]  # what an odd size lacks, as F.pad wants it

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *before) -> (B, C, *after)."""
        if not self.up:
            padded = F.pad(x, self.odd) if any(self.odd) else x
            return F.conv2d(padded, self.kernel(x), stride=self.strides, padding=self.padding, groups=x.shape[1])
        kernel = self.kernel(x, math.prod(self.strides))
        doubled = F.conv_transpose2d(x, kernel, stride=self.strides, padding=self.padding, groups=x.shape[1])
        return doubled[..., : self.after[0], : self.after[1]]
