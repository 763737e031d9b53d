"""How varied generated samples are beside real ones.

Mode collapse shows in pairs: two generated samples are more alike than two real ones (Odena et al. 2017, section 4.2, who
compare mean similarities of random pairs). Here likeness is Euclidean distance of the samples' own values, so
that it needs no features, and the mean is geometric: of a mixture's modes, where most pairs are far apart, a few that are left
show in the many pairs that are close. Modes that have only shrunken or widened change it little.
"""

from __future__ import annotations

import torch
from torch import Tensor

SAMPLES = 500  # whose pairs are looked at
SAME = 0.01  # of the real samples' median distance: pairs that are nearer than that count as this far apart


def distances(samples: Tensor) -> Tensor:
    """(N (N-1) / 2,) float64: Euclidean distances between the first `SAMPLES` of (N, ...) samples."""
    some = samples[:SAMPLES].flatten(1).double()
    some = some - some.mean(0)
    squares = some.square().sum(1)
    square = squares[:, None] + squares - 2 * some @ some.T
    first, second = torch.triu_indices(len(some), len(some), offset=1)
    return square[first, second].clamp(min=0).sqrt()


def real_distances(samples: Tensor) -> Tensor:
    """(2,) float64, of real samples (M, ...): the distance that counts as none, and the geometric mean distance."""
    found = distances(samples)
    least = SAME * found.median()
    return torch.stack([least, found.clamp(min=least).log().mean().exp()])


def diversity(generated: Tensor, real: Tensor) -> float | None:
    """The geometric mean distance between generated samples (N, ...) over that between real ones, of `real_distances`.

    1 for the data's own distribution, near 0 where one sample is repeated. None: a sample is not finite, or all
    real ones are equal, or there is but one.
    """
    least, mean = real.tolist()
    if not mean > 0 or not generated[:SAMPLES].isfinite().all():
        return None
    return float(distances(generated).clamp(min=least).log().mean().exp()) / mean
