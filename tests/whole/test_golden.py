"""Golden numbers: what small fixed trainings give, kept so that a changed result is noticed.

A change here means that runs of equal settings compute something else than before: raise COURSE_FORMAT
(gan_bench/planning/courses.py), say why in the changelog, and only then write the new numbers down. The tolerance leaves
room for other processors' rounding, not for another order of random numbers.
"""

from __future__ import annotations

import pytest
import torch
from small_runs import make_loop

from gan_bench_plugins.architectures.dcgan import DCGAN
from gan_bench_plugins.architectures.fcgan import FCGAN
from gan_bench_plugins.metrics.fid import FrechetDistance
from gan_bench_plugins.tricks.ema import EMA
from gan_bench_plugins.tricks.hinge import HingeLoss
from gan_bench_plugins.tricks.input_noise import InputNoise
from gan_bench_plugins.tricks.label_noise import LabelNoise
from gan_bench_plugins.tricks.spectral_norm import SpectralNorm
from gan_bench_plugins.tricks.wgan_gp import WassersteinGP

DCGAN_8 = DCGAN(latent=6, width=4, depth=1)
GOLDEN = {  # architecture, tricks -> means over 20 steps: loss of D, loss of G, logits of real and of fake; samples' deviation
    "dcgan": (DCGAN_8, [], (1.4601, 0.58526, 0.16231, 0.24507, 0.17417)),
    "dcgan, averages and spectral norm": (
        DCGAN_8,
        [EMA(), SpectralNorm()],
        (1.45028, 0.59451, 0.14403, 0.2204, 0.13539),
    ),
    "dcgan, noise": (DCGAN_8, [InputNoise(), LabelNoise()], (1.45752, 0.57739, 0.16693, 0.24193, 0.17034)),
    "dcgan, wgan_gp": (DCGAN_8, [WassersteinGP()], (-0.07128, -0.28135, 0.36729, 0.29601, 0.24634)),
    "fcgan, hinge": (
        FCGAN(latent=6, width=16, depth=1),
        [HingeLoss()],
        (2.04693, 0.09155, -0.11651, -0.06958, 0.27985),
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_training(name):
    architecture, tricks, golden = GOLDEN[name]
    loop = make_loop(architecture, tricks)
    for _ in range(20):
        loop.step()
    means = loop.window.means()
    with torch.no_grad():
        samples = loop.recipe.sampled.eval()(torch.linspace(-1, 1, 24).view(4, 6))
    found = [*(means[key] for key in ("loss_d", "loss_g", "logit_real", "logit_fake")), float(samples.std())]
    assert found == pytest.approx(golden, rel=2e-3, abs=2e-4), [round(value, 5) for value in found]


def test_frechet_distance():
    random = torch.Generator().manual_seed(0)
    real, generated = torch.randn(500, 16, generator=random), torch.randn(300, 16, generator=random) * 1.1 + 0.1
    metric = FrechetDistance()
    assert metric.score(generated, metric.reference(real)) == pytest.approx(0.837195193, rel=1e-6)
