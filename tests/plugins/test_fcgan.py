"""fcgan: any shape of data."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gan_bench.api.data_spec import DataSpec
from gan_bench_plugins.architectures.fcgan import FCGAN


@pytest.mark.parametrize(
    "data", [DataSpec((1, 16, 16)), DataSpec((3, 5, 9)), DataSpec((2,), "points"), DataSpec((7,), "points")]
)
@pytest.mark.parametrize("depth", [1, 2, 5])
def test_any_shape(data, depth):
    architecture = FCGAN(depth=depth, width=8, latent=4)
    samples = architecture.generator(data)(torch.randn(3, 4))
    assert samples.shape == (3, *data.shape)
    assert architecture.discriminator(data)(samples).shape == (3, 1)
    hidden = [layer for layer in architecture.discriminator(data) if isinstance(layer, nn.LeakyReLU)]
    assert len(hidden) == depth


def test_images_are_bounded_and_points_are_not():
    for data, bounded in ((DataSpec((1, 4, 4)), True), (DataSpec((2,), "points"), False)):
        generator = FCGAN().generator(data)
        assert any(isinstance(layer, nn.Tanh) for layer in generator) == bounded


def test_parameter_count():
    # 100*256 + 2*256 + 256*256 + 2*256 + 256*784 + 784 and 784*256 + 256 + 256*256 + 256 + 256 + 1
    data = DataSpec((1, 28, 28))
    networks = FCGAN().generator(data), FCGAN().discriminator(data)
    assert [sum(p.numel() for p in network.parameters()) for network in networks] == [293_648, 267_009]
