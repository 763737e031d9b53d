"""Convolutional networks: a generator of transposed convolutions and the discriminator that mirrors it."""

from __future__ import annotations

import math
from typing import Literal

from torch import nn

from gan_bench import Architecture, DataSpec, Field, hookimpl

from ._labels import Conditional, Labels, conditional_field
from ._parts import Pair, doubling, initialised, stage_sizes, strides


class DCGAN(Architecture):
    """Convolutional networks with strides instead of pooling (Radford et al. 2016), as in TensorFlow's tutorial.

    A stage is one convolution of D and one transposed convolution of G; it doubles the channels, up to 8 times `width`,
    and halves height and width while at least 8 pixels are left of each, so that any picture and any depth fit. G starts with
    a dense layer and one transposed convolution of stride 1.

    Weights start as Xavier's, chosen by trial at width 16: after 1400 steps of batch 64 on 16x16 digits FD[classifier] is
    95, 111 and 134 over three runs from there, 154 and 174 over two from PyTorch's own start, and 286 from DCGAN's
    N(0, 0.02^2), too small for networks so narrow.

    BatchNorm keeps PyTorch's momentum and epsilon (0.1 and 1e-5): G is sampled with its moving averages, and Keras'
    (0.99 and 1e-3) lag a hundred batches behind the weights, which short runs feel.
    """

    name = "dcgan"
    checked_with = ({"latent": 4, "depth": 1, "width": 4},)
    depth: int = Field(2, ge=1, le=6, description="stages: convolutions of D, transposed ones of G beside its first")
    width: int = Field(64, ge=1, description="channels of the stage at the picture; the next double it, up to 8 times")
    kernel: Literal[3, 5, 7, 9] = Field(5, description="side of the convolutions' kernels, in pixels")
    slope: float = Field(0.3, ge=0, le=1, description="LeakyReLU's slope for negative values")
    dropout: float = Field(0.3, ge=0, lt=1, description="share of D's activations dropped after each convolution")
    batch_norm: bool = Field(True, description="BatchNorm in G; without it G's hidden layers have biases")
    conditional: Conditional = conditional_field()

    def _plan(self, data: DataSpec) -> tuple[list[Pair], list[int]]:
        """Heights and widths, and channels, of the picture (first) and of the maps after each stage."""
        if data.kind != "image" or len(data.shape) != 3:
            raise ValueError(f"dcgan needs pictures, not {data.kind} of shape {data.shape}; fcgan and mlp take any")
        channels = [data.shape[0], *doubling(self.width, self.depth, 8)]
        heights, widths = (stage_sizes(side, self.depth) for side in data.shape[1:])
        return list(zip(heights, widths, strict=True)), channels

    def generator(self, data: DataSpec) -> nn.Sequential:
        """(B, latent) -> (B, C, H, W) in [-1, 1]."""
        sizes, channels = self._plan(data)
        labels = Labels(self.conditional, data)
        base, first = sizes[-1], self.width * min(2**self.depth, 8)
        bias, same = not self.batch_norm, self.kernel // 2
        beside, size = labels.beside_latents(self.latent, normalised=self.batch_norm)
        layers: list[nn.Module] = [*beside, nn.Linear(size, first * math.prod(base), bias=bias)]
        if self.batch_norm:
            layers.append(labels.norm(nn.BatchNorm1d, first * math.prod(base)))
        layers += [nn.LeakyReLU(self.slope), nn.Unflatten(1, (first, *base))]
        layers.append(nn.ConvTranspose2d(first, channels[-1], self.kernel, padding=same, bias=bias))
        for stage in range(self.depth, 0, -1):
            if self.batch_norm:
                layers.append(labels.norm(nn.BatchNorm2d, channels[stage]))
            layers.append(nn.LeakyReLU(self.slope))
            small, large = sizes[stage], sizes[stage - 1]
            stride = strides(small, large)
            # 1 where an even size was halved, else 0
            height, width = (big - (step * (few - 1) + 1) for few, big, step in zip(small, large, stride, strict=True))
            layers.append(
                nn.ConvTranspose2d(
                    channels[stage],
                    channels[stage - 1],
                    self.kernel,
                    stride,
                    padding=same,
                    output_padding=(height, width),
                    bias=bias and stage > 1,
                )
            )
        return initialised(labels.network(*layers, nn.Tanh()))

    def discriminator(self, data: DataSpec) -> nn.Sequential:
        """(B, C, H, W) -> logits (B, 1)."""
        sizes, channels = self._plan(data)
        labels = Labels(self.conditional, data)
        layers, channels[0] = labels.beside_samples(channels[0])
        for stage in range(1, self.depth + 1):
            stride = strides(sizes[stage], sizes[stage - 1])
            layers += [
                nn.Conv2d(channels[stage - 1], channels[stage], self.kernel, stride, padding=self.kernel // 2),
                nn.LeakyReLU(self.slope),
                nn.Dropout(self.dropout),
            ]
        return initialised(labels.network(*layers, nn.Flatten(), labels.head(channels[-1] * math.prod(sizes[-1]))))


@hookimpl
def gan_bench_architectures() -> list[type[Architecture]]:
    return [DCGAN]
