"""The held-out data, halved once and for all: one half chooses among draws of hyperparameters, the other tests the choice."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from gan_bench.api.samples import PreparedData
from gan_bench.canonical import canonical_hash
from gan_bench.errors import GanBenchError
from gan_bench.grid.search import Half
from gan_bench.scoring.samples import shuffled

FIRST: dict[Half, int] = {"selection": 0, "test": 1}  # every second sample from here on


def half_of(data: PreparedData, half: Half) -> PreparedData:
    """The data with a half of its held-out part, of each class as many as can be, and fingerprints of its own.

    GanBenchError: there are too few samples to be halved.
    """
    held_out = data.held_out
    if len(held_out) < 4:
        raise GanBenchError(
            f"{data.name} holds out {len(held_out)} samples, too few to choose by one half and test by the other"
        )
    own = held_out.chosen(indices(held_out.labels, len(held_out), half))
    whole, part = (canonical_hash([one, half]) for one in (data.fingerprint, data.held_out_fingerprint))
    return replace(data, held_out=own, fingerprint=whole, held_out_fingerprint=part)


def indices(labels: Tensor | None, count: int, half: Half) -> Tensor:
    """Which of so many held-out samples are in a half, in order; `labels` (N,) where they have classes."""
    order = shuffled(count)
    if labels is not None:
        order = order[torch.argsort(labels.cpu()[order], stable=True)]
    return order[FIRST[half] :: 2].sort().values
