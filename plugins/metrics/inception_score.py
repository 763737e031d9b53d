"""How sure a classifier is of each sample, and how varied its answers are."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_bench.plugin import Estimate, Features, Field, Metric, hookimpl


class InceptionScore(Metric):
    """exp of the mean KL(p(y|x) || p(y)) over samples x (Salimans et al. 2016, section 4), from 1 to the number of classes.

    It sees no real data, and rewards what the classifier was trained on. All samples are taken at once, for the score of
    small splits is smaller (Barratt and Sharma 2018); the standard error is that of the mean over splits.
    """

    name = "inception_score"
    better = "higher"
    scale = "log"
    reads = "logits"
    splits: int = Field(10, ge=2, description="parts of the samples whose scores make the standard error")

    def label(self, features: Features) -> str:
        """ "IS" is the name for Inception's classes alone; a score by another classifier is called CS."""
        return "IS" if features.label == "inception-2048" else f"CS[{features.label}]"

    def reference(self, real: Tensor) -> Tensor:
        """Nothing."""
        return torch.empty(0)

    def score(self, generated: Tensor, reference: Tensor) -> Estimate:
        """At least 1. ValueError: fewer samples than splits."""
        if len(generated) < self.splits:
            raise ValueError(f"inception_score needs at least {self.splits} samples, not {len(generated)}")
        logs = generated.double().log_softmax(1)
        parts = torch.stack([self._score(part) for part in logs.tensor_split(self.splits)])
        return Estimate(float(self._score(logs)), float(parts.std() / self.splits**0.5))

    def _score(self, logs: Tensor) -> Tensor:
        """From log probabilities (N, classes)."""
        marginal = logs.logsumexp(0) - torch.tensor(len(logs)).log()
        return (logs.exp() * (logs - marginal)).sum(1).mean().exp()


@hookimpl
def gan_bench_metrics() -> list[type[Metric]]:
    return [InceptionScore]
