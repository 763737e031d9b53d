"""Fréchet distance between the features of generated and of real samples."""

from __future__ import annotations

from torch import Tensor, nn

from gan_bench.plugin import Features, Metric, hookimpl


class _Given(nn.Identity):
    """Stands where torchmetrics expects a feature extractor: the features are given already."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.num_features = dimension


class FrechetDistance(Metric):
    """Fréchet distance between Gaussians fitted to features (Heusel et al. 2017, equation 6); 0 where they agree.

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^1/2), in float64, with unbiased covariances. It is biased upwards, more so with
    fewer samples: two samples of N from N(0, I_d) score 2d/N + d(d+1)/(2(N-1)) on average instead of 0.
    """

    name = "fid"
    better = "lower"
    scale = "log"

    def label(self, features: Features) -> str:
        """ "FID" is the name for Inception's 2048 features alone; with others the values do not compare."""
        return "FID" if features.label == "inception-2048" else f"FD[{features.label}]"

    def score(self, generated: Tensor, real: Tensor) -> float:
        """The distance, at least 0. ValueError: fewer than 2 samples, or features that are not finite."""
        for features, which in ((generated, "generated"), (real, "real")):
            if len(features) < 2:
                raise ValueError(f"a covariance needs at least 2 {which} samples, not {len(features)}")
            if not features.isfinite().all():
                broken = int((~features.isfinite().all(1)).sum())
                raise ValueError(f"{broken} of {len(features)} {which} samples have features that are not finite")
        from torchmetrics.image.fid import FrechetInceptionDistance  # takes seconds to import

        metric = FrechetInceptionDistance(_Given(real.shape[1]))
        # torchmetrics computes covariances as E[xy] - E[x]E[y], which loses digits far from the origin: go there.
        origin = real.double().cpu().mean(0)
        metric.update(real.double().cpu() - origin, real=True)
        metric.update(generated.double().cpu() - origin, real=False)
        return max(float(metric.compute()), 0.0)


@hookimpl
def gan_bench_metrics() -> list[type[Metric]]:
    return [FrechetDistance]
