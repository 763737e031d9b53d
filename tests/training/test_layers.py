"""Layers that are computed faster must compute the same."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from small_runs import make_loop
from torch import nn

from gan_bench.training.layers import Dropout, Flatten, ThinConv2d, ThinConvTranspose2d, quicken
from gan_bench_plugins.architectures.dcgan import DCGAN


def both(network: nn.Module) -> tuple[nn.Module, nn.Module]:
    """A network and its quickened copy."""
    quick = copy.deepcopy(network)
    quicken(quick)
    return network, quick


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(5, 2, 2), (3, 1, 1), (4, 2, 1), (1, 1, 0)])
def test_thin_convolutions_have_the_values_and_derivatives_of_pytorchs(channels, size, kernel, stride, padding):
    torch.manual_seed(0)
    left_over = (size - kernel + 2 * padding) % stride
    plain, quick = both(
        nn.Sequential(
            nn.Conv2d(channels, 4, kernel, stride, padding),
            nn.LeakyReLU(0.3),
            nn.ConvTranspose2d(4, channels, kernel, stride, padding, output_padding=left_over),
            nn.Tanh(),
            nn.Conv2d(channels, 2, kernel, stride, padding, bias=False),
        ).double()
    )
    assert [type(m) for m in quick[::2]] == [ThinConv2d, ThinConvTranspose2d, ThinConv2d]
    x = torch.randn(2, channels, size, size, dtype=torch.float64, requires_grad=True)
    assert torch.allclose(plain(x), quick(x), rtol=1e-12)
    inputs = (x, *quick.parameters())
    for mine, pytorchs in zip(
        torch.autograd.grad(quick(x).square().sum(), inputs),
        torch.autograd.grad(plain(x).square().sum(), (x, *plain.parameters())),
        strict=True,
    ):
        assert torch.allclose(mine, pytorchs, rtol=1e-10)
    assert torch.autograd.gradgradcheck(quick, (x,), fast_mode=True)  # what a gradient penalty needs


def test_layers_that_do_more_than_the_quick_ones_are_left_alone():
    class Own(nn.Conv2d):
        pass

    layers = [
        nn.Conv2d(4, 8, 3),
        nn.Conv2d(3, 6, 3, groups=3),
        nn.Conv2d(1, 8, 3, dilation=2),
        nn.Conv2d(1, 8, 3, padding="same"),
        nn.Conv2d(1, 8, 3, padding=1, padding_mode="reflect"),
        nn.ConvTranspose2d(8, 4, 3),
        Own(1, 8, 3),
        nn.Flatten(0),
    ]
    before = [type(layer) for layer in layers]
    quicken(nn.Sequential(*layers))
    assert [type(layer) for layer in layers] == before


def test_output_size_of_a_transposed_convolution_can_still_be_asked_for():
    plain, quick = both(nn.Sequential(nn.ConvTranspose2d(8, 1, 3, stride=2, padding=1)))
    x = torch.randn(2, 8, 4, 4)
    assert torch.allclose(plain[0](x, [8, 8]), quick[0](x, [8, 8]))


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_dropout_keeps_its_share_and_the_mean(p, memory_format):
    torch.manual_seed(0)
    x = torch.ones(64, 32, 14, 14).contiguous(memory_format=memory_format).requires_grad_()
    y = Dropout(p)(x)
    kept = (y > 0).float()
    assert y.stride() == x.stride()
    # Both within four standard errors of what is true of independent draws.
    assert kept.mean().item() == pytest.approx(1 - p, abs=4 * math.sqrt(p * (1 - p) / x.numel()))
    assert y.mean().item() == pytest.approx(1, abs=4 * math.sqrt(p / (1 - p) / x.numel()))
    pairs = (kept[..., 1:] * kept[..., :-1]).mean().item()  # neighbours come from the same 64-bit number
    assert pairs == pytest.approx((1 - p) ** 2, abs=4 * math.sqrt(1 / x.numel()))
    y.sum().backward()
    assert torch.equal(x.grad, y)  # the gradient goes through the same mask


def test_dropout_draws_from_the_default_generator_and_only_while_training():
    x = torch.ones(5, 3)
    layer = Dropout(0.5)
    torch.manual_seed(1)
    first, second = layer(x), layer(x)
    torch.manual_seed(1)
    assert torch.equal(torch.stack((layer(x), layer(x))), torch.stack((first, second)))
    assert not torch.equal(first, second)
    assert layer.eval()(x) is x
    assert Dropout(0.0)(x) is x
    assert torch.equal(Dropout(1.0)(x), torch.zeros_like(x))
    half = Dropout(0.3)(x.bfloat16())
    assert half.dtype == torch.bfloat16
    assert set(half.unique().tolist()) <= {0.0, torch.tensor(1 / 0.7).bfloat16().item()}


def test_flatten_gives_its_gradient_in_the_inputs_memory_format():
    x = torch.randn(4, 3, 5, 5).contiguous(memory_format=torch.channels_last).requires_grad_()
    seen = []
    inner = x * 1
    inner.register_hook(lambda grad: seen.append(grad.is_contiguous(memory_format=torch.channels_last)))
    y = Flatten()(inner)
    assert torch.equal(y, x.flatten(1))
    (y**2).sum().backward()
    assert seen == [True]
    assert torch.allclose(x.grad, 2 * x)


def test_a_quick_discriminator_is_still_known_not_to_mix_its_batch():
    assert make_loop(DCGAN(width=2, depth=1)).joined
