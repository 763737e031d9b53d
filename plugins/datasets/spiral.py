"""A curve in the plane."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gan_bench import ArrayPart, Dataset, Field, Parts, hookimpl


class Spiral(Dataset):
    """Points near the arms of an Archimedean spiral, evenly along it; a point's class is its arm."""

    name = "spiral"
    kind = "points"
    shape: ClassVar[tuple[int, ...]] = (2,)
    arms: int = Field(2, ge=1, le=100, description="curves that begin at the centre")
    turns: float = Field(1.5, gt=0, le=100, description="of each arm")
    std: float = Field(
        0.02, gt=0, le=10, description="standard deviation of the points' distance from the arm, each way"
    )
    training: int = Field(10_000, ge=1, le=10**7, description="points to train on")
    held_out: int = Field(10_000, ge=1, le=10**7, description="points that scores compare with")

    def classes(self) -> tuple[str, ...] | None:
        return tuple(map(str, range(self.arms))) if self.arms > 1 else None

    def load(self) -> Parts:
        return Parts(self._part(self.training, seed=0), self._part(self.held_out, seed=1))

    def _part(self, count: int, seed: int) -> ArrayPart:
        random = np.random.default_rng(seed)
        arm = random.integers(self.arms, size=count)
        angle = np.linspace(0, 2 * np.pi * self.turns, 10_001)  # r = a angle, whose arc is a sqrt(1 + angle^2) d angle
        arc = np.concatenate([[0], np.cumsum(np.sqrt(1 + ((angle[1:] + angle[:-1]) / 2) ** 2))])
        place = np.interp(random.uniform(0, arc[-1], count), arc, angle)
        direction = place + 2 * np.pi * arm / self.arms
        curve = (0.8 * place / angle[-1])[:, None] * np.stack([np.cos(direction), np.sin(direction)], 1)
        points = curve + self.std * random.standard_normal((count, 2))
        return ArrayPart(points.astype(np.float32), arm if self.arms > 1 else None)


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [Spiral]
