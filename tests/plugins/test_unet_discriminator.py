"""unet_discriminator: a judgement of the whole and one of each pixel."""

from __future__ import annotations

import pytest
import torch
from networks import assert_rows_are_alone, both, count, sized, untrained
from torch import nn

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.losses import BinaryCrossEntropy
from gan_bench.training.networks import mixes_batch
from gan_bench_plugins.architectures.resnet import ResNet
from gan_bench_plugins.architectures.unet_discriminator import UNetDiscriminator

SMALL = UNetDiscriminator(width=4, width_d=4, latent=5)


@pytest.mark.parametrize("data", sized((1, 16, 16), (1, 28, 28), (3, 32, 32), (3, 24, 40), (1, 9, 33)))
def test_any_size(data):
    generator, discriminator = both(SMALL, data)
    samples = generator(torch.randn(3, 5)).detach()
    assert samples.shape == (3, *data.shape)
    pixels = data.shape[1] * data.shape[2]
    assert discriminator(samples).shape == (3, 2 * pixels)
    assert untrained(discriminator, samples) == []
    assert not mixes_batch(discriminator)
    assert_rows_are_alone(discriminator, samples)
    assert count(generator) == count(ResNet(width=4, latent=5).generator(data))


def test_a_losss_mean_is_half_of_the_encoders_and_the_decoders():
    """Schonfeld et al. 2020, eq. 2 to 4: L_enc, and the mean of L_dec over pixels."""
    _, discriminator = both(SMALL, DataSpec((1, 16, 16)))
    logits = discriminator(torch.randn(3, 1, 16, 16))
    picture, pixels = logits.split(256, 1)
    assert torch.equal(picture, picture[:, :1].expand(-1, 256))
    loss = BinaryCrossEntropy()
    whole = loss.generator(logits)
    torch.testing.assert_close(whole, (loss.generator(picture[:, :1]) + loss.generator(pixels)) / 2)


def test_the_encoder_halves_and_the_decoder_doubles_beside_it():
    discriminator = SMALL.discriminator(DataSpec((3, 32, 32)))
    shapes = []
    for block in (*discriminator.encoder, *discriminator.decoder):
        block.register_forward_hook(
            lambda module, inputs, output: shapes.append((inputs[0].shape[1], *output.shape[1:]))
        )
    discriminator(torch.randn(2, 3, 32, 32))
    down, up = shapes[:3], shapes[3:]
    assert down == [(3, 4, 16, 16), (4, 8, 8, 8), (8, 16, 4, 4)]
    assert up == [(16, 8, 8, 8), (8 + 8, 4, 16, 16), (4 + 4, 4, 32, 32)]
    assert not any(isinstance(module, nn.BatchNorm2d) for module in discriminator.modules())


def test_a_pixel_is_judged_by_what_is_around_it():
    """The gradient of a corner's logit by the picture is largest there; the whole's is spread out."""
    _, discriminator = both(SMALL, DataSpec((1, 16, 16)))
    x = torch.randn(1, 1, 16, 16, requires_grad=True)
    (near,) = torch.autograd.grad(discriminator(x)[0, 256], x)
    assert near[0, 0, :4, :4].abs().mean() > 2 * near[0, 0, 8:, 8:].abs().mean()


def test_pictures_that_are_too_small():
    with pytest.raises(ValueError, match=r"at least 8 pixels in a side \(found: 7x4\)"):
        SMALL.discriminator(DataSpec((1, 7, 4)))
