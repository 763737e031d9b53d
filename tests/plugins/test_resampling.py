"""Maps made larger and smaller: bilinear, of any size, the same on every device."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from gan_bench.api.data_spec import DataSpec
from gan_bench_plugins.architectures._parts import Bilinear, Filter, map_sizes


def test_doubling_is_pytorchs_bilinear_interpolation_but_for_the_edges():
    x = torch.randn(2, 3, 5, 6)
    ours, theirs = Bilinear((5, 6), (10, 12))(x), F.interpolate(x, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(ours[..., 1:-1, 1:-1], theirs[..., 1:-1, 1:-1])


def test_halving_is_pytorchs_bilinear_interpolation_against_aliasing_but_for_the_edges():
    x = torch.randn(2, 3, 12, 16)
    ours = Bilinear((12, 16), (6, 8))(x)
    theirs = F.interpolate(x, scale_factor=0.5, mode="bilinear", antialias=True)
    torch.testing.assert_close(ours[..., 1:-1, 1:-1], theirs[..., 1:-1, 1:-1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("small", "large"), [((4, 4), (7, 8)), ((5, 5), (9, 5)), ((4, 6), (8, 11)), ((3, 4), (3, 8))])
def test_odd_sizes_and_sides_that_stay(small, large):
    assert Bilinear(small, large)(torch.randn(2, 3, *small)).shape == (2, 3, *large)
    assert Bilinear(large, small)(torch.randn(2, 3, *large)).shape == (2, 3, *small)
    flat = Bilinear(small, large)(torch.ones(1, 1, *small))[..., 1:-1, 1:-1]
    torch.testing.assert_close(flat, torch.ones_like(flat))


def test_filters_keep_size_and_brightness_and_are_nobodys_parameters():
    layer = Filter([1, 2, 1], [1])
    assert not [*layer.parameters()]
    assert not layer.state_dict()
    x = torch.randn(2, 3, 5, 6)
    middle = (x[..., :-2, :] + 2 * x[..., 1:-1, :] + x[..., 2:, :]) / 4
    torch.testing.assert_close(layer(x)[..., 1:-1, :], middle)


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        ((28, 28), [(28, 28), (14, 14), (7, 7)]),
        ((24, 40), [(24, 40), (12, 20), (6, 10), (6, 5)]),
        ((33, 8), [(33, 8), (17, 4), (9, 4), (5, 4)]),
        ((4, 7), [(4, 7)]),
    ],
)
def test_sizes_of_maps(shape, sizes):

    assert map_sizes("it", DataSpec((1, *shape))) == sizes
