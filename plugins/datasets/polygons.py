"""Regular polygons: pictures whose true manifold can be computed."""

from __future__ import annotations

import math

import numpy as np
import torch

from gan_bench import ArrayPart, Dataset, Field, Parts, hookimpl

from ._pictures import square_field
from ._regular_polygons import CENTRE, RADII, SIDES, render


class Polygons(Dataset):
    """White triangles, squares and pentagons on black, of any rotation, at several places and sizes.

    A picture's distance from all such pictures can be computed, as from the polygons of Lucic et al. (2018, section 5), so that
    precision and recall have a right answer, which the metric `true_precision_recall` tells. A picture's class is its number of
    sides; class, centre, radius and rotation are uniform and independent.
    """

    name = "polygons"
    size: int = square_field(16)
    training: int = Field(10_000, ge=3, le=10**7, description="pictures to train on")
    held_out: int = Field(10_000, ge=3, le=10**7, description="pictures that scores compare with")

    @property
    def shape(self) -> tuple[int, ...]:
        return (1, self.size, self.size)

    def classes(self) -> tuple[str, ...]:
        return ("triangle", "square", "pentagon")

    def load(self) -> Parts:
        return Parts(self._part(self.training, seed=0), self._part(self.held_out, seed=1))

    def _part(self, count: int, seed: int) -> ArrayPart:
        random = np.random.default_rng(seed)
        labels = random.integers(len(SIDES), size=count)
        centres, radii = random.uniform(-CENTRE, CENTRE, (count, 2)), random.uniform(*RADII, (count, 1))
        turns = random.uniform(0, 2 * math.pi, (count, 1)) / np.array(SIDES)[labels, None]
        shapes = torch.from_numpy(np.concatenate([centres, radii, turns], 1))
        pictures = np.empty((count, *self.shape), np.uint8)
        for label, sides in enumerate(SIDES):
            for chosen in np.array_split(np.flatnonzero(labels == label), max(1, count // 500)):
                values = render(sides, shapes[chosen], self.size)[0]
                pictures[chosen] = (255 * values).round().to(torch.uint8).numpy().reshape(-1, *self.shape)
        return ArrayPart(pictures, labels)


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [Polygons]
