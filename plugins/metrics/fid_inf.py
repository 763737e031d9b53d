"""The Fréchet distance that infinitely many generated samples would have."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gan_bench import Features, Field, Metric, RealData, hookimpl

from .fid import FrechetDistance


class InfiniteFrechetDistance(FrechetDistance):
    """The Fréchet distance extrapolated to infinitely many generated samples (Chong and Forsyth 2020, section 4).

    The bias falls as 1/N, by an amount that depends on the generator: so distances of N samples for several N are fitted by a
    line in 1/N, and its value at 0 is the score. Instead of one subset of each size, all disjoint ones are averaged, which
    spreads the score less. It may be negative. What the finite real data add stays; to leading order it is equal for all
    generators. The smallest subset should be larger than the features' dimension.
    """

    name = "fid_inf"
    scale = "raw"
    sizes: int = Field(5, ge=2, description="numbers of samples that are tried, evenly spaced up to all")
    smallest: float = Field(0.1, gt=0, lt=1, description="the smallest of them, as a share of all samples")

    def label(self, features: Features) -> str:
        """ "FID∞" is the name for Inception's 2048 features alone."""
        return "FID∞" if features.label == "inception-2048" else f"FD∞[{features.label}]"

    def remarks(self, data: RealData, generated: int) -> list[str]:
        """As of the distance itself, of the smallest subset."""
        return super().remarks(data, int(self._smallest(generated)))

    def score(self, generated: Tensor, reference: dict[str, Tensor]) -> float:
        """Any sign. ValueError: too few samples, or features that are not finite."""
        least = 2 * self.sizes
        if len(generated) < least:
            raise ValueError(f"fid_inf needs at least {least} generated samples, not {len(generated)}")
        if broken := int((~generated.isfinite().all(1)).sum()):
            raise ValueError(f"{broken} of {len(generated)} generated samples have features that are not finite")
        spaced = np.linspace(self._smallest(len(generated)), len(generated), self.sizes)
        sizes: list[int] = spaced.astype(int).tolist()
        distances = [self._mean(generated[torch.randperm(len(generated))], size, reference) for size in sizes]
        return float(np.polyfit(np.reciprocal(sizes, dtype=float), distances, 1)[1])

    def _smallest(self, generated: int) -> float:
        return max(2, self.smallest * generated)

    def _mean(self, generated: Tensor, size: int, reference: dict[str, Tensor]) -> float:
        """The distance of so many samples, on average over as many disjoint subsets as there are."""
        subsets = generated.split(size)[: len(generated) // size]
        return sum(super(InfiniteFrechetDistance, self).score(subset, reference) for subset in subsets) / len(subsets)


@hookimpl
def gan_bench_metrics() -> list[type[Metric]]:
    return [InfiniteFrechetDistance]
