"""Tricks of the updates themselves: schedules, optimistic and extrapolated ones, averages with slow copies."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from dirac import DESCENT, H, train
from edited import FLAT, OPTIMIZERS, settings_of
from small_runs import ADAM, finish, interrupt, make_loop, open_run
from stores import assert_equal_runs

from gan_bench import Trick, Wasserstein
from gan_bench.grid import cell_from_settings
from gan_bench_plugins.architectures.dcgan import DCGAN
from gan_bench_plugins.architectures.fcgan import FCGAN
from gan_bench_plugins.tricks.d_every import DEvery
from gan_bench_plugins.tricks.extra_gradient import ExtraGradient
from gan_bench_plugins.tricks.lookahead import Lookahead
from gan_bench_plugins.tricks.optimistic import OptimisticUpdates
from gan_bench_plugins.tricks.schedule import Schedule
from gan_bench_plugins.tricks.spectral_norm import SpectralNorm
from gan_bench_plugins.tricks.wgan_clip import WassersteinClip

TINY = FCGAN(latent=4, width=8, depth=1)
CIRCLING_ADAM = {**ADAM, "lr": 0.1}
START = (1.0, 1.0)


class Bilinear(Trick):
    """The game psi theta on Dirac-GAN: D's loss, and minus G's."""

    name = "bilinear"
    replaces = {"loss", "targets"}

    def edit(self, recipe):
        recipe.loss = Wasserstein()


def game(steps, tricks, optimizer=DESCENT):
    """(steps + 1, 2): psi and theta in the bilinear game."""
    return train(steps, START, [Bilinear(), *tricks], batch_size=1, optimizer=optimizer)


def radius(path):
    """How far from the equilibrium."""
    return np.hypot(*path.T)


def played(steps, moves):
    """The bilinear game by hand: `moves` are D's and G's, each from its parameter and the gradient there."""
    psi, theta = START
    path = [START]
    for _ in range(steps):
        psi = moves[0](psi, theta)
        theta = moves[1](theta, -psi)
        path.append((psi, theta))
    return np.array(path)


class HandAdam:
    """Adam's direction m / (sqrt(v) + eps), bias corrected (Kingma & Ba 2015, algorithm 1)."""

    def __init__(self):
        self.m = self.v = self.t = 0

    def direction(self, gradient):
        beta1, beta2 = ADAM["betas"]
        self.t += 1
        self.m = beta1 * self.m + (1 - beta1) * gradient
        self.v = beta2 * self.v + (1 - beta2) * gradient**2
        return self.m / (1 - beta1**self.t) / (math.sqrt(self.v / (1 - beta2**self.t)) + ADAM["eps"])


class Descent:
    """The gradient's own direction."""

    def direction(self, gradient):
        return gradient


def optimistic(base, lr):
    """Daskalakis et al. 2018, algorithm 1: w_t = w_(t-1) - 2 lr d_t + lr d_(t-1)."""
    state = {"last": 0.0}

    def move(w, gradient):
        new = base.direction(gradient)
        w = w - 2 * lr * new + lr * state["last"]
        state["last"] = new
        return w

    return move


def extrapolated(base, lr, start):
    """Gidel et al. 2019, algorithms 3 and 4: the gradient at w' moves w, from which it then gives the next w'."""
    state = {"w": start}

    def move(ahead, gradient):
        state["w"] -= lr * base.direction(gradient)
        return state["w"] - lr * base.direction(gradient)

    return move


BASES = {"sgd": (DESCENT, Descent, H), "adam": (CIRCLING_ADAM, HandAdam, 0.1)}


@pytest.mark.parametrize("base", BASES)
def test_optimistic_updates_are_the_algorithm(base):
    optimizer, direction, lr = BASES[base]
    by_hand = played(80, [optimistic(direction(), lr) for _ in START])
    assert game(80, [OptimisticUpdates()], optimizer) == pytest.approx(by_hand, abs=2e-4)


@pytest.mark.parametrize("base", BASES)
def test_extrapolation_from_the_past_is_the_algorithm(base):
    optimizer, direction, lr = BASES[base]
    by_hand = played(80, [extrapolated(direction(), lr, start) for start in START])
    assert game(80, [ExtraGradient()], optimizer) == pytest.approx(by_hand, abs=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize("trick", [OptimisticUpdates(), ExtraGradient()], ids=lambda trick: trick.name)
def test_they_arrive_where_descent_circles(trick):
    assert radius(game(300, []))[250:].min() > 1.2
    # Of (psi, theta, and what both were before): w' = w - 2 lr g + lr (the last g), psi first.
    psi = np.array([1, -2 * H, 0, H])
    theta = np.array([0, 1, 0, 0]) + 2 * H * psi - H * np.array([1, 0, 0, 0])
    rate = max(abs(np.linalg.eigvals(np.array([psi, theta, [1, 0, 0, 0], [0, 1, 0, 0]]))))
    path = radius(game(300, [trick]))
    assert (path[300] / path[100]) ** (1 / 200) == pytest.approx(rate, abs=1e-3)
    assert rate < 0.996


def test_lookahead_is_its_matrix_on_the_bilinear_game_and_arrives():
    """k alternating steps M^k, and half of the way back: (I + M^k) / 2, whose eigenvalues lie within the circle."""
    k = 5
    fast = np.linalg.matrix_power(np.array([[1, -H], [H, 1 - H**2]]), k)
    slow = (np.eye(2) + fast) / 2
    path = game(20 * k, [Lookahead(k=k)])
    expected = [np.linalg.matrix_power(slow, n) @ np.array(START) for n in range(21)]
    assert path[::k] == pytest.approx(np.array(expected), abs=1e-5)
    assert path[k - 1] == pytest.approx(np.array(game(k - 1, [])[-1]), abs=1e-6)  # until then it is the fast one
    assert max(abs(np.linalg.eigvals(fast))) == pytest.approx(1)
    assert max(abs(np.linalg.eigvals(slow))) < 0.98


def test_lookahead_moves_the_point_of_extra_gradient_as_it_moves_what_is_ahead_of_it():
    path, point, ahead, slow = [START], *(np.array(START) for _ in range(3))
    for step in range(1, 31):
        for one, sign in ((0, -1), (1, 1)):  # psi, then theta, each by the other
            point[one] = point[one] + sign * H * ahead[1 - one]
            ahead[one] = point[one] + sign * H * ahead[1 - one]
        if step % 3 == 0:
            slow = slow + 0.5 * (ahead - slow)
            point, ahead = point + slow - ahead, slow.copy()
        path.append(tuple(ahead))
    assert game(30, [ExtraGradient(), Lookahead(k=3)]) == pytest.approx(np.array(path), abs=1e-5)


@pytest.mark.slow
def test_they_arrive_where_adam_leaves():
    plain, optimist, past = (
        radius(game(500, t, CIRCLING_ADAM)) for t in ([], [OptimisticUpdates()], [ExtraGradient()])
    )
    assert plain[400:].max() > 4  # from sqrt(2)
    assert optimist[400:].max() < 1
    assert past[400:].max() < 0.1


def test_other_tricks_that_change_weights_move_the_point_too():
    loop = make_loop(TINY, [ExtraGradient(), WassersteinClip(clip=0.02, d_steps=1)])
    for _ in range(5):
        loop.step()
        assert all(p.abs().max() <= 0.02 + 1e-7 for p in loop.d_parameters)
    ahead = [loop.d_optimizer.state[p]["ahead"] for p in loop.d_parameters]
    point = [p - by for p, by in zip(loop.d_parameters, ahead, strict=True)]
    assert max(p.abs().max().item() for p in point) < 0.02 + 2 * ADAM["lr"]


def rates(trick, steps):
    """The learning rates of D's and G's updates, as shares of the full one."""
    loop = make_loop(TINY, [trick])
    found = []
    for _ in range(steps):
        loop.step()
        groups = (optimizer.param_groups[0] for optimizer in (loop.d_optimizer, loop.g_optimizer))
        found.append([float(group["lr"]) / ADAM["lr"] for group in groups])
    return np.array(found)


def test_schedules_are_their_formulas():
    t = np.arange(12)
    fallen = np.clip((t - 2) / 8, 0, 1)
    cases = {
        Schedule(kind="linear", steps=8, start=2): 1 - fallen,
        Schedule(kind="linear", steps=8, start=2, end=0.25): 1 - 0.75 * fallen,
        Schedule(kind="cosine", steps=8, start=2, end=0.1): 0.1 + 0.9 * (1 + np.cos(np.pi * fallen)) / 2,
        Schedule(kind="constant", warm_up=4): np.minimum((t + 1) / 4, 1),
        Schedule(kind="cosine", steps=8, start=2, warm_up=4): np.minimum((t + 1) / 4, 1)
        * (1 + np.cos(np.pi * fallen))
        / 2,
    }
    for trick, expected in cases.items():
        assert rates(trick, 12) == pytest.approx(np.stack([expected, expected], 1), abs=1e-6)


def test_a_schedule_may_be_of_one_network_and_changes_what_it_learns():
    found = rates(Schedule(steps=2, network="generator"), 4)
    assert found[:, 0].tolist() == pytest.approx([1] * 4)
    assert found[:, 1].tolist() == pytest.approx([1, 0.5, 0, 0])
    loop = make_loop(TINY, [Schedule(steps=2)])
    for _ in range(2):
        loop.step()
    before = [p.detach().clone() for p in (*loop.g_parameters, *loop.d_parameters)]
    loop.step()  # at a rate of 0
    assert all(map(torch.equal, before, (*loop.g_parameters, *loop.d_parameters)))


def test_a_schedule_that_does_nothing_is_refused():
    with pytest.raises(ValueError, match="set warm_up"):
        make_loop(TINY, [Schedule(kind="constant")])


class SignDescent(torch.optim.Optimizer):
    """An optimiser of one's own: each weight moves by lr against its gradient's sign, kept with momentum."""

    def __init__(self, parameters, lr, betas, eps, weight_decay):
        super().__init__(parameters, {"lr": lr, "beta": betas[0]})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                mean = self.state[p].setdefault("mean", torch.zeros_like(p))
                mean.lerp_(p.grad, 1 - group["beta"])
                p.sub_(group["lr"] * mean.sign())


class Own(Trick):
    """Trains both networks by an optimiser of one's own."""

    name = "own"

    def edit(self, recipe):
        for settings in recipe.optimizer.values():
            settings["name"] = SignDescent


AROUND = {
    "plain": [],
    "optimistic": [OptimisticUpdates()],
    "extra_gradient": [ExtraGradient()],
    "both": [OptimisticUpdates(), ExtraGradient()],
}
CASES = [
    *((name, "plain") for name in (*OPTIMIZERS, "own")),
    *((name, around) for name in OPTIMIZERS for around in ("optimistic", "extra_gradient")),
    ("own", "both"),
]


@pytest.mark.parametrize(("optimizer", "around"), CASES)
def test_schedules_and_updates_survive_an_interruption(parts, tmp_path, optimizer, around):
    registry, data, evaluator = parts
    written = "adam" if optimizer == "own" else optimizer
    settings = settings_of(FLAT, written)
    tricks = [Schedule(kind="cosine", steps=8, warm_up=3), *AROUND[around], *([Own()] if optimizer == "own" else [])]

    def run(name):
        cell = cell_from_settings(settings, registry)
        object.__setattr__(cell, "tricks", tuple(tricks))
        return open_run(cell, (7,), tmp_path / name, data, evaluator)

    whole = finish(run("whole"))
    for step in (1, 4):
        interrupt(run("parts"), step)
    training = run("parts")
    assert_equal_runs(finish(training), whole)
    group = training.loop.g_optimizer.param_groups[0]
    assert float(group["lr"]) == pytest.approx(
        OPTIMIZERS[written]["lr"] * (1 + math.cos(math.pi * 6 / 8)) / 2, rel=1e-5
    )
    assert training.loop.g_optimizer.state


def test_lookahead_goes_half_way_back_every_k_steps():
    start, plain = make_loop(TINY), make_loop(TINY)
    ahead = make_loop(TINY, [Lookahead(k=3, alpha=0.25)])
    for step in range(1, 4):
        plain.step()
        ahead.step()
        for name in ("g_parameters", "d_parameters"):
            for first, fast, found in zip(*(getattr(loop, name) for loop in (start, plain, ahead)), strict=True):
                if step < 3:
                    assert torch.equal(found, fast)
                else:
                    torch.testing.assert_close(found, first + 0.25 * (fast - first))
    slow = [ahead.recipe.state[f"trick:lookahead.slow {i}"] for i in range(len(ahead.g_parameters))]
    assert all(map(torch.equal, slow, ahead.g_parameters))
    assert ahead.recipe.sampled is ahead.recipe.generator


def test_lookahead_averages_the_weights_that_other_tricks_leave():
    for tricks in ([Lookahead(k=1, alpha=0.5), SpectralNorm()], [SpectralNorm(), Lookahead(k=1, alpha=0.5)]):
        loop = make_loop(DCGAN(latent=4, width=4, depth=1), [*tricks, DEvery()])
        slow = [value for name, value in loop.recipe.state.items() if "lookahead.slow" in name]
        learning = [*loop.g_parameters, *loop.d_parameters]
        assert [one.shape for one in slow] == [p.shape for p in learning]
        loop.step()
        assert all(map(torch.equal, slow, learning))
