"""A discriminator that judges the picture and each of its pixels."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_bench import Architecture, DataSpec, Field, hookimpl

from ._parts import Pair, doubling, initialised, map_sizes, strides
from .resnet import DownBlock, ResNet, UpBlock


class UNetDiscriminator(Architecture):
    """U-Net GAN's discriminator (Schonfeld et al. 2020, section 3.1) against `resnet`'s generator.

    D's encoder halves the picture down to sides of 4 to 7 and judges it as a whole; its decoder doubles the maps again, beside
    the encoder's of the same size, and judges every pixel. Logits are (B, 2HW): the pixels' stand behind the picture's, which is
    repeated as often, so that a loss's mean over all is half of what eq. 2 to 4 add up, the encoder's loss and the mean over
    the decoder's pixels. A squared gradient of the logits' sum, as `r1` has it, is (2HW)^2 times that of their mean, by which its
    weight is to be divided.

    The paper's blocks are BigGAN's, with spectral normalisation (the trick `spectral_norm`); its consistency under CutMix
    (section 3.2) is a loss of its own and not here. `width_d` is the paper's 64.
    """

    name = "unet_discriminator"
    checked_with = ({"latent": 8, "width": 4, "width_d": 4},)
    latent: int = Field(128, ge=1, description="size of the latent vector z")
    width: int = Field(64, ge=1, description="channels of G's maps")
    width_d: int = Field(64, ge=1, description="channels of D's maps at half the picture's size; the next double it")
    growth: int = Field(8, ge=1, description="channels of D's widest maps, in `width_d`s")

    def generator(self, data: DataSpec) -> nn.Module:
        """(B, latent) -> (B, C, H, W) in [-1, 1]."""
        return ResNet(latent=self.latent, width=self.width).generator(data)

    def discriminator(self, data: DataSpec) -> nn.Module:
        """(B, C, H, W) -> logits (B, 2HW)."""
        sizes = map_sizes(self.name, data)
        if len(sizes) == 1:
            found = f"{data.shape[1]}x{data.shape[2]}"
            raise ValueError(f"{self.name} needs pictures of at least 8 pixels in a side (found: {found})")
        return initialised(UNet(data.shape[0], sizes, doubling(self.width_d, len(sizes) - 1, self.growth)))


class UNet(nn.Module):
    """An encoder, a decoder beside it, and the two judgements."""

    per_sample = True

    def __init__(self, channels: int, sizes: list[Pair], widths: list[int]) -> None:
        super().__init__()
        steps = [strides(after, before) for before, after in pairwise(sizes)]
        self.encoder = nn.ModuleList(
            DownBlock(inputs, outputs, step, first=stage == 0)
            for stage, (inputs, outputs, step) in enumerate(zip([channels, *widths], widths, steps, strict=False))
        )
        self.decoder = nn.ModuleList()
        inputs = widths[-1]
        for stage in reversed(range(len(widths))):  # which goes to the size of that stage's input
            outputs = widths[max(0, stage - 1)]
            self.decoder.append(UpBlock(inputs, outputs, sizes[stage], [nn.Identity(), nn.Identity()]))
            inputs = 2 * outputs
        self.picture = nn.Linear(widths[-1], 1)
        self.pixels = nn.Conv2d(widths[0], 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 2HW): the picture's logit HW times, then the pixels'."""
        maps = []
        for block in self.encoder:
            x = block(x)
            maps.append(x)
        picture = self.picture(F.relu(x).sum((2, 3)))
        *beside, x = maps
        for block in self.decoder:
            x = block(x)
            if beside:
                x = torch.cat([x, beside.pop()], 1)
        pixels = self.pixels(F.relu(x)).flatten(1)
        return torch.cat([picture.expand_as(pixels), pixels], 1)


@hookimpl
def gan_bench_architectures() -> list[type[Architecture]]:
    return [UNetDiscriminator]
