"""Layers that are computed faster must compute the same."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from small_runs import make_loop
from torch import nn

from gan_bench.training.layers import cpu, gpu, quicken, unquicken
from gan_bench.training.layers.common import Flatten
from gan_bench.training.layers.cpu import Dropout
from gan_bench.training.layers.kernels import TYPES, available, compile_for
from gan_bench_plugins.architectures.dcgan import DCGAN

# Those for GPUs compute without one by PyTorch's own unfold and fold.
LAYERS = {"cpu": cpu, **({"cuda": gpu} if available() else {})}
needs_cuda = pytest.mark.skipif(not available(), reason="this PyTorch came without CUDA")
CONVOLUTIONS = [(5, 2, 2), (3, 1, 1), (4, 2, 1), (1, 1, 0)]


def both(network: nn.Module, device: str = "cpu") -> tuple[nn.Module, nn.Module]:
    """A network and its copy, quickened for a device."""
    quick = copy.deepcopy(network)
    quicken(quick, torch.device(device))
    return network, quick


@pytest.mark.parametrize("device", LAYERS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize(("kernel", "stride", "padding"), CONVOLUTIONS)
def test_thin_convolutions_have_the_values_and_derivatives_of_pytorchs(channels, size, kernel, stride, padding, device):
    torch.manual_seed(0)
    left_over = (size - kernel + 2 * padding) % stride
    plain, quick = both(
        nn.Sequential(
            nn.Conv2d(channels, 48, kernel, stride, padding),
            nn.LeakyReLU(0.3),
            nn.ConvTranspose2d(48, channels, kernel, stride, padding, output_padding=left_over),
            nn.Tanh(),
            nn.Conv2d(channels, 40, kernel, stride, padding, bias=False),
        ).double(),
        device,
    )
    kinds = LAYERS[device]
    assert [type(m) for m in quick[::2]] == [kinds.ThinConv2d, kinds.ThinConvTranspose2d, kinds.ThinConv2d]
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


@pytest.mark.parametrize("device", LAYERS)
def test_layers_that_do_more_than_the_quick_ones_are_left_alone(device):
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
    quicken(nn.Sequential(*layers), torch.device(device))
    assert [type(layer) for layer in layers] == before


@pytest.mark.parametrize("device", [*LAYERS, "meta"])
def test_pytorchs_layers_can_be_put_back(device):
    plain, quick = both(
        nn.Sequential(nn.Conv2d(1, 8, 3), nn.Dropout(), nn.Flatten(), nn.ConvTranspose2d(8, 3, 3)), device
    )
    unquicken(quick)
    assert [type(layer) for layer in quick] == [type(layer) for layer in plain]


@needs_cuda
def test_a_gpu_keeps_pytorchs_convolution_where_its_patches_would_be_much_larger_than_its_maps():
    wide, narrow = nn.Conv2d(3, 128, 9), nn.Conv2d(3, 64, 9)  # 248 numbers a patch
    quicken(nn.Sequential(wide, narrow), torch.device("cuda"))
    assert (type(wide), type(narrow)) == (gpu.ThinConv2d, nn.Conv2d)


@pytest.mark.parametrize("device", LAYERS)
def test_output_size_of_a_transposed_convolution_can_still_be_asked_for(device):
    plain, quick = both(nn.Sequential(nn.ConvTranspose2d(8, 1, 3, stride=2, padding=1)), device)
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


GEOMETRIES = [
    gpu.Geometry((channels, 9, 7), (5, 4), (5, 3), (2, 2), (2, 1), ones)
    for channels in (1, 3)
    for ones in (True, False)
]


@needs_cuda
@pytest.mark.parametrize("architecture", ["sm_75", "sm_80", "sm_90", "sm_100"])
def test_kernels_compile_for_gpus_that_are_not_here(architecture):
    for source in (gpu.PATCHES, gpu.SCATTER):
        for dtype in TYPES:
            assert compile_for(architecture, source, GEOMETRIES[0].constants(dtype)).startswith(b"\x7fELF")
    with pytest.raises(RuntimeError, match=r"does not compile(.|\n)*identifier"):
        compile_for(architecture, 'extern "C" __global__ void kernel() { unknown(); }', {"FLOAT32": 1})


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_kernels_do_what_unfold_and_fold_do(dtype, geometry, memory_format):
    random = torch.Generator().manual_seed(0)
    pictures = torch.randn(4, *geometry.picture, generator=random).to(dtype).contiguous(memory_format=memory_format)
    rows = gpu.Patches.apply(pictures, geometry)
    assert torch.equal(gpu.Patches.apply(pictures.cuda(), geometry).cpu(), rows)
    rows = torch.randn(rows.shape, generator=random).to(dtype)
    exact, found = gpu.Scatter.apply(rows.double(), geometry), gpu.Scatter.apply(rows.cuda(), geometry).cpu()
    assert (found.dtype, found.shape) == (dtype, exact.shape)
    assert torch.allclose(found.double(), exact, rtol=max(torch.finfo(dtype).eps, 1e-5), atol=1e-5)
    assert torch.equal(gpu.Scatter.apply(rows.cuda(), geometry).cpu(), found)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_gpu_rounds_to_16_bits_as_pytorch_does(dtype):
    """Sums of one number each: what is stored is what was read."""
    geometry = gpu.Geometry((1, 4, 4), (4, 4), (1, 1), (1, 1), (0, 0), False)
    numbers = torch.tensor([0.0, -0.0, 1e-40, 3e38, -3e38, math.inf, -math.inf, math.nan] * 2).to(dtype)
    rows = torch.zeros(16, 8, dtype=dtype)
    rows[:, 0] = numbers
    found = gpu.Scatter.apply(rows.cuda(), geometry).cpu().flatten()
    assert torch.equal(found.nan_to_num(7), (numbers + 0).nan_to_num(7))


@pytest.mark.gpu
@pytest.mark.parametrize("half", [None, torch.bfloat16, torch.float16])
def test_thin_convolutions_on_a_gpu_are_those_of_pytorch(half):
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 64, 5, 2, 2), nn.LeakyReLU(0.3), nn.ConvTranspose2d(64, 1, 5, 2, 2, 1, bias=False), nn.Tanh()
    ).cuda()
    _, quick = both(network, "cuda")
    x = torch.randn(8, 1, 28, 28, device="cuda", requires_grad=True)

    def derivatives(one, exact=False):
        with torch.autocast("cuda", half, enabled=half is not None and not exact):
            out = one(x.double() if exact else x).double()
        (slope,) = torch.autograd.grad(out.square().sum(), x, create_graph=True)
        return [g.double() for g in torch.autograd.grad(slope.square().sum(), [x, *one.parameters()])]

    exact = derivatives(copy.deepcopy(network).double(), exact=True)
    for mine, pytorchs, true in zip(derivatives(quick), derivatives(network), exact, strict=True):
        errors = [(found - true).norm() / true.norm() for found in (mine, pytorchs)]
        assert errors[0] < 1.5 * errors[1] + 1e-6
