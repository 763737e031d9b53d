"""Which of the data's classes are generated, and how often."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_bench import Field, Metric, Number, RealData, hookimpl

from ._lost_diversity import HALF

BY_CHANCE = 1e-3  # probability of parts so much alike, below which they were drawn by class


class ClassCoverage(Metric):
    """Classes reached, and the divergence of their proportions from the data's (after Che et al. 2017 and Metz et al. 2017).

    Classes are what the dataset's classifier says, of real samples as well, so that its own preferences cancel. The
    divergence is KL(generated || real), to which every real class adds half a sample; N samples of the data itself have about
    (K-1)/2 (1/N + 1/M) on average, for K classes and M real samples.
    """

    name = "class_coverage"
    reads = "logits"
    numbers = {
        "classes": Number("higher", unit="classes", side="diversity", alarm=HALF),
        "class KL": Number("lower", unit="nats", side="diversity"),
    }
    least: int = Field(1, ge=1, description="samples that a class must have to count as reached")

    def reference(self, real: Tensor) -> Tensor:
        """(classes,) real samples of each class."""
        return real.argmax(1).bincount(minlength=real.shape[1])

    def remarks(self, data: RealData, generated: int) -> list[str]:
        """That training and held-out data were drawn by class, so that real data score better than anything drawn at random.

        Their counts are then more alike than a chi-squared test of homogeneity could explain.
        """
        from scipy.special import chdtr  # a worker starts without it

        labels = [part.labels for part in (data.data.training, data.data.held_out) if part.labels is not None]
        if len(labels) < 2 or not data.data.spec.classes:
            return []
        named = [some[some >= 0].bincount(minlength=len(data.data.spec.classes)) for some in labels]
        counts = torch.stack(named).double()
        counts = counts[:, counts.any(0)]
        expected = counts.sum(1, keepdim=True) * counts.sum(0) / counts.sum()
        classes = counts.shape[1]
        alike = chdtr(classes - 1, float(((counts - expected) ** 2 / expected).sum()))
        if not alike < BY_CHANCE:  # nor is NaN, of a single class
            return []
        chance = (classes - 1) / 2 * (1 / generated + 1 / int(counts[1].sum()))
        return [
            "training and held-out data were drawn class by class, so that real training data have next to no class KL; "
            f"{generated:,} samples drawn at random would have {chance:.2g}."
        ]

    def score(self, generated: Tensor, reference: Tensor) -> dict[str, float]:
        """A count, and nats. ValueError: logits that are not finite."""
        if broken := int((~generated.isfinite().all(1)).sum()):
            raise ValueError(f"{broken} of {len(generated)} samples have logits that are not finite")
        counts = generated.argmax(1).bincount(minlength=len(reference))
        share, real = counts.double() / len(generated), reference.double() + 0.5
        divergence = (share.xlogy(share) - share.xlogy(real / real.sum())).sum()
        return {"classes": int((counts >= self.least).sum()), "class KL": float(divergence)}


@hookimpl
def gan_bench_metrics() -> list[type[Metric]]:
    return [ClassCoverage]
