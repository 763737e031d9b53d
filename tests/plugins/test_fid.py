"""The Fréchet distance against closed forms and independent implementations."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import nn

from gan_bench_plugins.metrics.fid import BLOCK, FrechetDistance


def score(generated: torch.Tensor, real: torch.Tensor) -> float:
    metric = FrechetDistance()
    return metric.score(generated, metric.reference(real))


def normal(count: int, dimension: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, dimension, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def with_moments(mean: torch.Tensor, covariance: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """Samples whose mean and unbiased covariance are exactly these."""
    sample = normal(4 * len(mean), len(mean), seed)
    sample = sample - sample.mean(0)
    whitened = torch.linalg.solve_triangular(torch.linalg.cholesky(sample.T.cov()), sample.T, upper=False)
    return (torch.linalg.cholesky(covariance) @ whitened).T + mean


def reference_sqrtm(x: torch.Tensor, y: torch.Tensor) -> float:
    """The definition, by scipy's matrix square root."""
    x, y = x.double().numpy(), y.double().numpy()
    s, t = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(s @ t).real
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(s + t - 2 * root))


def reference_singular_values(x: torch.Tensor, y: torch.Tensor) -> float:
    """tr (S1 S2)^1/2 as the sum of singular values of A B^T with S1 = A^T A, S2 = B^T B: exact for N < d as well."""
    a, b = (z.double() for z in (x, y))
    gap = (a.mean(0) - b.mean(0)).square().sum()
    a, b = ((z - z.mean(0)) / (len(z) - 1) ** 0.5 for z in (a, b))
    return float(gap + a.square().sum() + b.square().sum() - 2 * torch.linalg.svdvals(a @ b.T).sum())


def reference_torchmetrics(x: torch.Tensor, y: torch.Tensor) -> float:
    from torchmetrics.image.fid import FrechetInceptionDistance  # takes seconds to import

    given = nn.Identity()
    given.num_features = x.shape[1]
    metric = FrechetInceptionDistance(given)
    metric.update(y, real=True)
    metric.update(x, real=False)
    return float(metric.compute())


def reference_torch_fidelity(x: torch.Tensor, y: torch.Tensor) -> float:
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    found = fid_statistics_to_metric(*map(fid_features_to_statistics, (x.double(), y.double())), verbose=False)
    return float(found["frechet_inception_distance"])


def reference_pytorch_fid(x: torch.Tensor, y: torch.Tensor) -> float:
    """As pytorch-fid's calculate_frechet_distance, with 1e-6 on the diagonals where the product is nearly singular."""
    x, y = x.double().numpy(), y.double().numpy()
    m, n, s, t = x.mean(0), y.mean(0), np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(s @ t)
    if not np.isfinite(root).all():
        offset = 1e-6 * np.eye(len(s))
        root = scipy.linalg.sqrtm((s + offset) @ (t + offset))
    assert np.allclose(np.diagonal(root).imag, 0, atol=1e-3)
    return float((m - n) @ (m - n) + np.trace(s) + np.trace(t) - 2 * np.trace(root.real))


@pytest.mark.parametrize("theirs", [reference_torch_fidelity, reference_pytorch_fid])
def test_agrees_with_other_implementations_on_equal_features(theirs):
    x, y = (normal(600, 48) @ normal(48, 48, 1)).relu().float(), (normal(500, 48, 2) @ normal(48, 48, 3)).relu().float()
    assert score(x, y) == pytest.approx(theirs(x, y), rel=1e-6)


def test_commuting_gaussians_in_closed_form():
    # Diagonal covariances: sum of (mean difference)^2 + (s1 - s2)^2.
    m, n = torch.tensor([1.0, -2, 0, 3]).double(), torch.tensor([0.0, 1, 0, 3.5]).double()
    s, t = torch.tensor([1.0, 2, 0.5, 3]).double(), torch.tensor([2.0, 2, 1, 0.1]).double()
    x, y = with_moments(m, torch.diag(s**2)), with_moments(n, torch.diag(t**2), seed=1)
    assert score(x, y) == pytest.approx(float(((m - n) ** 2 + (s - t) ** 2).sum()), rel=1e-9)


def test_non_commuting_gaussians_in_closed_form():
    # In two dimensions tr M^1/2 = sqrt(tr M + 2 sqrt(det M)), here with M = S T.
    s, t = torch.tensor([[2.0, 1], [1, 3]]).double(), torch.tensor([[1.0, -0.5], [-0.5, 4]]).double()
    assert not torch.allclose(s @ t, t @ s)
    zero = torch.zeros(2).double()
    root = ((s @ t).trace() + 2 * torch.det(s @ t).sqrt()).sqrt()
    expected = float(s.trace() + t.trace() - 2 * root)
    assert score(with_moments(zero, s), with_moments(zero, t, seed=1)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("count", "dimension"), [(500, 16), (50, 64)])
def test_identity_and_duplicates_score_zero(count, dimension):
    x = normal(count, dimension)
    assert score(x, x) == pytest.approx(0, abs=1e-6)
    shuffled = torch.cat([x, x])[torch.randperm(2 * count, generator=torch.Generator().manual_seed(0))]
    # The unbiased covariance of a doubled sample is (2N - 2) / (2N - 1) of the sample's.
    expected = (1 - ((2 * count - 2) / (2 * count - 1)) ** 0.5) ** 2 * float(x.T.cov().trace())
    assert score(shuffled, x) == pytest.approx(expected, abs=1e-6)


def test_two_samples_of_one_gaussian_score_the_expected_bias():
    count, dimension = 1000, 64
    scores = [score(normal(count, dimension, 2 * i), normal(count, dimension, 2 * i + 1)) for i in range(12)]
    expected = 2 * dimension / count + dimension * (dimension + 1) / (2 * (count - 1))
    assert np.mean(scores) == pytest.approx(expected, rel=0.02)  # to leading order in d/N


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_agrees_with_the_definition(dtype, offset):
    x = ((normal(300, 24) @ normal(24, 24, 1)).relu() + offset).to(dtype)
    y = ((normal(200, 24, 2) @ normal(24, 24, 3)).relu() + offset).to(dtype)
    assert score(x, y) == pytest.approx(reference_sqrtm(x, y), rel=1e-7)
    assert score(x, y) == pytest.approx(reference_singular_values(x, y), rel=1e-7)


def test_agrees_with_the_exact_form_where_samples_are_fewer_than_dimensions():
    x, y = normal(40, 128).float(), (1.5 * normal(60, 128, 1) + 0.2).float()
    assert score(x, y) == pytest.approx(reference_singular_values(x, y), rel=1e-6)


@pytest.mark.parametrize(
    ("generated", "real", "dimension"),
    [(900, 800, BLOCK + 44), (100, 800, BLOCK + 44), (900, 120, BLOCK + 44), (100, 120, BLOCK + 44), (64, 64, 64)],
)
def test_agrees_with_torchmetrics(generated, real, dimension):
    mix = normal(dimension, dimension, 2) / dimension**0.5
    x, y = (normal(generated, dimension) @ mix).relu(), normal(real, dimension, 1).relu()
    assert score(x, y) == pytest.approx(reference_torchmetrics(x, y), rel=1e-6)
    assert score(x, y) == pytest.approx(reference_singular_values(x, y), rel=1e-9)


@pytest.mark.parametrize("count", [300, 50])
def test_is_exact_where_features_are_dead(count):
    x, y = normal(count, 64), normal(200, 64, 1)
    x[:, :9], y[:, 5:20] = 0.3, 0
    assert score(x, y) == pytest.approx(reference_singular_values(x, y), rel=1e-7)
    assert score(y, y) == pytest.approx(0, abs=1e-6)


def test_worse_samples_score_higher():
    real = normal(500, 8)
    noisy = [score(normal(500, 8, 1) + amount * normal(500, 8, 2), real) for amount in (0, 0.5, 1, 2)]
    assert noisy == sorted(noisy)
    repeated = real[:1].expand(500, 8)
    assert score(repeated, real) > score(normal(500, 8, 1), real)


def test_is_symmetric_and_never_negative():
    x, y = normal(30, 8), normal(50, 8, 1)
    assert score(x, y) == pytest.approx(score(y, x), rel=1e-9)
    assert score(torch.zeros(5, 3), torch.zeros(9, 3)) == 0


def test_says_why_it_cannot_be_computed():
    x = normal(10, 3)
    with pytest.raises(ValueError, match="at least 2 generated samples, not 1"):
        score(x[:1], x)
    with pytest.raises(ValueError, match="at least 2 real samples, not 0"):
        score(x, x[:0])
    broken = x.clone()
    broken[2, 1] = torch.nan
    broken[3] = torch.inf
    with pytest.raises(ValueError, match="2 of 10 generated samples"):
        score(broken, x)


def test_is_called_fid_for_inceptions_2048_features_alone():
    metric = FrechetDistance()
    assert metric.label(SimpleNamespace(label="inception-2048")) == "FID"
    assert metric.label(SimpleNamespace(label="classifier")) == "FD[classifier]"
    assert (metric.better, metric.scale) == ("lower", "log")
