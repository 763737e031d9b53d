"""Style-based networks: z chooses how every layer of the generator is modulated."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrize import register_parametrization

from gan_bench import Architecture, DataSpec, Field, hookimpl

from ._labels import Conditional, Labels, conditional_field
from ._parts import Bilinear, Filter, Layer, Pair, doubling, map_sizes, strides

SLOPE = 0.2  # of LeakyReLU
GAIN = math.sqrt(2)  # of the layers before one: LeakyReLU(a) sqrt(2) = LeakyReLU(a sqrt(2))
MAPPING_LR = 0.01  # learning rate of the mapping network, in the optimiser's


class StyleGAN2(Architecture):
    """StyleGAN2's networks (Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN"), small.

    A mapping network makes styles w of normalised z. G starts from learned maps; each of its convolutions is modulated by w and
    demodulated (eq. 1 and 3) and gets noise of one value a pixel, fresh in every pass, sampling too, whose strength is learned
    from 0. Every stage adds its own picture to the enlarged one of the stage before (output skips). D is residual. All weights
    have equalised learning rates (Karras et al. 2018, section 4.1), the mapping network's 0.01 times as large. G's pictures have
    no bound, as in the paper; what lies beyond [-1, 1] is cut off where pictures are saved and scored.

    The paper's networks for 256x256 are `latent = 512, styles = 512, mapping = 8, width = 64, growth = 8`. Stages go down to
    sides of 4 to 7; maps are enlarged before a convolution, and blurred by (1, 2, 1) before they are halved. Left to tricks are
    minibatch standard deviation in D (`minibatch_std`), R1 (`r1`), path-length regularisation (`path_length`) and moving averages
    of G (`ema`); mixing of styles is not here. Labels stand beside z as a learned vector, normalised as z is.
    """

    name = "stylegan2"
    checked_with = ({"latent": 8, "styles": 8, "width": 4},)
    latent: int = Field(128, ge=1, description="size of the latent vector z")
    styles: int = Field(128, ge=1, description="size of w, and of the mapping network's layers")
    mapping: int = Field(2, ge=1, le=16, description="layers of the mapping network")
    width: int = Field(32, ge=1, description="channels of the maps of the picture's size; the next double it")
    growth: int = Field(4, ge=1, description="channels of the widest maps, in `width`s")
    conditional: Conditional = conditional_field()

    def generator(self, data: DataSpec) -> nn.Module:
        """(B, latent) -> (B, C, H, W), unbounded."""
        sizes, labels = map_sizes(self.name, data)[::-1], Labels(self.conditional, data)
        channels = doubling(self.width, len(sizes), self.growth)[::-1]
        mapping = Mapping(self.latent, self.styles, self.mapping, labels.classes)
        return Generator(mapping, data.shape[0], sizes, channels, self.styles)

    def discriminator(self, data: DataSpec) -> nn.Sequential:
        """(B, C, H, W) -> logits (B, 1)."""
        sizes, labels = map_sizes(self.name, data), Labels(self.conditional, data)
        channels = doubling(self.width, len(sizes), self.growth)
        layers, inputs = labels.beside_samples(data.shape[0])
        layers += [equalised(nn.Conv2d(inputs, channels[0], 1), GAIN), nn.LeakyReLU(SLOPE)]
        for (few, before), (many, after) in pairwise(zip(channels, sizes, strict=True)):
            layers.append(DownBlock(few, many, strides(after, before)))
        last = channels[-1]
        layers += [equalised(nn.Conv2d(last, last, 3, padding=1), GAIN), nn.LeakyReLU(SLOPE), nn.Flatten()]
        layers += [equalised(nn.Linear(last * math.prod(sizes[-1]), last), GAIN), nn.LeakyReLU(SLOPE)]
        return labels.network(*layers, labels.head(last, _linear))


class Scale(nn.Module):
    """What stands for a parameter: a constant times it."""

    per_sample = True

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, parameter: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return parameter * self.scale


def equalised(layer: Layer, gain: float = 1.0, *, lr: float = 1.0, bias: float = 0.0) -> Layer:
    """A layer with weights from N(0, 1), times gain / sqrt(fan-in) in every pass; Adam then changes all layers alike.

    With `lr` its parameters are stored as many times larger, and so learn as many times slower.
    """
    scale = gain / math.sqrt(layer.weight[0].numel())
    nn.init.normal_(layer.weight, std=1 / lr)
    register_parametrization(layer, "weight", Scale(scale * lr))
    if layer.bias is not None:
        nn.init.constant_(layer.bias, bias / lr)
        if lr != 1:
            register_parametrization(layer, "bias", Scale(lr))
    return layer


def _linear(inputs: int, outputs: int, bias: bool = True) -> nn.Module:
    return equalised(nn.Linear(inputs, outputs, bias))


def normalised(x: Tensor) -> Tensor:
    """Vectors (B, n) divided by their root mean square."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


class Mapping(nn.Module):
    """z, and labels where there are classes, to styles w."""

    def __init__(self, latent: int, styles: int, depth: int, classes: int) -> None:
        super().__init__()
        self.labels = nn.Embedding(classes, latent) if classes else None
        layers: list[nn.Module] = []
        size = 2 * latent if classes else latent
        for _ in range(depth):
            layers += [equalised(nn.Linear(size, styles), GAIN, lr=MAPPING_LR), nn.LeakyReLU(SLOPE)]
            size = styles
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor, *y: Tensor) -> Tensor:
        """(B, latent), and (B,) -> (B, styles)."""
        x = normalised(z)
        if self.labels is not None:
            x = torch.cat([x, normalised(self.labels(*y))], 1)
        styles: Tensor = self.layers(x)
        return styles


class Modulated(nn.Conv2d):
    """A convolution whose weights each sample has to itself: times its styles (eq. 1), and to unit norm (eq. 3) if `demodulated`.

    Scaling its inputs and outputs comes to the same, at the cost of one convolution. Demodulated outputs go to a LeakyReLU, and
    are times its gain.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, styles: int, *, demodulated: bool) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)
        self.style = equalised(nn.Linear(styles, inputs), bias=1.0)
        self.demodulated = demodulated

    def forward(self, x: Tensor, w: Tensor) -> Tensor:  # type: ignore[override]
        """(B, inputs, h, w) and styles (B, styles) -> (B, outputs, h, w)."""
        style, weight = self.style(w), self.weight
        x = F.conv2d(x * style[..., None, None], weight, padding=self.padding)
        assert self.bias is not None
        bias = self.bias[:, None, None]
        if not self.demodulated:
            return x + bias
        norms = style.square() @ weight.square().sum((2, 3)).t()  # (B, outputs)
        return torch.addcmul(bias, x, (GAIN * (norms + 1e-8).rsqrt())[..., None, None])


class StyledLayer(nn.Module):
    """A modulated convolution, noise, LeakyReLU."""

    def __init__(self, inputs: int, outputs: int, styles: int) -> None:
        super().__init__()
        self.conv = equalised(Modulated(inputs, outputs, 3, styles, demodulated=True))
        self.strength = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """(B, inputs, h, w) and (B, styles) -> (B, outputs, h, w)."""
        x = self.conv(x, w)
        noise = torch.randn(len(x), 1, *x.shape[2:], device=x.device, dtype=x.dtype)
        return F.leaky_relu(torch.addcmul(x, self.strength, noise), SLOPE)


class Stage(nn.Module):
    """G's layers of one size, and the picture that they add to the one so far."""

    def __init__(self, inputs: int, outputs: int, pixels: int, styles: int, resize: nn.Module | None) -> None:
        super().__init__()
        self.resize = resize
        self.first = StyledLayer(inputs, outputs, styles) if resize is not None else None
        self.second = StyledLayer(outputs, outputs, styles)
        self.picture = equalised(Modulated(outputs, pixels, 1, styles, demodulated=False))

    def forward(self, x: Tensor, picture: Tensor | None, w: Tensor) -> tuple[Tensor, Tensor]:
        """Maps (B, inputs, h, w) and the picture of that size -> maps and picture of this stage's size."""
        if self.resize is not None and self.first is not None:
            x = self.first(self.resize(x), w)
        x = self.second(x, w)
        own = self.picture(x, w)
        return x, own if picture is None or self.resize is None else own + self.resize(picture)


class Generator(nn.Module):
    """Mapping and synthesis."""

    def __init__(self, mapping: Mapping, pixels: int, sizes: list[Pair], channels: list[int], styles: int) -> None:
        super().__init__()
        self.mapping = mapping
        self.maps = nn.Parameter(torch.randn(channels[0], *sizes[0]))
        resizes = [None, *(Bilinear(before, after) for before, after in pairwise(sizes))]
        self.stages = nn.ModuleList(
            Stage(inputs, outputs, pixels, styles, resize)
            for inputs, outputs, resize in zip([channels[0], *channels], channels, resizes, strict=False)
        )

    def forward(self, z: Tensor, *y: Tensor) -> Tensor:
        """(B, latent), and labels (B,) where it takes them -> (B, pixels, H, W)."""
        w = self.mapping(z, *y)
        x, picture = self.maps.expand(len(w), -1, -1, -1), None
        for stage in self.stages:
            x, picture = stage(x, picture, w)
        assert picture is not None
        return picture


class DownBlock(nn.Module):
    """D's residual block: two convolutions, of which the second halves what was blurred, and a 1x1 convolution beside them."""

    per_sample = True

    def __init__(self, inputs: int, outputs: int, step: Pair) -> None:
        super().__init__()
        self.conv1 = equalised(nn.Conv2d(inputs, inputs, 3, padding=1), GAIN)
        self.conv2 = equalised(nn.Conv2d(inputs, outputs, 3, step, padding=1), GAIN)
        self.shortcut = equalised(nn.Conv2d(inputs, outputs, 1, step, bias=False), math.sqrt(0.5))
        self.blur = Filter(*([1, 2, 1] if halved == 2 else [1] for halved in step))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, h', w')."""
        h = self.blur(F.leaky_relu(self.conv1(x), SLOPE))
        h = F.leaky_relu(self.conv2(h), SLOPE)
        return torch.add(self.shortcut(self.blur(x)), h, alpha=math.sqrt(0.5))


@hookimpl
def gan_bench_architectures() -> list[type[Architecture]]:
    return [StyleGAN2]
