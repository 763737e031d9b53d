"""The Fréchet distance of given features, against torchmetrics'. The real side is done beforehand for both.

pytest benchmarks/test_fid_speed.py

Both take turns in one run, on one thread; torchmetrics' time is that of `update` with the generated features and `compute`.
"""

from __future__ import annotations

import time

import pytest
import torch
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance

from gan_bench_plugins.metrics.fid import FrechetDistance

DIMENSION = 2048  # Inception's
ROUNDS = 3


@pytest.mark.parametrize(("samples", "at_least"), [(1000, 5), (2000, 4), (3000, 2.5), (10_000, 2.5)])
def test_fid_of_fixed_features(benchmark, samples, at_least):
    random = torch.Generator().manual_seed(0)
    mix = torch.randn(DIMENSION, DIMENSION, generator=random) / DIMENSION**0.5
    generated = (torch.randn(samples, DIMENSION, generator=random) @ mix).relu()
    real = torch.randn(10_000, DIMENSION, generator=random).relu()
    metric = FrechetDistance()
    reference = metric.reference(real)
    given = nn.Identity()
    given.num_features = DIMENSION
    theirs = FrechetInceptionDistance(given, reset_real_features=False).set_dtype(torch.float64)
    theirs.update(real.double(), real=True)
    seconds: dict[str, list[float]] = {"ours": [], "update": [], "compute": []}
    values = []

    def timed(what, function, *args, **options):
        before = time.process_time()  # whatever else the machine does
        result = function(*args, **options)
        seconds[what].append(time.process_time() - before)
        return result

    def usual():
        theirs.reset()
        timed("update", theirs.update, generated.double(), real=False)
        values.append(float(timed("compute", theirs.compute)))

    value = benchmark.pedantic(timed, args=("ours", metric.score, generated, reference), setup=usual, rounds=ROUNDS)
    assert value == pytest.approx(values[0], rel=1e-6)
    best = {what: min(found) for what, found in seconds.items()}
    ratio = (best["update"] + best["compute"]) / best["ours"]
    benchmark.extra_info.update(ratio=ratio, to_compute_alone=best["compute"] / best["ours"])
    assert ratio > at_least
