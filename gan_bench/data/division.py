"""Which samples are held out where a dataset leaves it to the core, and which samples are equal."""

from __future__ import annotations

import numpy as np

from gan_bench.api.reading import Equal


def held_out_of(hashes: np.ndarray, labels: np.ndarray, share: float) -> np.ndarray:
    """Which of the samples are held out: (N,) bool, about this share of the different ones, and of each class.

    `hashes` (N,) uint64 are of the samples' bytes: those with equal ones stand in one part, and a sample that is added moves
    few of the others. Each class keeps a sample to train on, where it has more than one. There must be two different samples.
    """
    different, first, group = np.unique(hashes, return_index=True, return_inverse=True)
    classes = labels[first]  # of copies in several classes the first one's
    place = np.empty(len(different))  # on a line from 0 to 1: of each class in equal intervals, and anywhere in each
    for label in np.unique(classes):
        own = np.flatnonzero(classes == label)  # by hash, for `different` is sorted
        place[own] = (np.arange(len(own)) + different[own] % 2**32 / 2**32) / len(own)
        if len(own) > 1:
            place[own[-1]] = 1
    count = min(max(1, round(len(different) * share)), len(different) - 1)
    chosen = np.zeros(len(different), bool)
    chosen[np.argsort(place, kind="stable")[:count]] = True
    return chosen[group.reshape(-1)]


def equal_samples(training: np.ndarray, held_out: np.ndarray) -> Equal:
    """How many samples are equal to another, by the hashes of both parts."""
    return Equal(
        training=len(training) - len(np.unique(training)),
        held_out=len(held_out) - len(np.unique(held_out)),
        across=int(np.isin(held_out, training).sum()),
    )
