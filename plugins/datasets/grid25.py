"""25 Gaussians in a square."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gan_bench import Dataset, Field, hookimpl

from ._mixture import Mixture, grid


class Grid25(Mixture):
    """5 by 5 Gaussians, their standard deviation 1/40 of their distance (Lin et al. 2018, section 4.1), scaled to +-0.8."""

    name = "grid25"
    shape: ClassVar[tuple[int, ...]] = (2,)
    std: float = Field(0.01, gt=0, le=10, description="standard deviation in each direction")

    def means(self) -> np.ndarray:
        return grid(5, 0.8)


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [Grid25]
