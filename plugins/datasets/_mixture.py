"""Mixtures of equal Gaussians whose truth is known."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from gan_bench import ArrayPart, Dataset, Field, Modes, Parts


class Mixture(Dataset):
    """Equally likely, round Gaussians. A point's class is the Gaussian that it was drawn from."""

    kind = "points"
    std: float = Field(0.02, gt=0, le=10, description="standard deviation in each direction")
    training: int = Field(10_000, ge=1, le=10**7, description="points to train on")
    held_out: int = Field(10_000, ge=1, le=10**7, description="points that scores compare with")

    @abstractmethod
    def means(self) -> np.ndarray:
        """(modes, D)."""

    def classes(self) -> tuple[str, ...] | None:
        return tuple(str(mode) for mode in range(len(self.means())))

    def known_modes(self) -> Modes:
        return Modes(tuple(tuple(mean.tolist()) for mean in self.means()), self.std)

    def load(self) -> Parts:
        return Parts(self._part(self.training, seed=0), self._part(self.held_out, seed=1))

    def _part(self, count: int, seed: int) -> ArrayPart:
        random = np.random.default_rng(seed)
        means = self.means()
        labels = random.integers(len(means), size=count)
        points = means[labels] + self.std * random.standard_normal((count, means.shape[1]))
        return ArrayPart(points.astype(np.float32), None if self.classes() is None else labels)


def ring(count: int, radius: float) -> np.ndarray:
    """(count, 2) means on a circle."""
    angles = np.arange(count) * (2 * np.pi / count)
    return radius * np.stack([np.cos(angles), np.sin(angles)], 1)


def grid(side: int, half: float) -> np.ndarray:
    """(side^2, 2) means in a square from -half to half."""
    line = np.linspace(-half, half, side) if side > 1 else np.zeros(1)
    return np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)
