"""Which training samples are the likeliest: instance selection.

DeVries et al. 2020, "Instance Selection for GANs", arXiv 2007.15255: a network embeds the samples, a Gaussian is fitted to what
it says of them, and the samples of lowest likelihood are left out, which trades diversity for quality. As in the authors' code,
each class has a Gaussian and a share of its own, where there are classes. Its covariance is not made regular by a constant on
the diagonal, which would mean another thing for each network, but shrunk as Ledoit and Wolf (2004) found best for its dimension
and number of samples, so that it can be inverted also where a class has few.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gan_bench.api.registry import Registry
from gan_bench.api.samples import PreparedData
from gan_bench.api.tables import usual_features
from gan_bench.data.cache import choice_fingerprint
from gan_bench.data.embedding import Embedding
from gan_bench.data.kept import Kept
from gan_bench.data.pile import Tell
from gan_bench.errors import GanBenchError, ParameterError

BATCH = 100  # samples embedded at a time
CPU = torch.device("cpu")


def selected(
    whole: PreparedData, index: Tensor, asked: float | Mapping[str, Any], registry: Registry, cache: Path, tell: Tell
) -> tuple[Tensor, dict[str, Any], str]:
    """Those of the training samples at an index (n,) that are kept, in its order; what that rests on; the features' name.

    The same bits come out whatever the number of threads. What the features' remarks say becomes a warning.
    ParameterError: the features can't be had of these data.
    """
    table: Mapping[str, Any] = asked if isinstance(asked, Mapping) else {"keep": asked}
    samples = whole.training.chosen(index)
    with _one_thread():
        try:
            features = table.get("features") or usual_features(whole.spec.kind, whole.spec.classes is not None)
            embedding = Embedding(registry.create("features", features), whole, cache, CPU)
            embedding.check()
        except GanBenchError as error:
            raise ParameterError(f"dataset {whole.name}: {error}", "select") from error

        def batches() -> Iterator[Tensor]:
            for number, batch in enumerate(samples.batches(BATCH)):
                tell(f"{whole.name}: features of training samples", number * BATCH + len(batch), len(samples))
                yield batch

        judged = {"likelihood": "Gaussian of each class, Ledoit-Wolf", **embedding.facts}
        key = choice_fingerprint(whole, index, judged)
        likelihoods = Kept(cache)(
            f"likelihoods-{key[:20]}", lambda: class_likelihoods(embedding.extract(batches), samples.labels)
        )
    if not bool(likelihoods.isfinite().all()):
        raise ParameterError(
            f"dataset {whole.name}: features {embedding.label} have values that are not finite", "select"
        )
    for remark in embedding.remarks():
        warnings.warn(f"dataset {whole.name}: select by {remark}", stacklevel=2)
    return index[likeliest(likelihoods, samples.labels, table["keep"])], judged, embedding.label


def class_likelihoods(features: Tensor, labels: Tensor | None) -> Tensor:
    """Log-likelihoods (N,) float64 of features (N, d), each under the Gaussian of its class."""
    found = torch.empty(len(features), dtype=torch.float64)
    for own in _classes(labels, len(features)):
        found[own] = log_likelihoods(features[own])
    return found


def likeliest(likelihoods: Tensor, labels: Tensor | None, share: float) -> Tensor:
    """Indices, ascending, of this share of the samples of each class, the likeliest, and of one at least."""
    kept = []
    for own in _classes(labels, len(likelihoods)):
        order = likelihoods[own].argsort(descending=True, stable=True)
        kept.append(own[order[: max(1, round(share * len(own)))]])
    return torch.cat(kept).sort().values


def log_likelihoods(features: Tensor) -> Tensor:
    """Of features (N, d) under the Gaussian that is fitted to them: (N,) float64.

    Its covariance is shrunk towards a multiple of the identity (Ledoit & Wolf 2004, equation 14).
    """
    count, d = features.shape
    centred = features.double() - features.double().mean(0)
    covariance = centred.T @ centred / count
    size = float(covariance.trace()) / d
    if not size > 0:  # all equal; or not finite, which is told
        return torch.full((count,), 0.0 if size == 0 else math.nan, dtype=torch.float64)
    apart = float((covariance - size * torch.eye(d, dtype=torch.float64)).square().sum())
    error = float(centred.square().sum(1).square().mean() - covariance.square().sum()) / count
    shrinkage = min(max(error, 0.0) / apart, 1.0) if apart else 1.0
    values, directions = torch.linalg.eigh(covariance)
    variances = ((1 - shrinkage) * values + shrinkage * size).clamp(min=1e-12 * size)
    distances = ((centred @ directions).square() / variances).sum(1)
    return -(distances + variances.log().sum() + d * math.log(2 * math.pi)) / 2


def _classes(labels: Tensor | None, total: int) -> Iterator[Tensor]:
    """The indices of each class; of all samples where there are none."""
    if labels is None:
        yield torch.arange(total)
    else:
        yield from ((labels == label).nonzero()[:, 0] for label in labels.unique())


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums over several threads round differently
    try:
        yield
    finally:
        torch.set_num_threads(threads)
