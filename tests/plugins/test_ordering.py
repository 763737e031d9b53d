"""What is worse must score worse: noise, missing classes and a single repeated sample, by every metric that can tell."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from gan_bench.api.kinds import Estimate, Metric
from gan_bench_plugins.datasets.ring import Ring
from gan_bench_plugins.metrics.class_coverage import ClassCoverage
from gan_bench_plugins.metrics.density_coverage import DensityCoverage
from gan_bench_plugins.metrics.fid import FrechetDistance
from gan_bench_plugins.metrics.fid_inf import InfiniteFrechetDistance
from gan_bench_plugins.metrics.inception_score import InceptionScore
from gan_bench_plugins.metrics.kid import KernelDistance
from gan_bench_plugins.metrics.memorization import Duplicates, Memorization
from gan_bench_plugins.metrics.modes import ModeCounts
from gan_bench_plugins.metrics.precision_recall import PrecisionRecall

COUNT = 400
RING = Ring(std=0.05)
CENTRES = torch.from_numpy(RING.means()).float()
SPEC = SimpleNamespace(modes=RING.known_modes(), kind="points", shape=(2,))


def points(seed: int) -> Tensor:
    return torch.from_numpy(RING._part(COUNT, seed).samples)


def read(metric: Metric, samples: Tensor) -> Tensor:
    """Samples as a metric reads them: as their own features, and with the true classes' logits."""
    return -torch.cdist(samples, CENTRES).square() / (2 * 0.1**2) if metric.reads == "logits" else samples


TRAINING, HELD_OUT, FRESH = points(0), points(1), points(2)
NOISE = torch.randn(COUNT, 2, generator=torch.Generator().manual_seed(3))
DROPPED = FRESH[FRESH[:, 0] > 0][torch.arange(COUNT) % int((FRESH[:, 0] > 0).sum())]
DROPPED = DROPPED + 0.01 * NOISE  # no repeats
GIVEN = {"noise": FRESH + 0.4 * NOISE, "dropped": DROPPED, "repeated": FRESH[:1].expand(COUNT, 2), "copied": TRAINING}


def scores(metric: Metric, generated: Tensor) -> dict[str, float]:
    data = SimpleNamespace(name="ring", spec=SPEC, training=SimpleNamespace(data=TRAINING))
    real = SimpleNamespace(data=data, training=read(metric, TRAINING), held_out=read(metric, HELD_OUT))
    torch.manual_seed(0)
    found = metric.score(read(metric, generated), metric.reference_of(real))  # type: ignore[arg-type]
    values = found if isinstance(found, dict) else {"": found}
    return {name: value.value if isinstance(value, Estimate) else float(value) for name, value in values.items()}


TOLD = [
    (FrechetDistance(), "", {"noise", "dropped", "repeated"}),
    (InfiniteFrechetDistance(), "", {"noise", "dropped", "repeated"}),
    (KernelDistance(), "", {"noise", "dropped", "repeated"}),
    (PrecisionRecall(), "precision", {"noise"}),
    (PrecisionRecall(), "recall", {"dropped", "repeated"}),
    (DensityCoverage(), "density", {"noise"}),
    (DensityCoverage(), "coverage", {"noise", "dropped", "repeated"}),
    (ClassCoverage(), "classes", {"dropped", "repeated"}),
    (ClassCoverage(), "class KL", {"dropped", "repeated"}),
    (InceptionScore(), "", {"noise", "dropped", "repeated"}),
    (Memorization(), "", {"copied"}),
    (Duplicates(), "copies of training data", {"copied"}),
    (Duplicates(), "repeats", {"repeated"}),
    (ModeCounts(), "modes", {"dropped", "repeated"}),
    (ModeCounts(), "near a mode", {"noise"}),
    (ModeCounts(), "mode KL", {"dropped", "repeated"}),
]


@pytest.mark.parametrize(("metric", "name", "told"), TOLD, ids=lambda value: getattr(value, "name", None))
def test_worse_samples_score_worse(metric, name, told):
    better = metric.numbers[name].better if metric.numbers else metric.better
    sign = 1 if better == "higher" else -1
    fresh = sign * scores(metric, FRESH)[name]
    found = {what: sign * scores(metric, given)[name] for what, given in GIVEN.items()}
    assert {what: value for what, value in found.items() if what in told and not value < fresh} == {}
    if {"dropped", "repeated"} <= told:
        assert found["repeated"] < found["dropped"] < fresh, "the fewer modes, the worse"


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        (FrechetDistance(), ""),
        (InfiniteFrechetDistance(), ""),
        (KernelDistance(), ""),
        (PrecisionRecall(), "precision"),
        (DensityCoverage(), "density"),
        (DensityCoverage(), "coverage"),
        (ModeCounts(), "near a mode"),
    ],
)
def test_more_noise_scores_worse(metric, name):
    found = [scores(metric, FRESH + amount * NOISE)[name] for amount in (0.1, 0.2, 0.4, 0.8)]
    better = metric.numbers[name].better if metric.numbers else metric.better
    assert found == sorted(found, reverse=better == "higher")
    assert len(set(found)) == 4
