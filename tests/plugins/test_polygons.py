"""Polygons, whose manifold is known: the pictures, the truth about samples, and what precision_recall makes of them."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from gan_bench_plugins.datasets._regular_polygons import SIDES, render
from gan_bench_plugins.datasets.polygons import Polygons
from gan_bench_plugins.metrics.precision_recall import PrecisionRecall
from gan_bench_plugins.metrics.true_precision_recall import TruePrecisionRecall

COUNT = 700
TRUTH = TruePrecisionRecall()


def part(seed: int, count: int = COUNT) -> tuple[Tensor, Tensor]:
    """Pictures (N, 1, 16, 16) in [-1, 1], and their labels."""
    made = Polygons()._part(count, seed)
    return torch.from_numpy(made.samples).float() / 127.5 - 1, torch.from_numpy(made.labels)


@pytest.fixture(scope="module")
def pictures() -> tuple[Tensor, Tensor]:
    return part(2, 3 * COUNT)


def truth(pictures: Tensor, **parameters: float) -> dict[str, float]:
    return TruePrecisionRecall(**parameters).score(pictures, torch.empty(0))


def shown(sides: int, *shapes: tuple[float, ...], size: int = 16) -> Tensor:
    """Pictures (N, 1, S, S) in [-1, 1] of polygons with this centre, radius and rotation."""
    return (2 * render(sides, torch.tensor(shapes), size)[0] - 1).reshape(-1, 1, size, size)


@pytest.mark.parametrize("sides", SIDES)
def test_a_picture_is_that_of_a_drawn_polygon(sides):
    centre, radius, turn, size, fine = (0.1, -0.05), 0.7, 0.4, 32, 16
    corners = [turn + 2 * math.pi * i / sides for i in range(sides)]
    edge = size * fine / 2
    points = [
        (edge * (1 + centre[0] + radius * math.cos(a)), edge * (1 + centre[1] + radius * math.sin(a))) for a in corners
    ]
    drawn = Image.new("L", (size * fine, size * fine))
    ImageDraw.Draw(drawn).polygon(points, fill=255)
    expected = np.asarray(drawn).reshape(size, fine, size, fine).mean((1, 3)) / 255
    found = (shown(sides, (*centre, radius, turn), size=size)[0, 0].numpy() + 1) / 2
    assert np.abs(found - expected).max() < 0.25, "at corners, which are not quite as sharp"
    assert np.sqrt(((found - expected) ** 2).mean()) < 0.02


@pytest.mark.parametrize("sides", SIDES)
def test_derivatives_are_those_of_small_changes(sides):
    shape = torch.tensor([[0.03, -0.02, 0.61, 0.3]]).double()
    values, slopes = render(sides, shape, 16)
    for i in range(4):
        moved = shape.clone()
        moved[0, i] += 1e-7
        change = (render(sides, moved, 16)[0] - values) / 1e-7
        assert torch.allclose(change, slopes[:, i], atol=1e-5)


def test_data_are_on_their_manifold_and_of_every_kind(pictures):
    samples, labels = pictures
    samples, labels = samples[:1500], labels[:1500]
    distances, kinds = map(torch.cat, zip(*map(TRUTH.nearest, samples.split(250)), strict=True))
    assert distances.max() < 0.5 / 255, "what quantisation leaves"
    assert (kinds // 16).equal(labels)
    counts = kinds.bincount(minlength=48)
    assert ((counts - 1500 / 48) ** 2 / (1500 / 48)).sum() < 92, "uniform over the 48 kinds: chi-squared, p = 0.0001"


@pytest.mark.parametrize("sides", SIDES)
def test_kind_is_that_of_the_parameters(sides):
    step, offset = 2 * math.pi / sides, 16 * SIDES.index(sides)
    for kind in range(16):
        x, y, r, turn = (kind >> i & 1 for i in range(4))
        shape = (0.1 * (2 * x - 1), 0.1 * (2 * y - 1), 0.58 + 0.14 * r, (0.25 + 0.5 * turn) * step + 3 * step)
        distance, found = TRUTH.nearest(shown(sides, shape))
        assert (found.item(), distance.item()) == (offset + kind, pytest.approx(0, abs=1e-4))


def test_distance_from_the_manifold_in_closed_form(pictures):
    samples, _ = pictures
    # Noise is nearly orthogonal to the four directions that the manifold has at a point, out of 256.
    noise = torch.randn(200, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    found = truth(samples[:200] + 2 * 0.02 * noise)["distance"]
    assert found == pytest.approx(0.02 * (1 - 4 / 256) ** 0.5, rel=0.01)
    # A larger polygon than the family has is as far as from the largest.
    large, largest = shown(4, (0, 0, 0.9, 0.1)), shown(4, (0, 0, 0.8, 0.1))
    expected = ((large - largest) / 2).square().mean().sqrt().item()
    assert truth(large)["distance"] == pytest.approx(expected, rel=0.05)
    assert truth(large)["true precision"] == 0


@pytest.mark.slow
def test_precision_and_recall_are_as_they_were_made(pictures):
    samples, labels = pictures
    holed = samples[:COUNT].clone()
    holed[: COUNT // 4, :, 7:9, 7:9] = -1
    found = truth(holed)
    assert (found["true precision"], found["true recall"]) == (0.75, 1)
    assert found["distance"] > 0.02 > truth(samples[:100])["distance"]
    for kept in ([0], [1, 2]):
        some = samples[torch.isin(labels, torch.tensor(kept))][: len(kept) * 300]
        assert truth(some)["true recall"] == len(kept) / 3
    found = truth(samples[:1].expand(50, 1, 16, 16))
    assert (found["true precision"], found["true recall"]) == (1, pytest.approx(1 / 48))
    found = truth(torch.full((5, 1, 16, 16), -1.0))
    assert (found["true precision"], found["true recall"]) == (0, 0)
    assert truth(holed[:50], tolerance=0.3)["true precision"] == 1


def test_neighbours_come_near_the_truth_and_are_deceived_by_blur(pictures):
    """Kynkäänniemi et al.'s estimate, with k = 3 in pixel space, of samples whose precision and recall are known."""
    samples, labels = pictures
    metric = PrecisionRecall()
    reference = metric.reference(part(1)[0].flatten(1))
    estimate = lambda some: metric.score(some[:COUNT].flatten(1), reference)  # noqa: E731
    holed = samples[:COUNT].clone()
    holed[: COUNT // 2, :, 7:9, 7:9] = -1
    squares_missing = samples[labels != 1]
    cases = [(samples, 1, 1), (samples[labels == 0], 1, 1 / 3), (squares_missing, 1, 2 / 3), (holed, 0.5, 1)]
    for some, precision, recall in cases:
        assert estimate(some) == pytest.approx({"precision": precision, "recall": recall}, abs=0.08)
    blurred = torch.nn.functional.avg_pool2d(torch.nn.functional.pad(samples[:COUNT], (1,) * 4, value=-1), 3, 1)
    assert truth(blurred[:200])["true precision"] == 0
    assert estimate(blurred)["precision"] > 0.9, "a blurred picture is nearer to real ones than these are to each other"


def test_says_what_it_cannot_tell(pictures):
    real = SimpleNamespace(data=SimpleNamespace(name="digits"))
    with pytest.raises(ValueError, match="the manifold of dataset digits is not known: that of polygons is"):
        TRUTH.reference_of(real)  # type: ignore[arg-type]
    broken = pictures[0][:5].clone()
    broken[1, 0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="1 of 5 samples are not finite"):
        truth(broken)
