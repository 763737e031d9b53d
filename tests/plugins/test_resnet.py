"""resnet: SNGAN's networks to the parameter, SAGAN's attention to the formula."""

from __future__ import annotations

import pytest
import torch
from networks import assert_rows_are_alone, both, count, moved, sized, untrained
from torch import nn

from gan_bench.api.data_spec import DataSpec
from gan_bench.training.networks import mixes_batch
from gan_bench_plugins.architectures.resnet import Attention, DownBlock, ResNet, UpBlock

CIFAR = DataSpec((3, 32, 32))


def conv(inputs: int, outputs: int, side: int) -> int:
    return inputs * outputs * side**2 + outputs


def test_networks_have_the_parameters_of_table_4():
    """Miyato et al. 2018: G 4x4x256, three blocks up; D 128 channels, two blocks down, two more, sum, linear."""
    generator, discriminator = both(ResNet(), CIFAR)
    up = 2 * conv(256, 256, 3) + 2 * 2 * 256 + conv(256, 256, 1)  # two 3x3, two BatchNorms, the shortcut
    assert count(generator) == (128 * 4096 + 4096) + 3 * up + 2 * 256 + conv(256, 3, 3) == 4_276_739
    first = conv(3, 128, 3) + conv(128, 128, 3) + conv(3, 128, 1)
    down = 2 * conv(128, 128, 3) + conv(128, 128, 1)
    assert count(discriminator) == first + down + 2 * 2 * conv(128, 128, 3) + 128 + 1 == 1_053_825
    assert not any(isinstance(module, nn.BatchNorm2d) for module in discriminator.modules())


def test_maps_have_the_sizes_of_table_4():
    generator, discriminator = both(ResNet(width=4, width_d=4), CIFAR)
    sizes, samples = [], torch.randn(2, 128)
    for layer in generator:
        samples = layer(samples)
        if isinstance(layer, nn.Unflatten | UpBlock):
            sizes.append(samples.shape[-1])
    assert sizes == [4, 8, 16, 32]
    assert samples.shape == (2, 3, 32, 32)
    sizes = []
    for layer in discriminator:
        samples = layer(samples)
        if isinstance(layer, DownBlock):
            sizes.append(samples.shape[-1])
    assert sizes == [16, 8, 8, 8]
    assert samples.shape == (2, 1)


@pytest.mark.parametrize("data", sized((1, 16, 16), (1, 28, 28), (3, 24, 40), (1, 33, 17), (3, 5, 20), (1, 4, 4)))
def test_any_size_and_pictures_that_are_no_squares(data):
    generator, discriminator = both(ResNet(width=4, width_d=4, latent=5), data)
    samples = generator(torch.randn(3, 5))
    assert samples.shape == (3, *data.shape)
    assert samples.abs().max() <= 1
    assert discriminator(samples).shape == (3, 1)
    assert untrained(generator, torch.randn(3, 5)) == []
    assert untrained(discriminator, samples.detach()) == []
    assert not mixes_batch(discriminator)
    assert_rows_are_alone(discriminator, samples.detach())


def test_blocks_are_residual():
    """h + shortcut by hand, with the upsampling before the 1x1 convolution as the paper draws it."""
    torch.manual_seed(0)
    x = torch.randn(2, 3, 4, 4)
    up = UpBlock(3, 5, (8, 8), [nn.BatchNorm2d(3), nn.BatchNorm2d(5)])
    larger = nn.functional.interpolate
    h = up.conv1(larger(up.norm1(x).relu(), scale_factor=2))
    expected = up.conv2(up.norm2(h).relu()) + up.shortcut(larger(x, scale_factor=2))
    torch.testing.assert_close(up(x), expected)
    smaller = nn.functional.avg_pool2d
    for first in (True, False):
        down = DownBlock(3, 5, (2, 2), first=first)
        h = down.conv2(down.conv1(x if first else x.relu()).relu())
        torch.testing.assert_close(down(x), smaller(h + down.shortcut(x), 2), rtol=1e-4, atol=1e-5)
    assert isinstance(DownBlock(3, 3, (1, 1), first=False).shortcut, nn.Identity)


def test_attention_is_added_in_both_networks_and_starts_as_nothing():
    generator, discriminator = both(ResNet(width=16, width_d=16, attention_at=(8, 16)), CIFAR)
    assert [type(layer).__name__ for layer in generator[2:7]] == ["UpBlock", "Attention"] * 2 + ["UpBlock"]
    assert [type(layer).__name__ for layer in discriminator[:5]] == ["DownBlock", "Attention"] * 2 + ["DownBlock"]
    x = torch.randn(2, 16, 8, 8)
    assert torch.equal(discriminator[1](x), x)
    assert untrained(generator, torch.randn(2, 128)) == []


def test_attention_is_equations_1_to_3():
    """Zhang et al. 2019: beta_ji = softmax_i f(x_i)^T g(x_j); o_j = v(sum_i beta_ji h(x_i)); y = gamma o + x."""
    torch.manual_seed(0)
    layer = moved(Attention(16))
    x = torch.randn(1, 16, 3, 2)
    columns = x[0].flatten(1)  # pixels side by side
    f, g, h, v = (each.weight[..., 0, 0] for each in (layer.f, layer.g, layer.h, layer.v))
    assert f.shape == g.shape == h.shape == (2, 16)
    expected = []
    for j in range(6):
        scores = torch.stack([(f @ columns[:, i]) @ (g @ columns[:, j]) for i in range(6)])
        o = v @ sum(beta * (h @ columns[:, i]) for i, beta in enumerate(scores.softmax(0)))
        expected.append(layer.gamma * o + columns[:, j])
    torch.testing.assert_close(layer(x)[0].flatten(1), torch.stack(expected, 1))


@pytest.mark.parametrize("height", [4, 7, 32])
def test_attention_where_there_is_no_such_map(height):
    for build in (ResNet(attention_at=(height,)).generator, ResNet(attention_at=(height,)).discriminator):
        with pytest.raises(ValueError, match=rf"attention_at = \[{height}\].*32x32 the heights .* are \[8, 16\]"):
            build(CIFAR)


def test_points_are_refused_with_a_way_out():
    with pytest.raises(ValueError, match=r"resnet needs pictures.*fcgan and mlp"):
        ResNet().generator(DataSpec((2,), "points"))
