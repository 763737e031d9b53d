"""The Fréchet distance within classes."""

from __future__ import annotations

import math

from torch import Tensor

from gan_bench import Estimate, Features, Field, Metric, RealData, hookimpl

from .fid import FrechetDistance

WHOLE = FrechetDistance()


class ClassFrechetDistance(Metric):
    """Mean over classes of the Fréchet distance between samples asked for as a class and its held-out ones.

    The intra-FID of Miyato and Koyama (2018, section 4). Of runs whose generator takes labels alone. Its bias is that of few
    samples, much above the whole's, but equal for equal numbers of them: compare runs by it, and them with the real data's.
    """

    name = "class_fd"
    scale = "log"
    reads_labels = True
    least: int = Field(20, ge=2, description="held-out samples that a class must have to count")

    def label(self, features: Features) -> str:
        """As of the distance itself."""
        return f"class {WHOLE.label(features)}"

    def reference_of(self, data: RealData) -> dict[str, Tensor]:
        """As `reference` of the distance, of each class that counts: "0.mean", "0.root" and so on.

        ValueError: no class has enough held-out samples.
        """
        labels = data.data.held_out.labels
        found: dict[str, Tensor] = {}
        for label, count in enumerate(_counts(labels, data)):
            if labels is not None and count >= self.least:
                own = WHOLE.reference(data.held_out[labels.cpu() == label])
                found |= {f"{label}.{name}": value for name, value in own.items()}
        if not found:
            raise ValueError(f"no class has {self.least} held-out samples")
        return found | {"classes": data.held_out.new_tensor(len(data.data.spec.classes or ()))}

    def remarks(self, data: RealData, generated: int) -> list[str]:
        """How many classes count, where not all do, and that covariances within classes are singular."""
        counts = _counts(data.data.held_out.labels, data)
        held_out = [count for count in counts if count >= self.least]
        found = []
        if len(held_out) < len(counts):
            few = f"{len(held_out)} of {len(counts)} classes"
            found.append(f"the mean is over the {few} that have {self.least} held-out samples.")
        if held_out and min(held_out) <= (features := data.held_out.shape[1]):
            found.append(
                f"a class with as few as {min(held_out):,} held-out samples has too few for the covariance of {features:,} "
                "features, so that the distance is mostly bias. Compare runs by it, and these with the real data's."
            )
        return found

    def score(self, generated: Tensor, reference: dict[str, Tensor], labels: Tensor | None = None) -> Estimate:
        """At least 0; of each class, None where it does not count, or has but one generated sample.

        ValueError: no class has enough, or features are not finite.
        """
        by_class: list[float | None] = []
        for label in range(int(reference["classes"])):
            own = generated[labels == label]
            real = {name: reference[key] for name in ("mean", "root") if (key := f"{label}.{name}") in reference}
            by_class.append(WHOLE.score(own, real) if real and len(own) > 1 else None)
        if not (found := [one for one in by_class if one is not None]):
            raise ValueError(f"no class that has {self.least} held-out samples has 2 generated ones")
        return Estimate(math.fsum(found) / len(found), math.nan, by_class)


def _counts(labels: Tensor | None, data: RealData) -> list[int]:
    """Samples of each class."""
    if labels is None:
        return []
    return labels[labels >= 0].bincount(minlength=len(data.data.spec.classes or ())).tolist()


@hookimpl
def gan_bench_metrics() -> list[type[Metric]]:
    return [ClassFrechetDistance]
