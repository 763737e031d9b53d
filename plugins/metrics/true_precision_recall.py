"""Precision and recall where the data's manifold is known."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gan_bench import Field, Metric, Number, RealData, hookimpl

from ..datasets._regular_polygons import CENTRE, RADII, SIDES, render
from ._lost_diversity import NEARLY_ALL

BLOCK = 250  # pictures that are fitted at a time
ROUNDS = 4  # of Gauss and Newton's method, after which a polygon's own parameters are found


class TruePrecisionRecall(Metric):
    """Precision and recall on the dataset `polygons`, whose manifold is known (after Lucic et al. 2018, section 5).

    The polygon of the family that is nearest to a picture is found by its moments and then by least squares; its distance is the
    root of the mean squared difference of pixels, from 0 (black) to 1. Precision is the share of pictures that are nearer than
    `tolerance`: at the default, a square never passes for a pentagon. Recall is the share of 48 equally likely kinds of polygons
    (by sides, and by halves of both centres, of radius and of rotation) that these pictures are of, each with at least a
    quarter of its fair share. Both are 1 for a thousand samples of the data itself.
    """

    name = "true_precision_recall"
    reads = "samples"
    numbers = {
        "true precision": Number("higher", unit="share", side="quality"),
        "true recall": Number("higher", unit="share", side="diversity", alarm=NEARLY_ALL),
        "distance": Number("lower", side="quality"),
    }
    tolerance: float = Field(
        0.045, gt=0, lt=1, description="distance from the nearest polygon, up to which a picture is one"
    )

    def reference_of(self, data: RealData) -> Tensor:
        """Nothing: the truth is in closed form. ValueError: the data are no polygons."""
        if data.data.name != "polygons":
            raise ValueError(f"the manifold of dataset {data.data.name} is not known: that of polygons is")
        return torch.empty(0)

    def score(self, generated: Tensor, reference: Tensor) -> dict[str, float]:
        """Shares in [0, 1] and the mean distance, of pictures (N, 1, S, S) in [-1, 1]. ValueError: some are not finite."""
        if broken := int((~generated.flatten(1).isfinite().all(1)).sum()):
            raise ValueError(f"{broken} of {len(generated)} samples are not finite")
        distances, kinds = map(torch.cat, zip(*map(self.nearest, generated.split(BLOCK)), strict=True))
        right = distances <= self.tolerance
        counts = kinds[right].bincount(minlength=16 * len(SIDES))
        enough = max(1.0, 0.25 * int(right.sum()) / len(counts))
        return {
            "true precision": right.double().mean().item(),
            "true recall": (counts >= enough).double().mean().item(),
            "distance": distances.mean().item(),
        }

    def nearest(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Distance (N,) from the nearest polygon, and its kind (N,) below 48, of pictures (N, 1, S, S) in [-1, 1]."""
        size, values = pictures.shape[-1], (pictures.double().flatten(1) + 1) / 2
        found = [self._fit(sides, values, size) for sides in SIDES]
        distances, which = torch.stack([distance for distance, _ in found], 1).min(1)
        kinds = torch.stack([kind for _, kind in found], 1).gather(1, which[:, None])[:, 0]
        return distances, 16 * which + kinds

    def _fit(self, sides: int, values: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """The nearest polygon of so many sides: its distance (N,), and its kind (N,) below 16."""
        shapes = self._by_moments(sides, values, size)
        best, distance = shapes, torch.full((len(values),), torch.inf, dtype=torch.float64)
        for _ in range(ROUNDS):
            shown, slopes = render(sides, shapes, size)
            missing = values - shown
            now = missing.square().mean(1).sqrt()
            best = torch.where((now < distance)[:, None], shapes, best)
            distance = torch.minimum(distance, now)
            damped = slopes @ slopes.mT + 1e-3 * torch.eye(4, dtype=torch.float64)
            shapes = self._within(shapes + torch.linalg.solve(damped, slopes @ missing[..., None])[..., 0])
        turn = best[:, 3].remainder(2 * math.pi / sides) * sides / math.pi
        halves = [best[:, 0] > 0, best[:, 1] > 0, best[:, 2] > sum(RADII) / 2, turn > 1]
        return distance, sum(half.long() << i for i, half in enumerate(halves))  # type: ignore[return-value]

    def _by_moments(self, sides: int, values: Tensor, size: int) -> Tensor:
        """Centre, radius and rotation (N, 4) from a picture's centre of mass, area and moment of order `sides`."""
        place = (torch.arange(size, dtype=torch.float64) + 0.5) * (2 / size) - 1
        z = torch.complex(place.expand(size, size), place[:, None].expand(size, size)).flatten()
        mass = values.sum(1).clamp(min=1e-9)
        centre = (values * z).sum(1) / mass
        area = mass * (2 / size) ** 2
        radius = (2 * area / (sides * math.sin(2 * math.pi / sides))).sqrt()
        out = z - centre[:, None]
        inside = out.abs() <= radius[:, None] + 1 / size  # elsewhere the moment's high power would raise mere noise
        rotation = (values * inside * out**sides).sum(1).angle() / sides
        return self._within(torch.stack([centre.real, centre.imag, radius, rotation], 1))

    def _within(self, shapes: Tensor) -> Tensor:
        """The same, with centre and radius no farther than the family's."""
        centre, radius, rotation = shapes.split([2, 1, 1], 1)
        return torch.cat([centre.clamp(-CENTRE, CENTRE), radius.clamp(*RADII), rotation], 1)


@hookimpl
def gan_bench_metrics() -> list[type[Metric]]:
    return [TruePrecisionRecall]
