"""What is trained on: which of a dataset's training samples, as the parameters say that every dataset has.

They are declared in `gan_bench.api.kinds.Dataset`, and applied in their order there: `subset`, `select`, `balance`, `flip`. The
held-out part is never touched, and what scores rest on is made of the whole data (`PreparedData.whole`), so that training
sets can be compared. Nothing is decoded or copied for them: together they are one index of the decoded samples.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_bench.api.kinds import Dataset, choice
from gan_bench.api.registry import Registry
from gan_bench.api.samples import PreparedData
from gan_bench.data.cache import CHOSEN, choice_fingerprint, open_prepared
from gan_bench.data.folders import discard, made_whole
from gan_bench.data.pile import Tell
from gan_bench.data.selection import selected
from gan_bench.errors import GanBenchError, ParameterError


def training_set(
    dataset: Dataset, whole: PreparedData, cache: Path, tell: Tell, registry: Registry | None = None
) -> PreparedData:
    """The decoded data as a dataset's parameters choose of them. `select` takes its features from the registry.

    They are kept in `cache`, as scores' own are. ParameterError: the data have not what the parameters ask for.
    """
    asked, total = choice(dataset), len(whole.training)
    index, chosen, judged = torch.arange(total), [], None
    if "subset" in asked and (count := _count(whole, asked["subset"])) < total:
        index = nested(whole.training.labels, total)[:count].sort().values
        chosen.append(f"subset: {count:,} of {total:,} training samples")
    if "select" in asked:
        kept, by, label = selected(whole, index, asked["select"], registry or Registry.load(), cache, tell)
        if len(kept) < len(index):
            chosen.append(
                f"select: {len(kept):,} of {len(index):,} training samples, the likeliest by {label} features"
            )
            index, judged = kept, by
    if "balance" in asked and len(even := balanced(_labels(whole, index), index)) > len(index):
        chosen.append(f"balance: {len(index):,} training samples repeated to {len(even):,}, as many of each class")
        index = even
    if "flip" in asked:
        chosen.append(f"flip: {len(index):,} training samples doubled to {2 * len(index):,}, mirrored left to right")
        index = torch.cat([index, index + total])
    if not chosen:
        return whole
    fingerprint = choice_fingerprint(whole, index, judged)
    name = f"subset-{len(index)}" if asked.keys() == {"subset"} else f"chosen-{fingerprint[:16]}"
    meta = {"of": whole.folder.name, "fingerprint": fingerprint, "chosen": chosen, "judged": judged}
    return _kept(whole.folder.with_name(f"{whole.folder.name}-{name}"), index, meta)


def _kept(folder: Path, index: Tensor, meta: dict[str, Any]) -> PreparedData:
    """The choice as it stands in a folder, which is made where it is not there, or holds another one."""
    with suppress(GanBenchError):  # damaged
        if folder.exists():
            data = open_prepared(folder)
            if (data.fingerprint, data.chosen) == (meta["fingerprint"], tuple(meta["chosen"])):
                return data
    discard(folder)
    with made_whole(folder) as work:
        np.save(work / CHOSEN, index.numpy())
        (work / "meta.json").write_text(json.dumps(meta, indent=2), encoding="utf-8")
    return open_prepared(folder)


def _count(whole: PreparedData, asked: float | int) -> int:
    """How many samples a subset has. ParameterError: more than there are."""
    total = len(whole.training)
    count = max(1, round(asked * total)) if isinstance(asked, float) else asked
    if count > total:
        rule = f"dataset {whole.name}: there are {total:,} training samples, so a subset can't have {count:,}"
        raise ParameterError(rule, "subset")
    return count


def _labels(whole: PreparedData, index: Tensor) -> Tensor:
    """The classes of the samples at an index (n,). ParameterError: one has none."""
    labels = None if whole.training.labels is None else whole.training.labels[index]
    if labels is None or int(labels.min()) < 0:
        without = len(index) if labels is None else int((labels < 0).sum())
        rule = f"{without:,} of {len(index):,} training samples have no class"
        raise ParameterError(f"dataset {whole.name}: {rule}, so classes can't be balanced; leave it out", "balance")
    return labels


def balanced(labels: Tensor, index: Tensor) -> Tensor:
    """The index (n,) of samples of these classes (n,), repeated until every class has as many as the largest, ascending.

    Samples of a class are taken equally often, to within one; which are taken once more is drawn once and for all.
    """
    most = int(labels.bincount().max())
    random = torch.Generator().manual_seed(0)
    taken = []
    for label in labels.unique():
        own = index[labels == label]
        order = torch.randperm(len(own), generator=random)
        taken += [own.repeat(most // len(own)), own[order[: most % len(own)]]]
    return torch.cat(taken).sort().values


def nested(labels: Tensor | None, total: int) -> Tensor:
    """All indices (total,) below `total`, the first n of which have the classes in proportion, whatever n is.

    The samples of a class, in an order drawn once and for all, stand in equal intervals of a line from 0 to 1, one in each and
    anywhere in it. So up to any place on the line there is that share of each class, to within one sample, and classes that
    have but one don't all come at once.
    """
    random = torch.Generator().manual_seed(0)
    order, place = torch.randperm(total, generator=random), torch.rand(total, generator=random, dtype=torch.float64)
    if labels is None:
        return order
    for label in labels.unique():
        own = order[labels[order] == label]
        place[own] = (torch.arange(len(own)) + place[own]) / len(own)
    return place.argsort()
