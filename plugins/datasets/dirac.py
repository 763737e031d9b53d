"""A point mass, for the smallest GAN there is."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gan_bench import ArrayPart, Dataset, Field, Parts, hookimpl


class DiracData(Dataset):
    """Every sample is the number 0 (Mescheder et al. 2018, section 2); for architecture `dirac`."""

    name = "dirac"
    kind = "points"
    shape: ClassVar[tuple[int, ...]] = (1,)
    training: int = Field(1000, ge=1, le=10**7, description="points to train on")
    held_out: int = Field(1000, ge=1, le=10**7, description="points that scores compare with")

    def load(self) -> Parts:
        training, held_out = (np.zeros((count, 1), np.float32) for count in (self.training, self.held_out))
        return Parts(ArrayPart(training), ArrayPart(held_out))


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [DiracData]
