"""What metrics of nearest neighbours share."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from gan_bench import Metric

BLOCK = 100  # rows of a matrix of distances that are held at a time: few enough for the cache
EQUAL = 1e-13  # of |x|^2 + |y|^2: a smaller |x - y|^2 is what rounding leaves of 0


class NeighbourMetric(Metric):
    """A base class rather than functions, so that its source is part of each metric's protocol."""

    def finite(self, features: Tensor, which: str, least: int) -> Tensor:
        """The same features (N, d). ValueError: fewer than `least` samples, or some not finite: no comparison would tell."""
        if len(features) < least:
            raise ValueError(f"{self.name} needs at least {least} {which} samples, not {len(features)}")
        if broken := int((~features.isfinite().all(1)).sum()):
            raise ValueError(f"{broken} of {len(features)} {which} samples have features that are not finite")
        return features

    def distances(self, rows: Tensor, columns: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Euclidean distances (B, M) between (N, d) and (M, d), float32, some rows at a time, with the slice of these rows."""
        return ((block, square.sqrt_().float()) for block, square in self._squares(rows, columns))

    def radii(self, features: Tensor, k: int) -> Tensor:
        """(N,): each sample's distance from its k-th nearest other."""
        nearest = [block.topk(k + 1, largest=False).values[:, k] for _, block in self._squares(features, features)]
        return torch.cat(nearest).sqrt_().float()

    def centre(self, features: Tensor) -> Tensor:
        """(d,) float64: the median of some hundred of (N, d), which a few samples that are far off do not move."""
        return features[:: max(1, len(features) // 100)].double().median(0).values

    def _squares(self, rows: Tensor, columns: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Squares of the distances, float64.

        By products, some twenty times as fast as by differences where features are many. In float64 round the middle they lose
        nothing that float32 features hold; equal samples are exactly 0 apart, and equal distances are equal once rounded.
        """
        centre = self.centre(columns)
        columns = columns.double() - centre
        squares = columns.square().sum(1)
        for start in range(0, len(rows), BLOCK):
            block = slice(start, start + BLOCK)
            some = rows[block].double() - centre
            own = some.square().sum(1, keepdim=True)
            sizes = own + squares
            square = torch.addmm(sizes, some, columns.T, alpha=-2)
            if square.amin() <= EQUAL * (own.amax() + squares.amax()):  # else none can be so near
                square = square.where(square > EQUAL * sizes, 0)
            yield block, square
