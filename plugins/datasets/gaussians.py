"""Points in the plane, on which every mode that a generator misses can be seen."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import numpy as np
from pydantic import model_validator

from gan_bench.plugin import ArrayPart, Dataset, Field, Parts, hookimpl


class Gaussians(Dataset):
    """A mixture of equal Gaussians in the plane: 8 on a ring (after Metz et al. 2017) or 25 in a square grid.

    Papers scale these mixtures differently, and results depend on it: compare only runs on equal numbers. A point's
    class is the Gaussian that it was drawn from.
    """

    name = "gaussians"
    kind = "points"
    shape: ClassVar[tuple[int, ...]] = (2,)
    layout: Literal["ring", "grid"] = Field("ring", description="how the means are arranged")
    modes: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="number of Gaussians, in a grid a square (default: 8 on a ring, 25 in a grid)",
    )
    radius: float = Field(0.8, gt=0, le=10, description="of the ring, or half the side of the grid")
    std: float = Field(0.02, gt=0, le=10, description="standard deviation in each direction")
    training: int = Field(10_000, ge=1, le=10**7, description="points to train on")
    held_out: int = Field(10_000, ge=1, le=10**7, description="points that scores compare with")

    @model_validator(mode="after")
    def _square(self) -> Gaussians:
        if self.layout == "grid" and math.isqrt(self.count) ** 2 != self.count:
            raise ValueError(f"a grid needs a square number of modes, such as 25, not {self.count}")
        return self

    @property
    def count(self) -> int:
        """The number of modes."""
        return self.modes or (8 if self.layout == "ring" else 25)

    def means(self) -> np.ndarray:
        """(modes, 2)."""
        if self.layout == "ring":
            angles = np.arange(self.count) * (2 * np.pi / self.count)
            unit = np.stack([np.cos(angles), np.sin(angles)], 1)
        else:
            line = np.linspace(-1, 1, math.isqrt(self.count)) if self.count > 1 else np.zeros(1)
            unit = np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)
        return self.radius * unit

    def classes(self) -> tuple[str, ...]:
        return tuple(str(mode) for mode in range(self.count))

    def load(self) -> Parts:
        return Parts(self._part(self.training, seed=0), self._part(self.held_out, seed=1))

    def _part(self, count: int, seed: int) -> ArrayPart:
        random = np.random.default_rng(seed)
        labels = random.integers(self.count, size=count)
        points = self.means()[labels] + self.std * random.standard_normal((count, 2))
        return ArrayPart(points.astype(np.float32), labels)


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [Gaussians]
