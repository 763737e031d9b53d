"""Optimisers that are made of others."""

from __future__ import annotations

import torch
from small_runs import ADAM, make_loop

from gan_bench import OptimizerAround, Trick
from gan_bench.training.optimizers import load_optimizer
from gan_bench_plugins.architectures.fcgan import FCGAN
from gan_bench_plugins.tricks.schedule import Schedule

TINY = FCGAN(latent=4, width=8, depth=1)


class Damped(OptimizerAround):
    """Goes half as far as the inner one, and counts the way."""

    @torch.no_grad()
    def step(self, closure=None):
        before = [p.clone() for p in self.learning()]
        self.inner.step()
        for p, old, way in zip(self.learning(), before, self.kept("way"), strict=True):
            p.lerp_(old, 0.5)
            way.add_(p - old)


class Damping(Trick):
    """D's updates are damped."""

    name = "damping"

    def edit(self, recipe):
        recipe.optimizer_around(Damped, "discriminator")


class Damping2(Damping):
    """The same once more."""

    name = "damping_2"


def test_it_is_the_inner_one_but_for_its_step():
    plain, damped, twice = (make_loop(TINY, tricks) for tricks in ([], [Damping()], [Damping(), Damping2()]))
    first = [p.detach().clone() for p in plain.d_parameters]
    for loop in (plain, damped, twice):
        loop.step()
    assert type(damped.g_optimizer) is type(plain.g_optimizer)
    for start, whole, half, quarter in zip(
        first, plain.d_parameters, damped.d_parameters, twice.d_parameters, strict=True
    ):
        torch.testing.assert_close(half, start.lerp(whole, 0.5), rtol=1e-4, atol=1e-7)
        torch.testing.assert_close(quarter, start.lerp(whole, 0.25), rtol=1e-4, atol=1e-7)
    assert isinstance(twice.d_optimizer.inner, Damped)
    assert damped.d_optimizer.param_groups[0]["betas"] == ADAM["betas"]


def test_it_goes_on_from_its_state_and_keeps_the_groups_and_state_of_the_inner_one():
    loops = [make_loop(TINY, [Damping(), Schedule(steps=4)], seed=seed) for seed in (0, 1)]
    for _ in range(2):
        loops[0].step()
    saved, again = loops[0].d_optimizer, loops[1].d_optimizer
    rate = again.param_groups[0]["lr"]
    load_optimizer(again, saved.state_dict())
    assert again.param_groups is again.inner.param_groups
    assert again.state is again.inner.state
    assert again.param_groups[0]["lr"] is rate  # which the schedule goes on changing
    for mine, theirs in zip(loops[1].d_parameters, loops[0].d_parameters, strict=True):
        for key, value in saved.state[theirs].items():
            assert torch.equal(again.state[mine][key], value), key
    assert "way" in again.state[loops[1].d_parameters[0]]


def test_a_parameter_without_a_gradient_is_left_alone():
    used, unused = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    optimizer = Damped(torch.optim.Adam([used, unused], lr=0.1))
    for step in range(2):
        used.grad = torch.ones(2)
        unused.grad = torch.ones(2) if step else None  # Adam begins with it in the second step
        optimizer.step()
    assert torch.allclose(unused, torch.full((2,), 0.95))
