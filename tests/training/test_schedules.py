"""A setting of an optimiser that is a registered tensor: a schedule, which an interruption must not end."""

from __future__ import annotations

import pytest
import torch
from edited import FLAT, OPTIMIZERS, settings_of
from small_runs import finish, interrupt, make_loop, open_run
from stores import assert_equal_runs

from gan_bench import Trick
from gan_bench.grid import cell_from_settings
from gan_bench.training.optimizers import load_optimizer
from gan_bench_plugins.architectures.fcgan import FCGAN


class Decay(Trick):
    """A setting of both networks' optimisers falls with every step of G."""

    name = "decay"
    setting: str = "lr"

    def edit(self, recipe):
        for network, settings in recipe.optimizer.items():
            value = settings[self.setting]
            first = torch.tensor(value)
            now = recipe.register(f"{network} {self.setting}", first.clone())
            settings[self.setting] = tuple(now) if now.dim() else now
            recipe.after_g_step(lambda now=now, first=first: now.copy_(first / (1 + recipe.step)))


CASES = [
    (name, setting)
    for name, settings in OPTIMIZERS.items()
    for setting in ("lr", "betas", "eps", "weight_decay", "alpha", "momentum")
    if setting in settings
]


@pytest.mark.parametrize(("optimizer", "setting"), CASES, ids="-".join)
def test_a_schedule_goes_on_where_the_run_was_interrupted(parts, tmp_path, optimizer, setting):
    registry, data, evaluator = parts

    def run(name):
        cell = cell_from_settings(settings_of(FLAT, optimizer), registry)
        object.__setattr__(cell, "tricks", (Decay(setting=setting),))
        return open_run(cell, (9,), tmp_path / name, data, evaluator)

    whole = finish(run("whole"))
    interrupt(run("parts"), 4)
    training = run("parts")
    held = training.recipe.optimizer["generator"][setting]
    now = training.loop.g_optimizer.param_groups[0][setting]
    assert all(a is b for a, b in zip(held, now, strict=True)) if setting == "betas" else held is now
    assert_equal_runs(finish(training), whole)
    group = training.loop.g_optimizer.param_groups[0]
    first = torch.tensor(OPTIMIZERS[optimizer][setting])
    ends = torch.stack(group[setting]) if setting == "betas" else group[setting]
    torch.testing.assert_close(ends, first / 10, msg="it has fallen to its end")


def test_plain_settings_are_those_that_were_saved():
    loops = [make_loop(FCGAN(latent=4, width=8), seed=seed) for seed in (0, 1)]
    loops[0].step()
    loops[0].g_optimizer.param_groups[0]["lr"] = 0.125
    load_optimizer(loops[1].g_optimizer, loops[0].g_optimizer.state_dict())
    assert loops[1].g_optimizer.param_groups[0]["lr"] == 0.125
    assert loops[1].g_optimizer.param_groups[0]["params"][0] is loops[1].g_parameters[0]
