"""stylegan2: equations 1 and 3, equalised learning rates, noise, and every size."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from networks import assert_rows_are_alone, both, count, moved, sized, untrained
from small_runs import make_loop
from torch import nn
from torch.nn import functional as F

from gan_bench.api.data_spec import DataSpec
from gan_bench.training.networks import mixes_batch
from gan_bench_plugins.architectures.stylegan2 import (
    DownBlock,
    Mapping,
    Modulated,
    StyledLayer,
    StyleGAN2,
    equalised,
    normalised,
)
from gan_bench_plugins.tricks.spectral_norm import SpectralNorm

SMALL = StyleGAN2(width=4, styles=8, latent=6, growth=2)


def test_at_the_papers_widths_networks_have_its_parameters():
    """At 256x256: 24.767 and 24.001 million (Huang et al. 2025, table 2), the latter with minibatch_std's channel in D."""
    architecture = StyleGAN2(latent=512, styles=512, mapping=8, width=64, growth=8)
    with torch.device("meta"):
        generator, discriminator = both(architecture, DataSpec((3, 256, 256)))
    widths = [512, 512, 512, 512, 256, 128, 64]  # of 4x4 to 256x256

    def layer(inputs: int, outputs: int) -> int:
        return (512 + 1) * inputs + 9 * inputs * outputs + outputs + 1  # style, weights, biases, noise

    stages = sum(layer(few, many) + layer(many, many) for few, many in pairwise(widths))
    pictures = sum((512 + 1) * width + 3 * width + 3 for width in widths)
    mapping = 8 * (512 * 512 + 512)
    assert count(generator) == mapping + 512 * 16 + layer(512, 512) + stages + pictures == 24_767_458
    blocks = sum(9 * few * few + few + 9 * few * many + many + few * many for many, few in pairwise(widths))
    last = 9 * 512 * 512 + 512 + (512 * 16 * 512 + 512) + (512 + 1)
    assert count(discriminator) == (3 * 64 + 64) + blocks + last == 24_001_089 - 9 * 512


@pytest.mark.parametrize("demodulated", [True, False])
def test_modulation_is_equations_1_and_3(demodulated):
    """w'_ijk = s_i w_ijk; w'' = w' / sqrt(sum_ik w'^2 + eps); one convolution for each sample."""
    torch.manual_seed(0)
    layer = moved(equalised(Modulated(3, 5, 3, 4, demodulated=demodulated)))
    x, w = torch.randn(2, 3, 6, 6), torch.randn(2, 4)
    for row, style in enumerate(layer.style(w)):
        weight = layer.weight * style[:, None, None]
        if demodulated:
            weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt() * math.sqrt(2)
        expected = F.conv2d(x[row : row + 1], weight, layer.bias, padding=1)
        torch.testing.assert_close(layer(x, w)[row : row + 1], expected, rtol=1e-4, atol=1e-5)


def test_styles_start_at_one_so_that_weights_are_first_used_as_they_are():
    layer = equalised(Modulated(3, 5, 3, 4, demodulated=False))
    assert torch.equal(layer.style(torch.zeros(1, 4)), torch.ones(1, 3))


def test_equalised_layers_store_unit_weights_and_learn_alike():
    torch.manual_seed(0)
    layer = equalised(nn.Linear(400, 300), 2.0, lr=0.01)
    stored = layer.parametrizations.weight.original
    assert float(stored.detach().std()) == pytest.approx(100, rel=0.02)
    assert float(layer.weight.detach().std()) == pytest.approx(2 / 20, rel=0.02)
    torch.testing.assert_close(layer.weight, stored * 0.01 * 2 / 20)
    torch.testing.assert_close(layer.bias, torch.zeros(300))
    layer.parametrizations.bias.original.data.fill_(3)
    torch.testing.assert_close(layer.bias, torch.full((300,), 0.03))


def test_latents_are_normalised_before_mapping():
    mapping = Mapping(6, 8, 2, 0)
    z = torch.randn(3, 6)
    torch.testing.assert_close(mapping(z), mapping(5 * z))
    torch.testing.assert_close(normalised(z).square().mean(1), torch.ones(3))


def test_noise_is_one_number_a_pixel_fresh_in_every_pass_and_starts_without_effect():
    torch.manual_seed(0)
    layer = StyledLayer(3, 5, 4).eval()
    x, w = torch.randn(2, 3, 6, 6), torch.randn(2, 4)
    assert torch.equal(layer(x, w), layer(x, w))
    layer.strength.data.fill_(0.5)
    one, other = layer(x, w), layer(x, w)
    assert not torch.equal(one, other)
    undone = one.where(one > 0, one / 0.2) - other.where(other > 0, other / 0.2)  # by LeakyReLU
    assert undone.std(1).max() < 1e-5  # the same in all channels
    assert float(undone[:, 0].detach().std()) == pytest.approx(0.5 * math.sqrt(2), rel=0.2)
    generator = moved(SMALL.generator(DataSpec((1, 8, 8)))).eval()
    z = torch.randn(2, 6)
    assert not torch.equal(generator(z), generator(z))


def test_pictures_are_sums_over_the_stages():
    generator = moved(SMALL.generator(DataSpec((1, 16, 16))))
    for stage in generator.stages:  # without noise
        for layer in (stage.first, stage.second):
            if layer is not None:
                layer.strength.data.zero_()
    z = torch.randn(2, 6)
    w = generator.mapping(z)
    x, picture = generator.maps.expand(2, -1, -1, -1), torch.zeros(2, 1, 4, 4)
    for stage in generator.stages:
        if stage.resize is not None:
            x, picture = stage.first(stage.resize(x), w), stage.resize(picture)
        x = stage.second(x, w)
        picture = picture + stage.picture(x, w)
    torch.testing.assert_close(generator(z), picture)


def test_the_discriminators_blocks_are_residual_and_keep_the_variance():
    torch.manual_seed(0)
    block = DownBlock(16, 32, (2, 2))
    x = torch.randn(8, 16, 16, 16)
    blur = torch.outer(torch.tensor([1.0, 2, 1]), torch.tensor([1.0, 2, 1])).expand(16, 1, 3, 3) / 16
    h = F.leaky_relu(block.conv1(x), 0.2)
    h = F.leaky_relu(F.conv2d(F.conv2d(h, blur, padding=1, groups=16), block.conv2.weight, None, 2, 1), 0.2)
    beside = F.conv2d(F.conv2d(x, blur, padding=1, groups=16), block.shortcut.weight, None, 2)
    torch.testing.assert_close(block(x), h / math.sqrt(2) + beside, rtol=1e-4, atol=1e-5)
    weights = {
        name: float(getattr(block, name).weight.square().sum((1, 2, 3)).mean()) for name in ("conv1", "shortcut")
    }
    assert weights == {"conv1": pytest.approx(2, rel=0.15), "shortcut": pytest.approx(0.5, rel=0.15)}


@pytest.mark.parametrize("data", sized((1, 16, 16), (1, 28, 28), (3, 32, 32), (3, 24, 40), (1, 17, 33), (1, 4, 4)))
def test_any_size(data):
    generator, discriminator = map(moved, both(SMALL, data))
    samples = generator(torch.randn(3, 6)).detach()
    assert samples.shape == (3, *data.shape)
    assert untrained(generator, torch.randn(3, 6)) == []
    assert untrained(discriminator, samples) == []
    assert not mixes_batch(discriminator)
    assert_rows_are_alone(discriminator, samples)


def test_widths_double_from_the_picture_down():
    discriminator = StyleGAN2(width=8, growth=4).discriminator(DataSpec((3, 64, 64)))
    outputs = [layer.conv2.out_channels for layer in discriminator if isinstance(layer, DownBlock)]
    assert outputs == [16, 32, 32, 32]


def test_spectral_norm_is_of_the_weights_that_a_pass_uses():
    """Not of the stored ones; and they are the same in all passes between two updates."""
    loop = make_loop(SMALL, [SpectralNorm()], shape=(1, 8, 8))
    for _ in range(10):
        loop.step()
    discriminator = loop.recipe.discriminator
    layers = [module for module in discriminator.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert len(layers) == 7
    for layer in layers:
        weight = layer.weight.detach()
        assert float(torch.linalg.matrix_norm(weight.flatten(1), 2)) == pytest.approx(1, rel=0.1)
        assert torch.equal(layer.weight, weight)
