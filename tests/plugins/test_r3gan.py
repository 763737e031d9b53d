"""r3gan: config E to the parameter, fix-up, and every size."""

from __future__ import annotations

import math

import pytest
import torch
from networks import assert_rows_are_alone, both, count, moved, sized, untrained
from torch import nn

from gan_bench.api.data_spec import DataSpec
from gan_bench.training.networks import mixes_batch
from gan_bench_plugins.architectures.r3gan import R3GAN, Basis, Block


def test_defaults_are_config_e_for_256x256():
    """Huang et al. 2025, table 2: 23.058 million parameters in G."""
    with torch.device("meta"):
        generator, discriminator = both(R3GAN(), DataSpec((3, 256, 256)))

    def block(channels: int) -> int:
        inner = 2 * channels
        return 2 * channels * inner + inner * 16 * 9 + 2 * inner  # both 1x1, the 3x3 in groups of 16, two biases

    stages = sum(2 * block(width) for width in (96, 192, 384, 768, 768, 768, 768))
    between = 96 * 192 + 192 * 384 + 384 * 768
    assert count(generator) == stages + between + 64 * 768 + 768 * 16 + 96 * 3 == 23_057_952
    assert count(discriminator) == stages + between + 3 * 96 + 768 * 16 + 768 == 23_009_568


def test_blocks_start_as_the_identity_and_layers_before_by_depth():
    """Fix-up: the last layer of each block is 0, the others' weights are L^(-1/4) as large (Zhang et al. 2019, section 3)."""
    discriminator = R3GAN(width=64, growth=1).discriminator(DataSpec((3, 32, 32)))
    blocks = [layer for layer in discriminator if isinstance(layer, Block)]
    assert len(blocks) == 8  # four stages of two
    x = torch.randn(2, 64, 4, 4)
    assert torch.equal(blocks[0](x), x)
    gain = math.sqrt(2 / 1.04) * 8**-0.25
    for conv, fan_in in ((blocks[0].conv1, 64), (blocks[0].conv2, 16 * 9)):
        assert float(conv.weight.detach().std()) == pytest.approx(gain / math.sqrt(fan_in), rel=0.05)
    moved(blocks[0])
    lrelu = nn.functional.leaky_relu
    inner = lrelu(blocks[0].conv1(x), 0.2)
    torch.testing.assert_close(blocks[0](x), x + blocks[0].conv3(lrelu(blocks[0].conv2(inner), 0.2)))


def test_there_is_no_normalisation_and_biases_stand_in_activations_alone():
    for network in both(R3GAN(width=8), DataSpec((3, 16, 16))):
        kinds = {type(module).__name__ for module in network.modules()}
        assert not any("Norm" in kind for kind in kinds)
        biased = {
            name.rpartition(".")[0].rpartition(".")[2] for name, _ in network.named_parameters() if "bias" in name
        }
        assert biased == {"conv1", "conv2"}


@pytest.mark.parametrize("data", sized((1, 16, 16), (1, 28, 28), (3, 24, 40), (1, 17, 33), (3, 5, 9), (1, 4, 4)))
def test_any_size(data):
    generator, discriminator = map(moved, both(R3GAN(width=8, growth=2, blocks=1, latent=5), data))
    samples = generator(torch.randn(3, 5)).detach()
    assert samples.shape == (3, *data.shape)
    assert untrained(generator, torch.randn(3, 5)) == []
    assert untrained(discriminator, samples) == []
    assert not mixes_batch(discriminator)
    assert_rows_are_alone(discriminator, samples)


def test_the_generator_begins_with_learned_maps():
    basis = Basis(3, (4, 5))
    x = torch.randn(2, 3)
    torch.testing.assert_close(basis(x)[1, 2], basis.maps[2] * x[1, 2])


def test_groups_that_do_not_fit():
    with pytest.raises(ValueError, match=r"multiple of group, 16 \(found: 12 x 2\)"):
        R3GAN(width=12).generator(DataSpec((3, 16, 16)))
    assert R3GAN(width=12, group=8).generator(DataSpec((3, 16, 16)))(torch.randn(2, 64)).shape == (2, 3, 16, 16)
