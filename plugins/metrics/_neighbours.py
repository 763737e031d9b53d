"""What metrics of nearest neighbours share."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from gan_bench.plugin import Metric

BLOCK = 500  # rows of a matrix of distances that are held at a time


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
        """Euclidean distances (B, M) between (N, d) and (M, d), some rows at a time, with the slice of these rows.

        By differences: the usual way by products loses the digits of near neighbours far from the origin.
        """
        for start in range(0, len(rows), BLOCK):
            block = slice(start, start + BLOCK)
            yield block, torch.cdist(rows[block], columns, compute_mode="donot_use_mm_for_euclid_dist")

    def radii(self, features: Tensor, k: int) -> Tensor:
        """(N,): each sample's distance from its k-th nearest other."""
        return torch.cat([block.kthvalue(k + 1).values for _, block in self.distances(features, features)])
