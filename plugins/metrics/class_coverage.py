"""Which of the data's classes are generated, and how often."""

from __future__ import annotations

from torch import Tensor

from gan_bench import Field, Metric, Number, hookimpl


class ClassCoverage(Metric):
    """Classes reached, and the divergence of their proportions from the data's (after Che et al. 2017 and Metz et al. 2017).

    Classes are what the dataset's classifier says, of real samples as well, so that its own preferences cancel. The
    divergence is KL(generated || real), to which every real class adds half a sample; N samples of the data itself have about
    (K-1)/2 (1/N + 1/M) on average, for K classes and M real samples.
    """

    name = "class_coverage"
    reads = "logits"
    numbers = {
        "classes": Number("higher", unit="classes", side="diversity"),
        "class KL": Number("lower", unit="nats", side="diversity"),
    }
    least: int = Field(1, ge=1, description="samples that a class must have to count as reached")

    def reference(self, real: Tensor) -> Tensor:
        """(classes,) real samples of each class."""
        return real.argmax(1).bincount(minlength=real.shape[1])

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
