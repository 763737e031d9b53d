"""One Gaussian, on which every score is known in closed form."""

from __future__ import annotations

import numpy as np

from gan_bench import Dataset, Field, hookimpl

from ._mixture import Mixture


class Gaussian(Mixture):
    """One round Gaussian at the origin, of any dimension; unlabelled."""

    name = "gaussian"
    dimension: int = Field(2, ge=1, le=10_000, description="numbers in a point")
    std: float = Field(0.25, gt=0, le=10, description="standard deviation in each direction")

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.dimension,)

    def means(self) -> np.ndarray:
        return np.zeros((1, self.dimension))

    def classes(self) -> None:
        return None


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [Gaussian]
