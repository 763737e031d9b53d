"""dcgan: the origin's networks to the parameter, and every size and depth."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gan_bench.api.data_spec import DataSpec
from gan_bench_plugins.architectures.dcgan import DCGAN, stage_sizes

MNIST = DataSpec((1, 28, 28))


def counts(network: nn.Sequential, statistics: bool = True) -> list[int]:
    """Parameters of each layer that has any; with moving means and variances, as Keras counts them."""
    numbers = []
    for layer in network:
        tensors = list(layer.parameters())
        if statistics:
            tensors += [buffer for name, buffer in layer.named_buffers() if name.startswith("running")]
        if tensors:
            numbers.append(sum(tensor.numel() for tensor in tensors))
    return numbers


def test_generator_has_the_origins_parameters_layer_by_layer():
    generator = DCGAN().generator(MNIST)
    assert counts(generator) == [1_254_400, 50_176, 819_200, 512, 204_800, 256, 1_600]
    assert sum(counts(generator)) == 2_330_944
    assert sum(counts(generator, statistics=False)) == 2_305_472


def test_discriminator_has_the_origins_parameters_layer_by_layer():
    discriminator = DCGAN().discriminator(MNIST)
    assert counts(discriminator) == [1_664, 204_928, 6_273]
    assert sum(counts(discriminator)) == 212_865


def test_layers_have_the_origins_shapes():
    architecture = DCGAN()
    shapes = []
    samples = torch.randn(2, 100)
    for layer in architecture.generator(MNIST).eval():
        samples = layer(samples)
        if isinstance(layer, nn.Unflatten | nn.ConvTranspose2d):
            shapes.append(tuple(samples.shape[1:]))
    assert shapes == [(256, 7, 7), (128, 7, 7), (64, 14, 14), (1, 28, 28)]
    shapes = []
    for layer in architecture.discriminator(MNIST).eval():
        samples = layer(samples)
        if isinstance(layer, nn.Conv2d | nn.Flatten):
            shapes.append(tuple(samples.shape[1:]))
    assert shapes == [(64, 14, 14), (128, 7, 7), (6272,)]


@pytest.mark.parametrize(
    ("size", "sizes"),
    [(28, [28, 14, 7, 7, 7]), (64, [64, 32, 16, 8, 4]), (33, [33, 17, 9, 5, 5]), (8, [8, 4, 4, 4, 4]), (1, [1] * 5)],
)
def test_sizes_halve_down_to_four_and_then_stay(size, sizes):
    assert stage_sizes(size, 4) == sizes


@pytest.mark.parametrize("depth", range(1, 7))
@pytest.mark.parametrize("size", [4, 7, 8, 9, 16, 28, 32, 33, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_square_size_at_any_depth(depth, size, channels):
    architecture, data = DCGAN(depth=depth, width=2, latent=5), DataSpec((channels, size, size))
    samples = architecture.generator(data)(torch.randn(3, 5))
    assert samples.shape == (3, *data.shape)
    assert samples.abs().max() <= 1
    assert architecture.discriminator(data)(samples).shape == (3, 1)


@pytest.mark.parametrize("kernel", [3, 5, 7, 9])
def test_kernels_and_channels_stop_growing_at_eight_widths(kernel):
    architecture = DCGAN(depth=6, width=2, kernel=kernel)
    generator = architecture.generator(MNIST)
    assert generator(torch.randn(2, 100)).shape == (2, 1, 28, 28)
    outputs = [layer.out_channels for layer in generator if isinstance(layer, nn.ConvTranspose2d)]
    assert outputs == [16, 16, 16, 8, 4, 2, 1]
    outputs = [layer.out_channels for layer in architecture.discriminator(MNIST) if isinstance(layer, nn.Conv2d)]
    assert outputs == [2, 4, 8, 16, 16, 16]


def test_without_batch_norm_hidden_layers_have_biases():
    generator = DCGAN(batch_norm=False, width=2).generator(MNIST)
    assert not any(isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) for layer in generator)
    weighted = [layer for layer in generator if hasattr(layer, "weight")]
    assert [layer.bias is not None for layer in weighted] == [True, True, True, False]


def test_equal_random_state_gives_equal_weights():
    networks = []
    for _ in range(2):
        torch.manual_seed(3)
        networks.append(DCGAN(width=2).generator(MNIST).state_dict())
    assert all(torch.equal(networks[0][name], networks[1][name]) for name in networks[0])


@pytest.mark.parametrize(("height", "width"), [(4, 64), (48, 64), (33, 8), (28, 30)])
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_pictures_that_are_no_squares(depth, height, width):
    architecture, data = DCGAN(depth=depth, width=2, latent=5), DataSpec((3, height, width))
    samples = architecture.generator(data)(torch.randn(2, 5))
    assert samples.shape == (2, *data.shape)
    discriminator = architecture.discriminator(data)
    assert discriminator(samples).shape == (2, 1)
    maps = discriminator[:-2](samples).shape[2:]
    assert maps == (stage_sizes(height, depth)[-1], stage_sizes(width, depth)[-1])


@pytest.mark.parametrize("data", [DataSpec((2,), "points"), DataSpec((28, 28))])
def test_other_data_is_refused_with_a_way_out(data):
    for build in (DCGAN().generator, DCGAN().discriminator):
        with pytest.raises(ValueError, match=r"needs pictures.*fcgan"):
            build(data)
