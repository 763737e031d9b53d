"""Dirac-GAN (Mescheder et al. 2018): the real loop follows the trajectory that is known in closed form.

With L = softplus(-D(real)) + softplus(D(fake)), real 0, fake theta, D(x) = psi x, and learning rate h, an alternating step is
    psi'   = psi - h sigma(psi theta) theta        (R1 adds -h gamma psi)
    theta' = theta + h sigma(-psi' theta) psi'     (the non-saturating loss of G)
Near the equilibrium sigma is 1/2, so (psi, theta) is multiplied by [[r, -h/2], [h r/2, 1 - h^2/4]] with r = 1 - h gamma. Its
determinant is r: without R1 its eigenvalues have modulus 1, and orbits neither shrink nor grow.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from dirac import H, train
from stores import gan_bench

from gan_bench.api.kinds import Trick
from gan_bench.api.registry import Registry
from gan_bench_plugins.tricks.input_noise import InputNoise
from gan_bench_plugins.tricks.r1 import R1

REGISTRY = Registry.load()
Slope = Callable[[float, float], float]


def exact(steps: int, start: tuple[float, float], gamma: float = 0.0) -> np.ndarray:
    """The same by the formulas above."""

    def sigma(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    psi, theta = start
    path = [start]
    for _ in range(steps):
        psi -= H * (sigma(psi * theta) * theta + gamma * psi)
        theta += H * sigma(-psi * theta) * psi
        path.append((psi, theta))
    return np.array(path)


@pytest.mark.parametrize(("tricks", "gamma"), [([], 0.0), ([R1(gamma=0.5)], 0.5)], ids=["unregularised", "R1"])
@pytest.mark.parametrize("start", [(1.0, 1.0), (-0.3, 2.0)])
def test_every_step_is_the_formulas(start, tricks, gamma):
    assert train(300, start, tricks) == pytest.approx(exact(300, start, gamma), abs=2e-5)


@pytest.mark.slow
def test_near_the_equilibrium_it_neither_arrives_nor_leaves():
    radius = np.hypot(*train(2000, (0.02, 0.0), []).T)
    assert radius.min() > 0.019
    assert radius.max() < 0.021


def trick(name: str, **settings: Any) -> Trick:
    """A built-in trick."""
    return REGISTRY.create("trick", {"name": name, **settings})


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def clipped(slope: float) -> float:
    return max(-0.2, min(0.2, slope))


# Tricks of D, each with the derivative by psi of what it adds to D's loss: real samples are 0, fakes theta, D's gradient psi.
PENALTIES = {
    "r2": ({"gamma": 0.5}, lambda psi, theta: 0.5 * psi),
    "spectral_regularisation": ({"weight": 0.5}, lambda psi, theta: 0.5 * psi),
    "zero_centred_gp": ({"weight": 0.25}, lambda psi, theta: 0.5 * psi),
    "dragan": ({"weight": 0.25}, lambda psi, theta: 0.5 * (abs(psi) - 1) * math.copysign(1, psi)),
    "lecam": ({"weight": 0.25}, lambda psi, theta: 0.5 * psi * theta**2),  # |f - a_R|^2; a_R is 0, and r has no slope
    "lecam, relu": ({"weight": 0.25, "form": "relu"}, lambda psi, theta: 0.5 * min(psi * theta, 0) * theta),
}


@pytest.mark.parametrize("start", [(1.0, 1.0), (-0.3, 2.0)])
@pytest.mark.parametrize("name", PENALTIES)
def test_every_step_with_a_penalty_is_its_formula(name, start):
    settings, slope = PENALTIES[name]
    psi, theta = start
    path = [start]
    for _ in range(200):
        psi -= H * (sigmoid(psi * theta) * theta + slope(psi, theta))
        theta += H * sigmoid(-psi * theta) * psi
        path.append((psi, theta))
    assert train(200, start, [trick(name.partition(",")[0], **settings)]) == pytest.approx(np.array(path), abs=2e-5)


# Tricks together: the slopes of D's loss by psi and of G's by theta. D's gradient by what it sees is psi everywhere.
TOGETHER: dict[str, tuple[list[tuple[str, dict[str, Any]]], Slope, Slope]] = {
    "relativistic, r1 and r2": (  # R3GAN's
        [("r1", {"gamma": 0.3}), ("relativistic", {}), ("r2", {"gamma": 0.2})],
        lambda psi, theta: sigmoid(psi * theta) * theta + 0.5 * psi,
        lambda psi, theta: -sigmoid(-psi * theta) * psi,
    ),
    "ragan and zero_centred_gp": (
        [("ragan", {}), ("zero_centred_gp", {"weight": 0.25})],
        lambda psi, theta: 2 * sigmoid(psi * theta) * theta + 0.5 * psi,
        lambda psi, theta: -2 * sigmoid(-psi * theta) * psi,
    ),
    "lsgan and lecam": (
        [("lsgan", {}), ("lecam", {"weight": 0.25})],
        lambda psi, theta: (1 + 0.5) * psi * theta**2,
        lambda psi, theta: (psi * theta - 1) * psi,
    ),
    "hinge and r1": (
        [("r1", {"gamma": 0.5}), ("hinge", {})],
        lambda psi, theta: float(psi * theta > -1) * theta + 0.5 * psi,
        lambda psi, theta: -psi,
    ),
    "hinge and top_k": (
        [("top_k", {"share": 0.25, "factor": 0.5, "every": 1}), ("hinge", {})],
        lambda psi, theta: float(psi * theta > -1) * theta,
        lambda psi, theta: -psi,
    ),
    "saturating and targets of fakes": (
        [("label_shift", {"amount": 0.2, "network": "discriminator"}), ("saturating", {}), ("r2", {"gamma": 0.5})],
        lambda psi, theta: (sigmoid(psi * theta) - 0.2) * theta + 0.5 * psi,
        lambda psi, theta: -sigmoid(psi * theta) * psi,
    ),
    "wgan_gp": (
        [("wgan_gp", {"weight": 0.25, "d_steps": 1})],
        lambda psi, theta: theta + 0.5 * (abs(psi) - 1) * math.copysign(1, psi),
        lambda psi, theta: -psi,
    ),
    "wgan_gp of five updates and r1": (
        [("wgan_gp", {"weight": 0.25, "d_steps": 5}), ("r1", {"gamma": 0.2})],
        lambda psi, theta: theta + 0.5 * (abs(psi) - 1) * math.copysign(1, psi) + 0.2 * psi,
        lambda psi, theta: -psi,
    ),
    "a slower D": (
        [("d_lr", {"factor": 0.5}), ("r1", {"gamma": 0.5})],
        lambda psi, theta: (sigmoid(psi * theta) * theta + 0.5 * psi) / 2,
        lambda psi, theta: -sigmoid(-psi * theta) * psi,
    ),
    "feature_matching": (  # D's one layer is given x itself: |0 - theta|^2
        [("feature_matching", {"weight": 0.5}), ("r1", {"gamma": 0.5})],
        lambda psi, theta: sigmoid(psi * theta) * theta + 0.5 * psi,
        lambda psi, theta: theta,
    ),
}


@pytest.mark.parametrize("start", [(1.0, 1.0), (-0.3, 2.0)])
@pytest.mark.parametrize("name", TOGETHER)
def test_every_step_with_tricks_together_is_their_formulas(name, start):
    tricks, of_d, of_g = TOGETHER[name]
    psi, theta = start
    path = [start]
    for _ in range(100):
        for _ in range(5 if "five" in name else 1):
            psi -= H * of_d(psi, theta)
        theta -= H * of_g(psi, theta)
        path.append((psi, theta))
    found = train(100, start, [trick(one, **settings) for one, settings in tricks])
    assert found == pytest.approx(np.array(path), abs=2e-5)


def test_a_penalty_of_every_third_update_of_d_weighs_three_times_as_much_there():
    """Both networks in their rhythm: D learns in every second step, and R1 is due in its updates 0, 3, 6, ..."""
    psi, theta = start = (1.0, 1.0)
    path, updates = [start], 0
    for step in range(60):
        if step % 2 == 0:
            psi -= H * (sigmoid(psi * theta) * theta + 3 * 0.5 * psi * (updates % 3 == 0))
            updates += 1
        theta += H * sigmoid(-psi * theta) * psi
        path.append((psi, theta))
    found = train(60, start, [trick("r1", gamma=0.5, every=3), trick("d_every", n=2)])
    assert found == pytest.approx(np.array(path), abs=2e-5)


def test_historical_averaging_draws_to_the_mean_of_what_each_update_found():
    psi, theta = start = (1.0, 1.0)
    path, past = [start], []
    for _ in range(60):
        means = [sum(one) / len(one) for one in zip(*past, strict=True)] if past else start
        found = psi, theta
        psi -= H * (sigmoid(psi * theta) * theta + 2 * 0.3 * (psi - means[0]))
        theta += H * (sigmoid(-psi * theta) * psi - 2 * 0.3 * (theta - means[1]))
        past.append(found)
        path.append((psi, theta))
    assert train(60, start, [trick("historical_averaging", weight=0.3)]) == pytest.approx(np.array(path), abs=2e-5)


def test_consistency_under_noise_is_r1_of_its_variance():
    """10 |psi s e|^2 is 10 s^2 psi^2 on average: R1 with gamma 20 s^2."""
    path = train(200, (1.0, 1.0), [trick("consistency", noise=0.1, weight=25)], batch_size=4096)
    assert path == pytest.approx(exact(200, (1.0, 1.0), 0.5), abs=0.01)


def test_a_normalised_discriminator_has_no_size():
    """psi x / (|psi| + |psi x|) is sign(psi) x / (1 + |x|): psi stays, and G moves by that slope."""
    psi, theta = 0.7, 2.0
    path = [(psi, theta)]
    for _ in range(100):
        theta += H * sigmoid(-theta / (1 + abs(theta))) / (1 + abs(theta)) ** 2
        path.append((psi, theta))
    assert train(100, (0.7, 2.0), [trick("gradient_normalisation")]) == pytest.approx(np.array(path), abs=2e-5)


def test_gradients_of_both_networks_are_clipped():
    psi, theta = 1.0, 1.0
    path = [(psi, theta)]
    for _ in range(100):
        psi -= H * clipped(sigmoid(psi * theta) * theta)
        theta += H * clipped(sigmoid(-psi * theta) * psi)
        path.append((psi, theta))
    ours = train(100, (1.0, 1.0), [trick("clip_gradients", max_norm=0.2)])
    assert ours == pytest.approx(np.array(path), abs=1e-4)
    assert np.abs(np.diff(ours, axis=0)).max() == pytest.approx(0.2 * H, rel=1e-3)


def test_in_packs_of_two_d_sees_twice_theta():
    psi, theta = 1.0, 1.0
    path = [(psi, theta)]
    for _ in range(200):
        psi -= H * sigmoid(2 * psi * theta) * theta  # each of the two weights
        theta += H * sigmoid(-2 * psi * theta) * 2 * psi
        path.append((psi, theta))
    assert train(200, (1.0, 1.0), [trick("pac", m=2)]) == pytest.approx(np.array(path), abs=5e-5)


def test_with_r1_it_arrives_at_the_analytic_rate():
    r = 1 - H * 0.5
    step = np.array([[r, -H / 2], [H * r / 2, 1 - H**2 / 4]])
    rate = max(abs(np.linalg.eigvals(step)))
    assert np.linalg.det(step) == pytest.approx(r)
    path = train(600, (0.02, 0.0), [R1(gamma=0.5)])
    radius = np.hypot(*path.T)
    measured = (radius[600] / radius[100]) ** (1 / 500)
    assert measured == pytest.approx(rate, abs=2e-4)
    assert measured < 0.98


@pytest.mark.slow
def test_with_instance_noise_it_arrives():
    start = (0.5, 0.5)
    path = train(600, start, [InputNoise(sigma=1.0)], batch_size=4096)
    assert np.hypot(*path[300:].T).max() < 0.03  # what is left is the noise of a batch
    assert np.hypot(*train(600, start, [])[-1]) > 0.3  # large orbits shrink slowly, as the exact ones do


@pytest.mark.slow
def test_a_user_can_run_it(tmp_path):
    (tmp_path / "grid.toml").write_text(
        """
name = "dirac"
dataset = "dirac"
architecture = "dirac"
seeds = [0]
steps = 50
optimizer = { name = "sgd", lr = 0.1 }

[evaluate]
snapshots = 1
samples = 50
features = "random"

[[compare]]
title = "Does R1 help?"
tricks = [[], ["r1"]]
"""
    )
    gan_bench("run", "grid.toml", cwd=tmp_path)
    assert (tmp_path / "runs/dirac/report.html").exists()
