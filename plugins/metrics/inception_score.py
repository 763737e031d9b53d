"""How sure a classifier is of each sample, and how varied its answers are."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gan_bench import Estimate, Features, Field, Metric, RealData, hookimpl


class InceptionScore(Metric):
    """exp of the mean KL(p(y|x) || p(y)) over samples x (Salimans et al. 2016, section 4), from 1 to the number of classes.

    As published, it is the mean over the scores of 10 parts of the samples, with its standard error over them. Small parts
    lower it (Barratt and Sharma 2018): `splits = 1` takes all samples at once, without an error. It sees no real data, and
    rewards what the classifier was trained on.
    """

    name = "inception_score"
    better = "higher"
    scale = "log"
    reads = "logits"
    splits: int = Field(10, ge=1, description="parts of the samples whose scores are averaged")

    def label(self, features: Features) -> str:
        """ "IS" is the name for Inception's classes alone; a score by another classifier is called CS."""
        return "IS" if features.label == "inception-2048" else f"CS[{features.label}]"

    def reference_of(self, data: RealData) -> Tensor:
        """Nothing."""
        return torch.empty(0)

    def score(self, generated: Tensor, reference: Tensor) -> Estimate:
        """At least 1. ValueError: fewer samples than splits, or logits that are not finite."""
        if len(generated) < self.splits:
            raise ValueError(f"inception_score needs at least {self.splits} samples, not {len(generated)}")
        if broken := int((~generated.isfinite().all(1)).sum()):
            raise ValueError(f"{broken} of {len(generated)} samples have logits that are not finite")
        logs = generated.double().log_softmax(1)
        parts = torch.stack([self._score(part) for part in logs.tensor_split(self.splits)])
        error = parts.std() / self.splits**0.5 if self.splits > 1 else torch.tensor(torch.nan)
        return Estimate(float(parts.mean()), float(error))

    def _score(self, logs: Tensor) -> Tensor:
        """From log probabilities (N, classes)."""
        marginal = logs.logsumexp(0) - math.log(len(logs))
        return (logs.exp() * (logs - marginal)).sum(1).mean().exp()


@hookimpl
def gan_bench_metrics() -> list[type[Metric]]:
    return [InceptionScore]
