"""mlp: the usual toy network."""

from __future__ import annotations

import pytest
import torch
from networks import both, count
from torch import nn

from gan_bench.api.data_spec import DataSpec
from gan_bench_plugins.architectures.mlp import MLP


def test_three_hidden_layers_of_128():
    generator, discriminator = both(MLP(latent=2), DataSpec((2,), "points"))
    assert count(generator) == (2 * 128 + 128) + 2 * (128 * 128 + 128) + (128 * 2 + 2)
    assert count(discriminator) == (2 * 128 + 128) + 2 * (128 * 128 + 128) + (128 + 1)
    slopes = {layer.negative_slope for layer in discriminator if isinstance(layer, nn.LeakyReLU)}
    assert slopes == {0.2}


@pytest.mark.parametrize(
    "data", [DataSpec((1, 16, 16)), DataSpec((3, 5, 9)), DataSpec((2,), "points"), DataSpec((7,), "points")]
)
@pytest.mark.parametrize("depth", [1, 4])
def test_any_shape(data, depth):
    generator, discriminator = both(MLP(depth=depth, width=8, latent=4), data)
    samples = generator(1e4 * torch.randn(3, 4))
    assert samples.shape == (3, *data.shape)
    assert (samples.abs().max() <= 1) == (data.kind == "image")
    assert discriminator(samples).shape == (3, 1)
