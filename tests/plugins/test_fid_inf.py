"""The extrapolated Fréchet distance has no bias by the number of generated samples."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gan_bench_plugins.metrics.fid import FrechetDistance
from gan_bench_plugins.metrics.fid_inf import InfiniteFrechetDistance


def normal(count: int, dimension: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, dimension, generator=torch.Generator().manual_seed(seed))


def test_the_bias_of_few_generated_samples_is_gone():
    torch.manual_seed(0)
    real, d, n = normal(50_000, 8, 99), 8, 400
    plain, extrapolated = FrechetDistance(), InfiniteFrechetDistance()
    reference = plain.reference(real)
    generated = [normal(n, d, i) for i in range(40)]
    biased = [plain.score(some, reference) for some in generated]
    assert np.mean(biased) == pytest.approx(d / n + d * (d + 1) / (4 * (n - 1)), rel=0.1)
    values = [extrapolated.score(some, reference) for some in generated]
    assert np.mean(values) == pytest.approx(0, abs=np.mean(biased) / 4)
    moved = [extrapolated.score(1.5 * some + 1, reference) for some in generated]
    assert np.mean(moved) == pytest.approx(d * (1 + 0.5**2), rel=0.03)


def test_few_sizes_of_one_line():
    # Distances that are exactly a + b/N have the intercept a.
    metric = InfiniteFrechetDistance(sizes=4, smallest=0.2)
    reference = {"mean": torch.zeros(1).double(), "root": torch.zeros(1, 1).double()}
    torch.manual_seed(0)
    values = [metric.score(normal(200, 1, i).double(), reference) for i in range(200)]
    # Against a point at 0 the distance is mean^2 + variance: 1 + 1/N for N(0, 1).
    assert np.mean(values) == pytest.approx(1, abs=4 * np.std(values) / 200**0.5)


def test_is_called_fid_for_inception_alone_and_says_what_is_missing():
    metric = InfiniteFrechetDistance()
    assert metric.label(SimpleNamespace(label="inception-2048")) == "FID∞"  # type: ignore[arg-type]
    assert metric.label(SimpleNamespace(label="pixels")) == "FD∞[pixels]"  # type: ignore[arg-type]
    assert (metric.better, metric.scale) == ("lower", "raw")
    with pytest.raises(ValueError, match="at least 10 generated samples, not 9"):
        metric.score(normal(9, 2), metric.reference(normal(50, 2)))
