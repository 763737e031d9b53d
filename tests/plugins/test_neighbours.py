"""Precision and recall, density and coverage, memorization: against second implementations and closed forms."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from gan_bench_plugins.metrics._neighbours import BLOCK
from gan_bench_plugins.metrics.density_coverage import DensityCoverage
from gan_bench_plugins.metrics.memorization import Duplicates, Memorization
from gan_bench_plugins.metrics.precision_recall import PrecisionRecall


def normal(count: int, dimension: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, dimension, generator=torch.Generator().manual_seed(seed))


def score(metric, generated, real):
    return metric.score(generated, metric.reference(real))


def radii(points: np.ndarray, k: int) -> np.ndarray:
    return NearestNeighbors(n_neighbors=k + 1).fit(points).kneighbors(points)[0][:, k]


def by_sklearn(generated: torch.Tensor, real: torch.Tensor, k: int) -> dict[str, float]:
    """The four numbers from their definitions, by trees instead of matrices."""
    x, y = generated.double().numpy(), real.double().numpy()
    within = lambda points, centres, radius: np.linalg.norm(points[:, None] - centres, axis=2) <= radius  # noqa: E731
    inside = within(x, y, radii(y, k))
    return {
        "precision": inside.any(1).mean(),
        "recall": within(y, x, radii(x, k)).any(1).mean(),
        "density": inside.sum() / (k * len(x)),
        "coverage": inside.any(0).mean(),
    }


@pytest.mark.parametrize("offset", [0, 1000])
def test_distances_are_as_exact_as_differences(offset):
    x, y = normal(BLOCK + 30, 40) + offset, normal(70, 40, 1) * torch.logspace(-4, 2, 70)[:, None] + offset
    y[5], y[6] = x[BLOCK + 3], x[0] + 1e-3
    y[7, 0] = 1e8  # as a missing value is written: the others are no nearer to each other for it
    blocks = list(DensityCoverage().distances(x, y))
    found = torch.cat([block for _, block in blocks])
    expected = torch.cdist(x.double(), y.double(), compute_mode="donot_use_mm_for_euclid_dist")
    assert torch.allclose(found.double(), expected, rtol=1e-6, atol=0)
    assert found[BLOCK + 3, 5] == 0
    assert [rows.start for rows, _ in blocks] == [0, BLOCK]


@pytest.mark.parametrize("k", [1, 3, 5])
def test_agree_with_trees_of_neighbours(k):
    mix = normal(8, 8, 5)
    generated, real = 1.2 * normal(BLOCK + 100, 8) @ mix, normal(400, 8, 1) @ mix
    expected = by_sklearn(generated, real, k)
    found = score(PrecisionRecall(k=k), generated, real) | score(DensityCoverage(k=k), generated, real)
    assert found == pytest.approx(expected)
    assert 0.1 < found["precision"] < 0.99, "something is told"


@pytest.mark.parametrize(("k", "dimension"), [(3, 64), (5, 8)])
def test_agree_with_prdc(k, dimension):
    from prdc import compute_prdc

    mix = normal(dimension, dimension, 7) / dimension**0.5
    generated, real = (1.2 * normal(300, dimension) @ mix).relu(), (normal(350, dimension, 1) @ mix).relu()
    theirs = compute_prdc(real.double().numpy(), generated.double().numpy(), nearest_k=k)
    found = score(PrecisionRecall(k=k), generated, real) | score(DensityCoverage(k=k), generated, real)
    assert found == pytest.approx(theirs)


@pytest.mark.parametrize("scale", [1e-18, 1, 1e18])
@pytest.mark.parametrize("offset", [0, 1000])
@pytest.mark.parametrize("kind", ["apart", "copies", "lattice", "repeats"])
def test_precision_and_recall_are_decided_as_by_exact_distances(kind, offset, scale):
    """Products in float32 alone would decide by rounding who lies on a ball's surface, as ties and copies do."""
    metric = PrecisionRecall()
    for dimension, seed in ((1, 0), (3, 1), (64, 2)):
        x, y = 1.1 * normal(130, dimension, seed), normal(170, dimension, seed + 10)
        if kind == "copies":
            x = y[:130].clone()
        elif kind == "lattice":
            x, y = (2 * x).round(), (2 * y).round()
        elif kind == "repeats":
            x[:60], y[:60] = y[0], y[0]
        x, y = (x + offset) * scale, (y + offset) * scale
        found = score(metric, x, y)
        near = torch.cat([block for _, block in metric.distances(x, y)])
        assert found["precision"] == (near <= metric.radii(y, 3)).any(1).double().mean()
        assert found["recall"] == (near <= metric.radii(x, 3)[:, None]).any(0).double().mean()


def test_agree_far_from_the_origin():
    generated, real = 1.1 * normal(300, 6), normal(300, 6, 1)
    for metric in (PrecisionRecall(), DensityCoverage()):
        near, far = score(metric, generated, real), score(metric, generated + 1000, real + 1000)
        assert far == pytest.approx(near, abs=0.01)


def test_density_and_coverage_of_equal_distributions():
    n, m, k = 120, 200, 5
    found = [score(DensityCoverage(), normal(n, 4, 2 * i), normal(m, 4, 2 * i + 1)) for i in range(60)]
    density = [numbers["density"] for numbers in found]
    coverage = [numbers["coverage"] for numbers in found]
    # Naeem et al. 2020, section 3: of the n + m - 1 others, the k nearest are all real.
    expected = 1 - math.prod((m - i) / (n + m - i) for i in range(1, k + 1))
    assert np.mean(density) == pytest.approx(1, abs=4 * np.std(density) / 60**0.5)
    assert np.std(density) / 60**0.5 < 0.02
    assert np.mean(coverage) == pytest.approx(expected, abs=4 * np.std(coverage) / 60**0.5)


def test_a_copy_of_the_real_data():
    real = normal(150, 5)
    copied = real[torch.randperm(150, generator=torch.Generator().manual_seed(0))]
    assert score(PrecisionRecall(), copied, real) == {"precision": 1, "recall": 1}
    assert score(DensityCoverage(), copied, real) == {"density": 1, "coverage": 1}


def test_a_ball_without_a_size_holds_its_centre():
    """Of real samples with five others equal to them, copies are as near as can be."""
    real = torch.cat([normal(50, 4), normal(1, 4, 1).expand(6, 4)])
    copies, fresh = real[50:].repeat(2, 1), normal(12, 4, 2) + 100
    covered = score(DensityCoverage(), torch.cat([copies, fresh]), real)
    assert covered["coverage"] >= 6 / 56
    assert covered["density"] >= 12 * 6 / (5 * 24)
    assert score(DensityCoverage(), fresh, real) == {"density": 0, "coverage": 0}
    k = PrecisionRecall(k=5)
    assert score(k, copies, real) == {"precision": 1, "recall": pytest.approx(6 / 56)}


def test_where_nothing_is_in_common_and_where_half_is():
    real = normal(200, 5)
    for metric in (PrecisionRecall(), DensityCoverage()):
        assert set(score(metric, normal(150, 5, 1) + 100, real).values()) == {0}
    # Half the samples where there are no data, half the data where there are no samples.
    x = torch.cat([normal(200, 3, 1), normal(200, 3, 2) + 100])
    y = torch.cat([normal(200, 3, 3), normal(200, 3, 4) - 100])
    whole = score(PrecisionRecall(), x[:200], y[:200]) | score(DensityCoverage(), x[:200], y[:200])
    half = score(PrecisionRecall(), x, y) | score(DensityCoverage(), x, y)
    assert half == pytest.approx({name: value / 2 for name, value in whole.items()})


def test_precision_and_recall_change_places():
    x, y = normal(150, 3), 1.5 * normal(220, 3, 1)
    there, back = score(PrecisionRecall(), x, y), score(PrecisionRecall(), y, x)
    assert (there["precision"], there["recall"]) == (back["recall"], back["precision"])
    assert there["precision"] > there["recall"], "narrower samples look real, and miss some"


@pytest.mark.parametrize("metric", [PrecisionRecall(), DensityCoverage()])
def test_say_why_they_cannot_be_computed(metric):
    x = normal(10, 3)
    broken = x.clone()
    broken[2, 1] = torch.nan
    with pytest.raises(ValueError, match="1 of 10 generated samples have features that are not finite"):
        score(metric, broken, x)
    with pytest.raises(ValueError, match=rf"{metric.name} needs at least {metric.k + 1} real samples, not {metric.k}"):
        score(metric, x, x[: metric.k])


def pools(training, held_out):
    return Memorization().reference_of(SimpleNamespace(training=training, held_out=held_out))  # type: ignore[arg-type]


@pytest.mark.parametrize("dimension", [2, 64])
def test_memorization_of_fresh_samples_is_a_half_within_its_error(dimension):
    found = []
    for i in range(0, 120, 3):
        training, held_out, fresh = (normal(150, dimension, seed) for seed in range(i, i + 3))
        found.append(Memorization().score(fresh, pools(training, held_out)))
    values = np.array([estimate.value for estimate in found])
    errors = np.array([estimate.standard_error for estimate in found])
    assert values.mean() == pytest.approx(0.5, abs=4 * values.std() / len(values) ** 0.5)
    assert 0.7 < ((values - 0.5) / errors).std() < 1.3, "the standard error is neither too small nor too large"


def test_memorization_of_training_copies_is_one():
    training, held_out = normal(200, 8), normal(300, 8, 1)
    reference = pools(training, held_out)
    assert reference["held_out"].shape == (200, 8), "equally many"
    assert Memorization().score(training, reference).value == 1
    noisy = training + 0.05 * normal(200, 8, 2)
    assert Memorization().score(noisy, reference).value > 0.95
    assert Memorization().score(held_out, reference).value < 0.5


@pytest.mark.parametrize("copied", [0.2, 0.6])
def test_memorization_of_some_copies_among_fresh_samples(copied):
    found = []
    for i in range(0, 90, 3):
        training, held_out, fresh = (normal(200, 8, seed) for seed in range(i, i + 3))
        given = torch.cat([training[: int(200 * copied)], fresh[int(200 * copied) :]])
        found.append(Memorization().score(given, pools(training, held_out)).value)
    expected = copied + (1 - copied) / 2
    assert np.mean(found) == pytest.approx(expected, abs=4 * np.std(found) / len(found) ** 0.5)
    assert np.std(found) / len(found) ** 0.5 < 0.02


def test_memorization_of_ties_is_a_half():
    real = normal(50, 4)
    estimate = Memorization().score(normal(40, 4, 1), pools(real, real))
    assert estimate.value == 0.5


def test_duplicates_are_counted_in_pictures_and_points():
    levels = torch.randint(256, (30, 1, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    pictures = levels.float() / 127.5 - 1
    points = normal(30, 2)
    points[7] = torch.tensor([0.0, -0.0])
    for stored, samples in ((levels, pictures), (points, points)):
        part = SimpleNamespace(data=SimpleNamespace(training=SimpleNamespace(data=stored[:20])))
        reference = Duplicates().reference_of(part)  # type: ignore[arg-type]
        given = torch.cat([samples[15:25], samples[22:25], -samples[7:8]])
        found = Duplicates().score(given, reference)
        negated = 1 if samples is points else 0
        assert found["copies of training data"] == pytest.approx((5 + negated) / 14)
        assert found["repeats"] == pytest.approx(3 / 14)
