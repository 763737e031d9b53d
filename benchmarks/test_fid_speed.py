"""The Fréchet distance of given features.

pytest benchmarks/test_fid_speed.py
"""

from __future__ import annotations

import pytest
import torch

from gan_bench_plugins.metrics.fid import FrechetDistance


@pytest.mark.parametrize(("samples", "dimension"), [(2000, 64), (10_000, 64), (1000, 512)])
def test_fid_of_fixed_features(benchmark, samples, dimension):
    random = torch.Generator().manual_seed(0)
    mix = torch.randn(dimension, dimension, generator=random)
    generated, real = (torch.randn(samples, dimension, generator=random) @ mix for _ in range(2))
    value = benchmark.pedantic(FrechetDistance().score, args=(generated, real), rounds=3, warmup_rounds=1)
    benchmark.extra_info["value"] = value
