"""Modes of the known mixtures, and the mixtures themselves."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_runs import CPU

from gan_bench.api.data_spec import Modes
from gan_bench.data.prepare import prepare
from gan_bench.scoring.evaluator import Evaluator
from gan_bench_plugins.datasets.digits import Digits
from gan_bench_plugins.datasets.gaussian import Gaussian
from gan_bench_plugins.datasets.grid25 import Grid25
from gan_bench_plugins.datasets.ring import Ring
from gan_bench_plugins.datasets.spiral import Spiral
from gan_bench_plugins.datasets.stacked_digits import StackedDigits
from gan_bench_plugins.metrics.fid import FrechetDistance
from gan_bench_plugins.metrics.modes import ModeCounts
from gan_bench_plugins.metrics.pixels import Pixels


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_BENCH_CACHE", str(tmp_path / "cache"))


def count(points, modes: Modes) -> dict[str, float]:
    known = SimpleNamespace(data=SimpleNamespace(name="toy", spec=SimpleNamespace(modes=modes)))
    metric = ModeCounts()
    return metric.score(torch.as_tensor(points), metric.reference_of(known))  # type: ignore[arg-type]


@pytest.mark.parametrize("plugin", [Ring(), Grid25()])
def test_a_perfect_sampler(plugin):
    modes = plugin.known_modes()
    size, many = len(modes.centres), 5000
    found = [count(plugin._part(many, seed).samples, modes) for seed in range(2, 32)]
    assert {numbers["modes"] for numbers in found} == {1.0}
    near = np.array([numbers["near a mode"] for numbers in found])
    assert near.mean() == pytest.approx(1 - np.exp(-9 / 2), abs=4 * near.std() / 30**0.5)  # 98.9 %
    divergence = np.array([numbers["mode KL"] for numbers in found])
    assert divergence.mean() == pytest.approx((size - 1) / (2 * many), rel=0.35)


def test_missing_modes_shrunken_modes_and_strays():
    modes = Ring().known_modes()
    centres = torch.tensor(modes.centres)
    half = count(centres[:4].repeat(250, 1), modes)
    assert half == {"modes": 0.5, "near a mode": 1, "mode KL": pytest.approx(np.log(2))}
    away = torch.tensor([[4 * modes.std, 0.0]])
    strays = count(torch.cat([centres.repeat(100, 1), (centres[:1] + away).repeat(200, 1)]), modes)
    assert (strays["modes"], strays["near a mode"]) == (1, 0.8)
    few = torch.cat([centres[:7].repeat(1000, 1), centres[7:].repeat(70, 1)])
    assert count(few, modes)["modes"] == 7 / 8, "0.99 % are not enough"
    assert count(torch.cat([few, centres[7:]]), modes)["modes"] == 1
    with pytest.raises(ValueError, match="1 of 2 samples are not finite"):
        count(torch.tensor([[0.0, 0], [torch.inf, 0]]), modes)


def test_a_quarter_of_the_fair_share_is_enough_of_many_modes():
    modes = Modes(tuple((float(i),) for i in range(100)), 0.1)
    assert count(torch.arange(100.0).repeat(10)[:, None], modes)["modes"] == 1


def test_through_the_evaluator_with_the_points_themselves_as_features(tmp_path):
    data = prepare(Ring(training=2000, held_out=2000))
    assert data.spec.modes == Ring().known_modes(), "kept in the cache of decoded data"
    evaluator = Evaluator(data, [ModeCounts(), FrechetDistance()], Pixels(), 1000, CPU, tmp_path)
    evaluator.prepare()
    found, near, divergence, fid = evaluator.score_training_data()
    assert [score["label"] for score in (found, near, divergence, fid)] == [
        "modes",
        "near a mode",
        "mode KL",
        "FD[pixels]",
    ]
    assert (found["value"], found["unit"], found["better"]) == (1, "share", "higher")
    assert near["value"] > 0.98
    assert 0 <= fid["value"] < 0.02
    x = data.held_out.data
    assert evaluator.extraction.real().equal(x)


def test_real_gaussian_data_score_the_expected_bias(tmp_path):
    d, n = 16, 4000
    data = prepare(Gaussian(dimension=d, training=n, held_out=n))
    evaluator = Evaluator(data, [FrechetDistance()], Pixels(), n, CPU, tmp_path)
    (floor,) = evaluator.score_training_data()
    expected = 0.25**2 * (2 * d / n + d * (d + 1) / (2 * (n - 1)))
    assert floor["value"] == pytest.approx(expected, rel=0.25)  # one draw spreads by a tenth


def test_data_without_known_modes_say_so(tmp_path):
    evaluator = Evaluator(prepare(Digits(size=8)), [ModeCounts()], Pixels(), 20, CPU, tmp_path)
    evaluator.prepare()
    scores = evaluator.score(torch.zeros(20, 1, 8, 8))
    assert {score["error"] for score in scores} == {"dataset digits tells no modes: Dataset.known_modes() does"}
    assert evaluator.extraction.real().shape == (360, 64)


def test_mixtures_are_as_published_up_to_scale():
    ring, grid = Ring().known_modes(), Grid25().known_modes()
    assert (len(ring.centres), len(grid.centres)) == (8, 25)
    assert np.linalg.norm(ring.centres, axis=1) == pytest.approx(100 * ring.std)  # radius 1, std 0.01
    sides = np.unique(np.round(grid.centres, 9))
    assert np.diff(sides) == pytest.approx(40 * grid.std)  # distance 2, std 0.05
    for plugin in (Ring(), Grid25(), Gaussian(), Spiral()):
        points = plugin._part(1000, 0).samples
        assert points.shape == (1000, 2)
        assert (np.abs(points) < 1).mean() > 0.999
    assert Gaussian(dimension=64)._part(10, 0).samples.shape == (10, 64)


def test_a_gaussian_has_its_moments_and_no_classes():
    data = prepare(Gaussian(dimension=3, training=20_000, held_out=10))
    assert data.training.labels is None
    assert data.training.data.mean(0).abs().max() < 0.01
    assert torch.allclose(data.training.data.T.cov(), 0.25**2 * torch.eye(3), atol=0.003)


def test_a_spiral_lies_on_its_arms_evenly():
    part = Spiral(arms=3, std=1e-6)._part(30_000, 0)
    x, y = part.samples.astype(np.float64).T
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    turned = radius / 0.8 * 2 * np.pi * 1.5 + 2 * np.pi * part.labels / 3
    assert np.abs(np.exp(1j * angle) - np.exp(1j * turned))[radius > 0.01].max() < 1e-3
    t = radius / 0.8 * 3 * np.pi
    arc = (t * np.sqrt(1 + t * t) + np.arcsinh(t)) / 2
    share = np.sort(arc / ((3 * np.pi * np.sqrt(1 + 9 * np.pi**2) + np.arcsinh(3 * np.pi)) / 2))
    assert np.abs(share - np.linspace(0, 1, len(share))).max() < 0.02, "Kolmogorov and Smirnov's distance"


def test_stacked_digits_have_a_thousand_classes():
    data = prepare(StackedDigits(size=8, training=3000, held_out=400))
    assert (data.spec.shape, len(data.spec.classes or ())) == ((3, 8, 8), 1000)
    assert data.training.labels is not None
    assert data.held_out.labels is not None
    digits = prepare(Digits(size=8))
    single = {row.numpy().tobytes(): int(label) for row, label in zip(*_all(digits.training), strict=True)}
    for picture, label in zip(*_all(data.training), strict=True):
        known = [single[channel.numpy().tobytes()] for channel in picture]
        assert known == [int(label) // 100, int(label) // 10 % 10, int(label) % 10]
    others = {row.numpy().tobytes() for row in digits.held_out.data}
    assert {channel.numpy().tobytes() for picture in data.held_out.data for channel in picture} <= others
    shares = (data.training.labels // 100).bincount(minlength=10) / 3000
    assert torch.allclose(shares, torch.full((10,), 0.1), atol=0.03)


def _all(part):
    return part.data, part.labels
