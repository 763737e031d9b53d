"""Kernel distance between the features of generated and of real samples."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from gan_bench import Estimate, Features, Field, Metric, hookimpl

COLUMNS = 1000  # of the kernel that are held at a time, in whole groups: few enough for the cache
INCEPTION = "inception-2048"  # the features of the published KID


class KernelDistance(Metric):
    """Squared maximum mean discrepancy under the kernel (x.y / d + 1)^3 (Binkowski et al. 2018, section 4).

    Features are first divided by one number, the root mean square of the held-out data's, for the kernel's width is fixed: so
    noise has about 1 by any extractor, and values are read without an exponent. Not so Inception's: its KID is the published
    one. Unbiased: where the distributions agree, half the values are negative, and none is clipped. All pairs of samples
    are used instead of some subsets. The standard error is the jackknife's over groups left out one at a time, of generated and
    real samples alike (Efron and Stein 1981); it errs upwards where the distributions agree.
    """

    name = "kid"
    better = "lower"
    side = "distance"
    groups: int = Field(10, ge=2, description="parts of the samples that are left out by turns for the standard error")

    def label(self, features: Features) -> str:
        """ "KID" is the name for Inception's 2048 features alone; with others the values do not compare."""
        return "KID" if features.label == INCEPTION else f"KID[{features.label}]"

    def standardised(self, features: Features) -> bool:
        """All but Inception's."""
        return features.label != INCEPTION

    def reference(self, real: Tensor) -> dict[str, Tensor]:
        """`features` (M, d), shuffled, for data may lie in order; and `sums` (groups, groups) of the kernel within them."""
        shuffled = real[torch.randperm(len(real))]
        return {"features": shuffled, "sums": self._sums(self._split(shuffled, "real"))}

    def score(self, generated: Tensor, reference: dict[str, Tensor]) -> Estimate:
        """Any sign. ValueError: fewer than two samples for each group, or features that are not finite."""
        given, real = self._split(generated, "generated"), self._split(reference["features"], "real")
        within, across = self._sums(given), self._sums(given, real)
        n, m = (torch.tensor([len(part) for part in parts], dtype=torch.float64) for parts in (given, real))

        def distance(without: Any, pairs: Any) -> Any:
            """From numbers of samples left out, and what `pairs` leaves of sums."""
            a, b = n.sum() - without * n, m.sum() - without * m
            same = pairs(within) / (a * (a - 1)) + pairs(reference["sums"]) / (b * (b - 1))
            return same - 2 * pairs(across) / (a * b)

        value = distance(0, Tensor.sum)[0]
        left_out = distance(1, lambda sums: sums.sum() - sums.sum(0) - sums.sum(1) + sums.diagonal())
        spread = ((left_out - left_out.mean()) ** 2).sum() * (self.groups - 1) / self.groups
        return Estimate(float(value), float(spread.sqrt()))

    def _split(self, features: Tensor, which: str) -> tuple[Tensor, ...]:
        if len(features) < 2 * self.groups:
            raise ValueError(f"kid needs at least {2 * self.groups} {which} samples, not {len(features)}")
        if broken := int((~features.isfinite().all(1)).sum()):
            raise ValueError(f"{broken} of {len(features)} {which} samples have features that are not finite")
        return features.double().tensor_split(self.groups)

    def _sums(self, rows: tuple[Tensor, ...], columns: tuple[Tensor, ...] | None = None) -> Tensor:
        """(groups, groups): the kernel's sums over pairs from one group each; without `columns` of rows, but none with itself."""
        sums = torch.zeros(self.groups, self.groups, dtype=torch.float64)
        sizes = [len(y) for y in columns or rows]
        whole, ends = torch.cat(columns or rows).T, [0, *accumulate(sizes)]
        together, one = max(1, COLUMNS // sizes[0]), whole.new_ones(())
        for i, x in enumerate(rows):
            first = i if columns is None else 0
            for j in range(first, self.groups, together):
                some = slice(j, min(j + together, self.groups))
                kernel = torch.addmm(one, x / x.shape[1], whole[:, ends[some.start] : ends[some.stop]]).pow_(3)
                sums[i, some] = torch.stack([part.sum() for part in kernel.sum(0).split(sizes[some])])
                if columns is None and j == i:
                    sums[i, i] -= kernel.trace()
            if columns is None:
                sums[i:, i] = sums[i, i:].clone()
        return sums


@hookimpl
def gan_bench_metrics() -> list[type[Metric]]:
    return [KernelDistance]
