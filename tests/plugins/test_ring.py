"""The ring of eight Gaussians, which GANs are known for losing modes of."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from small_runs import CPU

from gan_bench.api.randomness import Streams
from gan_bench.data.batches import Batches
from gan_bench.data.prepare import prepare
from gan_bench.training.build import build_loop
from gan_bench_plugins.architectures.fcgan import FCGAN
from gan_bench_plugins.datasets.ring import Ring
from gan_bench_plugins.metrics.modes import ModeCounts
from gan_bench_plugins.tricks.r1 import R1
from gan_bench_plugins.tricks.r2 import R2
from gan_bench_plugins.tricks.relativistic import Relativistic
from gan_bench_plugins.tricks.schedule import Schedule


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_relativistic_pairing_with_both_penalties_keeps_all_modes(seed):
    data, steps = prepare(Ring()), 4000
    adam = {"name": "adam", "lr": 3e-3, "betas": (0.0, 0.99), "eps": 1e-8, "weight_decay": 0.0}
    loop = build_loop(
        FCGAN(latent=16, depth=3, width=64, slope=0.2, dropout=0, batch_norm=False),
        data.spec,
        Streams(seed, CPU),
        partial(Batches, data.training, 128, seed),
        tricks=[Relativistic(), R1(gamma=0.01), R2(gamma=0.01), Schedule(kind="cosine", steps=steps)],
        optimizer={"generator": adam, "discriminator": adam},
        batch_size=128,
    )
    for _ in range(steps):
        loop.step()
    with torch.no_grad(), Streams(seed, CPU)["evaluation"]:
        samples = loop.recipe.sampled(torch.randn(2500, 16))
    modes = data.spec.modes
    reference = {"centres": torch.tensor(modes.centres).double(), "std": torch.tensor(modes.std).double()}
    found = ModeCounts().score(samples, reference)
    assert found["modes"] == 1
    assert found["near a mode"] > 0.5
    assert found["mode KL"] < 0.02
