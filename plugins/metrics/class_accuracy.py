"""Whether samples belong to the classes that they were asked for."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_bench import Estimate, Features, Metric, RealData, hookimpl


class ClassAccuracy(Metric):
    """Share of samples that the dataset's classifier puts into the class that they were asked for.

    So do Odena et al. (2017, section 4), by Inception. Of runs whose generator takes labels alone. It says nothing of variety:
    one good sample a class, again and again, has 1. The classifier errs too, by what it gets wrong of held-out data, and it has
    learnt the training data that stand beside as real.
    """

    name = "class_accuracy"
    better = "higher"
    unit = "share"
    reads = "logits"
    reads_labels = True

    def label(self, features: Features) -> str:
        """It names the classifier."""
        return f"class accuracy[{features.label}]"

    def reference_of(self, data: RealData) -> Tensor:
        """Nothing."""
        return torch.empty(0)

    def remarks(self, data: RealData, generated: int) -> list[str]:
        """How good its classifier is, on the held-out samples that have a class."""
        labels = data.data.held_out.labels
        if labels is None or not (known := (labels >= 0).cpu()).any():
            return []
        right = (data.held_out[known].argmax(1) == labels.cpu()[known]).double().mean().item()
        return [
            f"it is as good as its classifier, which gets {right:.1%} of {int(known.sum()):,} held-out samples right."
        ]

    def score(self, generated: Tensor, reference: Tensor, labels: Tensor | None = None) -> Estimate:
        """In [0, 1], with the binomial standard error; of each class, None where none was asked for. ValueError: logits that
        are not finite, or no labels."""
        if labels is None or not len(known := (labels >= 0).nonzero()[:, 0]):
            raise ValueError("these samples were asked for by no class")
        if broken := int((~generated.isfinite().all(1)).sum()):
            raise ValueError(f"{broken} of {len(generated)} samples have logits that are not finite")
        right = (generated.argmax(1) == labels)[known].double()
        classes = generated.shape[1]
        hits, asked = (torch.bincount(labels[known], one, minlength=classes).tolist() for one in (right, None))
        share = right.mean().item()
        by_class = tuple(hit / count if count else None for hit, count in zip(hits, asked, strict=True))
        return Estimate(share, (share * (1 - share) / len(known)) ** 0.5, by_class)


@hookimpl
def gan_bench_metrics() -> list[type[Metric]]:
    return [ClassAccuracy]
