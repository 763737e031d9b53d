"""Eight Gaussians on a circle."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gan_bench import Dataset, Field, hookimpl

from ._mixture import Mixture, ring


class Ring(Mixture):
    """8 Gaussians on a circle, their standard deviation 1/100 of its radius (Lin et al. 2018, section 4.1), scaled to 0.8."""

    name = "ring"
    shape: ClassVar[tuple[int, ...]] = (2,)
    std: float = Field(0.008, gt=0, le=10, description="standard deviation in each direction")

    def means(self) -> np.ndarray:
        return ring(8, 0.8)


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [Ring]
