"""Fréchet distance between the features of generated and of real samples."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from gan_bench import Features, Metric, RealData, hookimpl

BLOCK = 256  # rows of a matrix product that are computed at a time


class FrechetDistance(Metric):
    """Fréchet distance between Gaussians fitted to features (Heusel et al. 2017, equation 6); 0 where they agree.

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^1/2), in float64, with unbiased covariances. It is biased upwards, more so with
    fewer samples: two samples of N from N(0, I_d) score 2d/N + d(d+1)/(2(N-1)) on average instead of 0.
    """

    name = "fid"
    better = "lower"
    side = "distance"
    scale: ClassVar[Literal["log", "raw"]] = "log"

    def label(self, features: Features) -> str:
        """ "FID" is the name for Inception's 2048 features alone; with others the values do not compare."""
        return "FID" if features.label == "inception-2048" else f"FD[{features.label}]"

    def reference(self, real: Tensor) -> dict[str, Tensor]:
        """`mean` (d,) of real features (M, d), and the upper triangular `root` R (min(M, d), d): R^T R is their covariance.

        R is of the features' QR decomposition, which is as exact where the covariance is singular.
        """
        mean, rows = _centred(real, "real")
        return {"mean": mean, "root": torch.linalg.qr(rows, mode="r").R}

    def remarks(self, data: RealData, generated: int) -> list[str]:
        """That a covariance is singular, of no more samples than features."""
        real, features = data.held_out.shape
        few = [f"{n:,} {which}" for n, which in ((generated, "generated"), (real, "held-out")) if n <= features]
        if not few:
            return []
        return [
            f"{' and '.join(few)} samples are too few for the covariance of {features:,} features, so that the distance is "
            "mostly bias. Take more samples, features of fewer dimensions, or kid, which has no bias."
        ]

    def score(self, generated: Tensor, reference: dict[str, Tensor]) -> float:
        """The distance, at least 0. ValueError: fewer than 2 samples, or features that are not finite.

        The eigenvalues of S1 S2 are those of the symmetric R S1 R^T, zeros apart; and with S1 = X^T X those of
        (X R^T)(X R^T)^T, which is smaller where there are few samples.
        """
        mean, rows = _centred(generated, "generated")
        root = reference["root"]
        if len(rows) < len(root):
            product = _gram(_root_times(root, rows.T).T)
        else:
            product = _root_times(root, _root_times(root, _gram(rows.T)).T)
        overlap = torch.linalg.eigvalsh(product).clamp(min=0).sqrt().sum()
        gap = (mean - reference["mean"]).norm() ** 2
        return max(float(gap + rows.norm() ** 2 + root.norm() ** 2 - 2 * overlap), 0.0)


def _centred(features: Tensor, which: str) -> tuple[Tensor, Tensor]:
    """Mean (d,) of features (N, d), and X (N, d) such that X^T X is their unbiased covariance; float64."""
    if len(features) < 2:
        raise ValueError(f"a covariance needs at least 2 {which} samples, not {len(features)}")
    rows = features.to(torch.float64, copy=True)
    mean = rows.mean(0)
    if not mean.isfinite().all():
        broken = int((~features.isfinite().all(1)).sum())
        raise ValueError(f"{broken} of {len(features)} {which} samples have features that are not finite")
    return mean, rows.sub_(mean).div_((len(features) - 1) ** 0.5)


def _gram(rows: Tensor) -> Tensor:
    """rows rows^T (n, n) of (n, m), computed on one side of the diagonal: half the work."""
    product = rows.new_empty(len(rows), len(rows))
    for i in range(0, len(rows), BLOCK):
        j = i + BLOCK
        product[i:j, i:] = rows[i:j] @ rows[i:].T
        product[j:, i:j] = product[i:j, j:].T
    return product


def _root_times(root: Tensor, columns: Tensor) -> Tensor:
    """root columns (r, n) of an upper triangular (r, d) and (d, n), without what root's zeros would add: half the work."""
    product = root.new_empty(len(root), columns.shape[1])
    for i in range(0, len(root), BLOCK):
        product[i : i + BLOCK] = root[i : i + BLOCK, i:] @ columns[i:]
    return product


@hookimpl
def gan_bench_metrics() -> list[type[Metric]]:
    return [FrechetDistance]
