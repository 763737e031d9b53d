"""Points in the plane, on which every mode that a generator misses can be seen."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import numpy as np
from pydantic import model_validator

from gan_bench import Dataset, Field, hookimpl

from ._mixture import Mixture, grid, ring


class Gaussians(Mixture):
    """A mixture of equal Gaussians in the plane: 8 on a ring (after Metz et al. 2017) or 25 in a square grid.

    Papers scale these mixtures differently, and results depend on it: compare only runs on equal numbers; `ring`
    and `grid25` have those of a paper. A point's class is the Gaussian that it was drawn from.
    """

    name = "gaussians"
    shape: ClassVar[tuple[int, ...]] = (2,)
    layout: Literal["ring", "grid"] = Field("ring", description="how the means are arranged")
    modes: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="number of Gaussians, in a grid a square (default: 8 on a ring, 25 in a grid)",
    )
    radius: float = Field(0.8, gt=0, le=10, description="of the ring, or half the side of the grid")

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
        return ring(self.count, self.radius) if self.layout == "ring" else grid(math.isqrt(self.count), self.radius)


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [Gaussians]
