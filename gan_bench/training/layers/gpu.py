"""Layers for a GPU: cuDNN's convolutions of few channels take up to a hundred times what their arithmetic takes.

They become matrix products: of D's first layer by the patches of its pictures, of G's last by a matrix whose products are
scattered into pictures. Both are one kernel and its adjoint, so that every derivative is made of the two.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_bench.training.layers.common import Flatten, Pair, computed_in, thin
from gan_bench.training.layers.kernels import TYPES, launch

ALIGNED = 8  # numbers in a row of patches are a multiple, which tensor cores need
INDICES = """
extern "C" __global__ void kernel(const Number* from, Number* to, long long count) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
"""
PATCHES = (
    INDICES
    + """
    int column = i % COLUMNS, row = i / COLUMNS;
    int x = row % WIDE, y = row / WIDE % HIGH, sample = row / (WIDE * HIGH);
    float value = column == CHANNELS * KERNEL_Y * KERNEL_X ? ONES : 0;
    if (column < CHANNELS * KERNEL_Y * KERNEL_X) {
        int channel = column / (KERNEL_Y * KERNEL_X);
        int v = y * STRIDE_Y - PADDING_Y + column / KERNEL_X % KERNEL_Y, u = x * STRIDE_X - PADDING_X + column % KERNEL_X;
        if (v >= 0 && v < HEIGHT && u >= 0 && u < WIDTH)
            value = read(from[((sample * HEIGHT + v) * WIDTH + u) * CHANNELS + channel]);
    }
    to[i] = written(value);
}
"""
)
SCATTER = (
    INDICES
    + """
    int channel = i % CHANNELS, u = i / CHANNELS % WIDTH, v = i / (CHANNELS * WIDTH) % HEIGHT;
    int sample = i / (CHANNELS * WIDTH * HEIGHT);
    float sum = 0;
    for (int ky = 0; ky < KERNEL_Y; ky++)
        for (int kx = 0; kx < KERNEL_X; kx++) {
            int y = v + PADDING_Y - ky, x = u + PADDING_X - kx;
            if (y < 0 || x < 0 || y % STRIDE_Y || x % STRIDE_X || y / STRIDE_Y >= HIGH || x / STRIDE_X >= WIDE) continue;
            int row = (sample * HIGH + y / STRIDE_Y) * WIDE + x / STRIDE_X;
            sum += read(from[(long long)row * COLUMNS + (channel * KERNEL_Y + ky) * KERNEL_X + kx]);
        }
    to[i] = written(sum);
}
"""
)


class Geometry(NamedTuple):
    """Where patches lie in pictures."""

    picture: Pair  # channels, height and width
    places: Pair  # rows and columns of patches
    kernel: Pair
    stride: Pair
    padding: Pair
    ones: bool  # whether a 1 stands behind each patch, for a bias

    @property
    def numbers(self) -> int:
        """Of a patch."""
        return self.picture[0] * math.prod(self.kernel)

    @property
    def columns(self) -> int:
        """Numbers in a row: the patch, a one, and zeros up to a multiple of 8."""
        return columns(self.picture[0], self.kernel)

    def constants(self, dtype: torch.dtype) -> dict[str, int]:
        """The kernels' macros."""
        pairs = {"KERNEL": self.kernel, "STRIDE": self.stride, "PADDING": self.padding}
        return {
            TYPES[dtype]: 1,
            "ONES": int(self.ones),
            "COLUMNS": self.columns,
            **dict(zip(("CHANNELS", "HEIGHT", "WIDTH"), self.picture, strict=True)),
            **dict(zip(("HIGH", "WIDE"), self.places, strict=True)),
            **{f"{name}_{axis}": n for name, pair in pairs.items() for axis, n in zip("YX", pair, strict=True)},
        }


def columns(channels: int, kernel: Pair) -> int:
    """Numbers in a row of patches."""
    return -(-(channels * math.prod(kernel) + 1) // ALIGNED) * ALIGNED


class Patches(torch.autograd.Function):
    """Pictures (B, C, H, W) to the rows (B * places, columns) that a convolution multiplies its weights with."""

    @staticmethod
    def forward(ctx: Any, pictures: Tensor, geometry: Geometry) -> Tensor:
        ctx.geometry = geometry
        if pictures.device.type == "cuda" and pictures.dtype in TYPES:
            laid_out = pictures.permute(0, 2, 3, 1).contiguous()  # no copy of one channel, nor of channels_last
            rows = pictures.new_empty(len(pictures) * math.prod(geometry.places), geometry.columns)
            launch(PATCHES, geometry.constants(pictures.dtype), rows.numel(), laid_out, rows)
            return rows
        patches = F.unfold(pictures, geometry.kernel, 1, geometry.padding, geometry.stride)
        rows = patches.transpose(1, 2).reshape(-1, geometry.numbers)
        rows = F.pad(rows, (0, 1), value=float(geometry.ones))
        return F.pad(rows, (0, geometry.columns - rows.shape[1]))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return Scatter.apply(grad, ctx.geometry), None


class Scatter(torch.autograd.Function):
    """Rows (B * places, columns) to pictures (B, C, H, W) in which overlapping patches are added up, in a fixed order."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, geometry: Geometry) -> Tensor:
        ctx.geometry = geometry
        batch, (channels, height, width) = len(rows) // math.prod(geometry.places), geometry.picture
        if rows.device.type == "cuda" and rows.dtype in TYPES:
            laid_out = rows.new_empty(batch, height, width, channels)
            launch(SCATTER, geometry.constants(rows.dtype), laid_out.numel(), rows.contiguous(), laid_out)
            return laid_out.permute(0, 3, 1, 2)
        patches = rows[:, : geometry.numbers].view(batch, -1, geometry.numbers).transpose(1, 2)
        return F.fold(patches, (height, width), geometry.kernel, 1, geometry.padding, geometry.stride)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return Patches.apply(grad, ctx.geometry._replace(ones=False)), None


class ThinConv2d(nn.Conv2d):
    """A convolution of few channels, as a discriminator's first, bias included: one matrix product."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) to (B, D, H', W'), laid out with the channels last."""
        kernel, stride, padding = _pairs(self)
        settings = zip(input.shape[2:], kernel, stride, padding, strict=True)
        places = tuple((n + 2 * p - k) // s + 1 for n, k, s, p in settings)
        geometry = Geometry(tuple(input.shape[1:]), places, kernel, stride, padding, True)
        rows = Patches.apply(input.to(computed_in(self.weight)), geometry)
        product: Tensor = rows @ _matrix(self.weight, self.bias, geometry.columns).t()
        return product.view(len(input), *places, -1).permute(0, 3, 1, 2)


class ThinConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution to few channels, as a generator's last: a matrix product whose rows are scattered."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(B, D, H, W) to (B, C, H', W')."""
        if output_size is not None:
            return super().forward(input, output_size)
        (kernel, stride, padding), places = _pairs(self), tuple(input.shape[2:])
        settings = zip(places, kernel, stride, padding, self.output_padding, strict=True)
        size = tuple((n - 1) * s - 2 * p + k + o for n, k, s, p, o in settings)
        geometry = Geometry((self.out_channels, *size), places, kernel, stride, padding, False)
        deep = input.permute(0, 2, 3, 1).reshape(-1, self.in_channels)
        rows = deep.to(computed_in(self.weight)) @ _matrix(self.weight, None, geometry.columns)
        pictures: Tensor = Scatter.apply(rows, geometry)
        return pictures if self.bias is None else pictures + self.bias.to(pictures.dtype).view(-1, 1, 1)


def _pairs(layer: nn.Conv2d | nn.ConvTranspose2d) -> tuple[Pair, Pair, Pair]:
    """Kernel, stride and padding."""
    assert not isinstance(layer.padding, str)  # `plain` saw to it
    return layer.kernel_size, layer.stride, layer.padding


def _matrix(weight: Tensor, bias: Tensor | None, columns: int) -> Tensor:
    """Weights (D, C, K, L) as a matrix (D, columns): a patch's weights, the bias, zeros."""
    parts = weight.flatten(1), *(() if bias is None else (bias.unsqueeze(1),))
    matrix = torch.cat(parts, 1).to(computed_in(weight))
    return F.pad(matrix, (0, columns - matrix.shape[1]))


QUICK: dict[type[nn.Module], type[nn.Module]] = {
    nn.Conv2d: ThinConv2d,
    nn.ConvTranspose2d: ThinConvTranspose2d,
    nn.Flatten: Flatten,
}


def pays(module: nn.Module) -> bool:
    """Whether a layer of a class in `QUICK` is to be exchanged.

    A convolution's rows of patches lie in memory, so they must not be much larger than what is there anyway: its other side.
    """
    if not isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        return True
    deep, few = module.weight.shape[0], module.weight.shape[1]
    return thin(module) and columns(few, tuple(module.weight.shape[2:])) <= max(32, 2 * deep)
