"""The kernel distance against its definition and its behaviour under chance."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gan_bench.api.kinds import Estimate
from gan_bench_plugins.metrics.kid import KernelDistance


def normal(count: int, dimension: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, dimension, generator=torch.Generator().manual_seed(seed))


def score(generated: torch.Tensor, real: torch.Tensor, **parameters: int) -> Estimate:
    metric = KernelDistance(**parameters)
    return metric.score(generated, metric.reference(real))


def test_agrees_with_torch_fidelity():
    from torch_fidelity.metric_kid import kid_features_to_metric

    x, y = (1.1 * normal(205, 24)).relu(), normal(205, 24, 1).relu()
    settings = {"kid_kernel_poly_degree": 3, "kid_kernel_poly_gamma": None, "kid_kernel_poly_coef0": 1}
    theirs = kid_features_to_metric(
        x, y, kid_subsets=1, kid_subset_size=205, rng_seed=0, verbose=False, kid_kernel="poly", **settings
    )
    assert score(x, y).value == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-4)


@pytest.mark.slow
def test_agrees_with_torchmetrics():
    from torchmetrics.image.kid import poly_mmd

    x, y = (1.1 * normal(120, 24)).relu(), normal(120, 24, 1).relu()
    assert score(x, y).value == pytest.approx(float(poly_mmd(x.double(), y.double())), rel=1e-9)


@pytest.mark.parametrize("groups", [2, 7])
def test_agrees_with_the_definition(groups):
    x, y = normal(30, 4).double(), 1.3 * normal(41, 4, 1).double()
    kernel = lambda a, b: (a @ b.T / 4 + 1) ** 3  # noqa: E731

    def distance(a, b):
        within = [(kernel(z, z).sum() - kernel(z, z).trace()) / (len(z) * (len(z) - 1)) for z in (a, b)]
        return float(sum(within) - 2 * kernel(a, b).mean())

    found = score(x, y, groups=groups)
    assert found.value == pytest.approx(distance(x, y))
    # Left out one group at a time; which real samples make a group is the shuffle's affair.
    reference = KernelDistance(groups=groups).reference(y)
    parts = [z.tensor_split(groups) for z in (x, reference["features"])]
    left = [[torch.cat([*part[:i], *part[i + 1 :]]) for part in parts] for i in range(groups)]
    values = np.array([distance(*some) for some in left])
    expected = ((values - values.mean()) ** 2).sum() * (groups - 1) / groups
    again = KernelDistance(groups=groups).score(x, reference)
    assert again.standard_error == pytest.approx(expected**0.5)


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.0])
def test_normal_distributions_in_closed_form(shift):
    # (xy + 1)^3 = 1 + 3xy + 3x^2y^2 + x^3y^3, so the discrepancy is that of the first three moments: m, m^2 + 1, m^3 + 3m.
    expected = 3 * shift**2 + 3 * shift**4 + (shift**3 + 3 * shift) ** 2
    found = [score(normal(120, 1, 2 * i) + shift, normal(120, 1, 2 * i + 1)).value for i in range(40)]
    assert np.mean(found) == pytest.approx(expected, abs=4 * np.std(found) / 40**0.5)
    assert np.std(found) / 40**0.5 < 0.15 * max(expected, 1)


@pytest.mark.slow
def test_is_unbiased_and_not_clipped():
    found = [score(normal(60, 8, 2 * i), normal(60, 8, 2 * i + 1)) for i in range(150)]
    values = np.array([estimate.value for estimate in found])
    assert values.mean() == pytest.approx(0, abs=4 * values.std() / 150**0.5)
    assert 0.35 < (values < 0).mean() < 0.75


def test_standard_error_is_the_spread_of_repeated_measurements():
    found = [score(1.3 * normal(150, 8, 2 * i) + 0.3, normal(150, 8, 2 * i + 1)) for i in range(60)]
    spread = np.std([estimate.value for estimate in found])
    assert 0.75 < np.mean([estimate.standard_error for estimate in found]) / spread < 1.5


def test_data_in_order_are_shuffled_for_the_standard_error():
    ordered = normal(200, 2).sort(dim=0).values
    torch.manual_seed(0)
    reference = KernelDistance().reference(ordered)
    assert not reference["features"].equal(ordered)
    assert reference["features"].sort(dim=0).values.equal(ordered)


def test_says_why_it_cannot_be_computed_and_is_called_kid_for_inception_alone():
    x = normal(30, 3)
    with pytest.raises(ValueError, match="at least 20 generated samples, not 19"):
        score(x[:19], x)
    with pytest.raises(ValueError, match="1 of 30 generated samples"):
        score(torch.cat([x[1:], x[:1] * torch.nan]), x)
    metric = KernelDistance()
    assert metric.label(SimpleNamespace(label="inception-2048")) == "KID"  # type: ignore[arg-type]
    assert metric.label(SimpleNamespace(label="classifier")) == "KID[classifier]"  # type: ignore[arg-type]
    assert (metric.better, metric.scale) == ("lower", "raw")
