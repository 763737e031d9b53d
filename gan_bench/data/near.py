"""Held-out pictures that are nearly a training picture: another size or compression of it, say."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from gan_bench.api.reading import Near
from gan_bench.api.samples import Samples

CORRELATION = 0.99  # of two pictures' values, from which on they count; docs/data.md has what it finds
MOST = 5000  # held-out pictures that are looked at
SIDE = 8  # of the thumbnails by which the most similar training picture is found
VALUES = 2**21  # that are looked at in one go
FLAT = 1e-2  # standard deviation of values in [-1, 1], below which a picture has nothing to be told by


def near_duplicates(training: Samples, held_out: Samples) -> Near:
    """How many held-out pictures correlate with their most similar training picture to 0.99 or more, but aren't equal to it.

    The most similar one is the one whose thumbnail of 8x8 correlates most; `MOST` held-out pictures, at equal distances, are
    compared with all that are trained on.
    """
    chosen = torch.arange(len(held_out))
    if len(held_out) > MOST:
        chosen = torch.linspace(0, len(held_out) - 1, MOST, dtype=torch.float64).long()
    size = max(1, VALUES // training.batch(torch.zeros(1, dtype=torch.int64)).numel())
    wanted = torch.cat([_directions(_small(held_out.batch(part))) for part in chosen.split(size)])
    best, where = torch.full((len(chosen),), -2.0), torch.zeros(len(chosen), dtype=torch.int64)
    for start, batch in zip(range(0, len(training), size), training.batches(size), strict=True):
        found, index = (wanted @ _directions(_small(batch)).T).max(1)
        better = found > best
        best[better], where[better] = found[better], start + index[better]
    count = 0
    for own, other in zip(chosen.split(size), where.split(size), strict=True):
        first, second = held_out.batch(own), training.batch(other)
        alike = (_directions(first.double()) * _directions(second.double())).sum(1) >= CORRELATION
        count += int((alike & (first != second).flatten(1).any(1)).sum())
    return Near(count=count, looked_at=len(chosen), correlation=CORRELATION)


def _small(batch: Tensor) -> Tensor:
    """(B, C, H, W) as grey thumbnails (B, 1, h, w) of 8x8 at most."""
    grey = batch.mean(1, keepdim=True)
    return F.adaptive_avg_pool2d(grey, (min(SIDE, grey.shape[2]), min(SIDE, grey.shape[3])))


def _directions(batch: Tensor) -> Tensor:
    """(B, ...) as (B, n) of mean 0 and length 1, whose products are correlations; 0 where a picture is flat."""
    centred = batch.flatten(1) - batch.flatten(1).mean(1, keepdim=True)
    length = centred.norm(dim=1, keepdim=True)
    return torch.where(length > FLAT * centred.shape[1] ** 0.5, centred / length, torch.zeros_like(centred))
