"""Whether samples are copies of training data."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from gan_bench import Alarm, Estimate, Features, Metric, Number, PreparedData, RealData, hookimpl
from gan_bench.api.pictures import to_uint8

from ._neighbours import NeighbourMetric


class Memorization(NeighbourMetric):
    """Share of generated samples whose nearest real one is a training sample, out of equally many training and held-out ones.

    1/2 for fresh samples of the data's distribution, since training and held-out samples are then exchangeable (compare
    Meehan et al. 2020); 1 for copies of the training samples chosen. Where the training part is n times as large as the held-out
    one, only 1 in n is chosen and copies of the others go unseen, so that a copier of all scores 1/2 + 1/(2n): what
    real training data score, which the alarm is measured against. Exact copies are counted by `duplicates`.

    The standard error is that of fresh samples: which of the real ones are training data is drawn by lot, and each carries
    all samples that it is nearest to. With no sample in common that is the binomial's sqrt(1 / 4N).
    """

    name = "memorization"
    better = "lower"
    unit = "share"
    alarm: ClassVar[Alarm] = Alarm(
        name="memorising",
        sentence="Samples lie nearer to training than to held-out data, by at least this share of the way from what new ones "
        "score to what copies of the training data do, and by 3 standard errors.",
        evidence="of generated samples lie nearer to training data than to data held out; new ones: {usual}, copies: {real}",
        threshold=0.5,
        usual=0.5,
        of_real=True,
        source="Meehan et al. 2020",
    )

    def reference_of(self, data: RealData) -> dict[str, Tensor]:
        """`training` and `held_out`, (M, d) each."""
        count = min(len(data.training), len(data.held_out))
        chosen = torch.randperm(len(data.held_out))[:count]
        return {
            "training": self.finite(data.training[:count], "training", 1),
            "held_out": self.finite(data.held_out[chosen], "real", 1),
        }

    def alarm_of(self, name: str, real: float | None, data: PreparedData, features: Features) -> Alarm | None:
        """Between what new samples and copies score. `real` is the latter: a mean of the chosen, who score 1, and of others.

        The others are new to the reference, so they tell what new samples score: more than half where held-out data are
        unlike training data.
        """
        if real is None:
            return None
        chosen = min(1.0, len(data.held_out) / len(data.training))
        new = max(0.5, (real - chosen) / (1 - chosen)) if chosen < 1 else 0.5
        copied = chosen + (1 - chosen) * new
        return replace(self.alarm, threshold=new + self.alarm.threshold * (copied - new), usual=new)

    def score(self, generated: Tensor, reference: dict[str, Tensor]) -> Estimate:
        """In [0, 1]; a tie counts half. ValueError: no samples, or features that are not finite."""
        count, size = len(generated), len(reference["training"])
        real = torch.cat([reference["training"], reference["held_out"]])
        carried = torch.zeros(2 * size)
        share = 0.0
        for _, block in self.distances(self.finite(generated, "generated", 1), real):
            carried += block.argmin(1).bincount(minlength=2 * size)
            training, held_out = (part.amin(1) for part in block.split(size, dim=1))
            share += ((training < held_out).double() + (training == held_out) / 2).sum().item() / count
        lots = (carried.double() / count - 1 / (2 * size)).square().sum() * (2 * size) / (2 * size - 1)
        return Estimate(share, float(lots.sqrt()) / 2)


class Duplicates(Metric):
    """Shares of generated samples that equal a training sample, and that equal one generated before, in every bit as saved.

    It is no paper's: it counts.
    """

    name = "duplicates"
    reads = "samples"
    numbers = {"copies of training data": Number(unit="share"), "repeats": Number(unit="share")}

    def reference_of(self, data: RealData) -> Tensor:
        """(all training samples,) hashes, sorted."""
        return self._hashes(data.data.training.data).sort().values

    def score(self, generated: Tensor, reference: Tensor) -> dict[str, float]:
        """Both in [0, 1]. ValueError: samples that are not finite, which saving would turn into others."""
        if broken := int((~generated.flatten(1).isfinite().all(1)).sum()):
            raise ValueError(f"{broken} of {len(generated)} samples are not finite")
        hashes = self._hashes(to_uint8(generated) if generated.dim() == 4 else generated)
        return {
            "copies of training data": torch.isin(hashes, reference).double().mean().item(),
            "repeats": 1 - len(hashes.unique()) / len(hashes),
        }

    def _hashes(self, samples: Tensor) -> Tensor:
        """(N,) int64, 8 bytes of each sample's BLAKE2: two of a million differing samples share one once in 10^7 times."""
        rows = ((sample + 0).numpy().tobytes() for sample in samples)  # + 0: -0.0 equals 0.0
        digests = b"".join(hashlib.blake2b(row, digest_size=8).digest() for row in rows)
        return torch.frombuffer(bytearray(digests), dtype=torch.int64)


@hookimpl
def gan_bench_metrics() -> list[type[Metric]]:
    return [Memorization, Duplicates]
