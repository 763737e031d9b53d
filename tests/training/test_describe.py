"""Networks described: tables whose rows add up to the total, FLOPs of whatever a network is made of."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gan_bench.api.data_spec import DataSpec
from gan_bench.training.describe import describe, describe_architecture
from gan_bench_plugins.architectures.dcgan import DCGAN


class Constant(nn.Module):
    """StyleGAN's: a constant that is learnt, as often as there are samples."""

    def __init__(self):
        super().__init__()
        self.constant = nn.Parameter(torch.randn(1, 4, 4, 4))
        self.convolution, self.style = nn.Conv2d(4, 1, 3, padding=1), nn.Linear(8, 16)

    def forward(self, z):
        return self.convolution(self.constant.expand(len(z), -1, -1, -1)) * self.style(z).view(-1, 1, 4, 4)


class Shared(nn.Module):
    """One layer under two names, another used twice, a weight of two layers, and one that no pass goes through."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.alias, self.tied, self.used = self.first, nn.Linear(8, 8), nn.Linear(8, 8)
        self.tied.weight = self.first.weight
        self.scales = nn.ParameterList([torch.ones(8), torch.ones(8)])
        self.register_buffer("mean", torch.zeros(8))
        self.first.bias.requires_grad_(False)

    def forward(self, z):
        z = self.tied(self.alias(self.first(self.first(z)))) * self.scales[0] - self.mean
        return F.linear(z, self.used.weight)


def spectral(network):
    nn.utils.parametrizations.spectral_norm(network[0])
    return network


NETWORKS = {  # network -> parameters, trainable, FLOPs
    "a constant": (Constant, 64 + 37 + 144, 64 + 37 + 144, 2 * (4 * 9 * 16 + 8 * 16)),
    "shared": (Shared, 64 + 8 + 8 + 72 + 16 + 8, 64 + 8 + 72 + 16, 2 * 5 * 64),
    "attention": (
        lambda: nn.Sequential(nn.Unflatten(1, (2, 4)), nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)),
        *[60 + 20 + 40 + 36 + 16] * 2,
        None,
    ),
    "spectral norm": (lambda: spectral(nn.Sequential(nn.Linear(8, 4), nn.ReLU())), 36 + 8 + 4, 36, None),
    "batch norm": (lambda: nn.Sequential(nn.Linear(8, 4), nn.BatchNorm1d(4)), 36 + 8 + 8, 36 + 8, 2 * 32),
}


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("name", NETWORKS)
def test_rows_add_up_to_the_network(name, device):
    build, parameters, trainable, flops = NETWORKS[name]
    with torch.device(device):
        network = build()
    modes = [module.training for module in network.modules()]
    found = describe(network, torch.zeros(1, 8, device=device))
    assert (found["parameters"], found["trainable"]) == (parameters, trainable)
    for key in ("parameters", "trainable"):
        assert sum(layer[key] for layer in found["layers"]) == found[key]
    assert flops is None or found["flops"] == flops
    assert modes == [module.training for module in network.modules()]
    assert not any(module._forward_hooks for module in network.modules())


def test_a_parametrised_layer_is_one_row_of_its_own_name():
    first, second = describe(spectral(nn.Sequential(nn.Linear(8, 4), nn.ReLU())), torch.zeros(1, 8))["layers"]
    assert first == {
        "name": "0",
        "type": "Linear(in_features=8, out_features=4, bias=True)",
        "shape": [4],
        "parameters": 48,
        "trainable": 36,
    }
    assert second["parameters"] == 0


def test_the_origins_table_is_that_of_its_layers():
    networks = describe_architecture(DCGAN(), DataSpec((1, 28, 28)))
    for name, total, counts in (
        ("generator", 2_330_944, [1_254_400, 50_176, 819_200, 512, 204_800, 256, 1_600]),
        ("discriminator", 212_865, [1_664, 204_928, 6_273]),
    ):
        assert networks[name]["parameters"] == total
        assert [layer["parameters"] for layer in networks[name]["layers"] if layer["parameters"]] == counts
        assert not any("Thin" in layer["type"] for layer in networks[name]["layers"])
