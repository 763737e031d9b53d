"""What is trained on: which of a dataset's training samples, as the parameters say that every dataset has.

`subset` is one of them. Whatever else changes the training part of any dataset belongs here as well, and is declared beside it
(`gan_bench.api.kinds.Dataset`): mirrored pictures, a selection of instances. The order is that of this module; the held-out part
is never touched, and what scores rest on is made of the whole data (`PreparedData.whole`), so that training sets can be compared.
"""

from __future__ import annotations

import json

import numpy as np
import torch
from torch import Tensor

from gan_bench.api.kinds import Dataset, choice
from gan_bench.api.samples import PreparedData
from gan_bench.data.cache import CHOSEN, choice_fingerprint, open_prepared
from gan_bench.data.folders import discard, made_whole
from gan_bench.errors import GanBenchError, ParameterError


def training_set(dataset: Dataset, whole: PreparedData) -> PreparedData:
    """The decoded data as a dataset's parameters choose of them. Nothing is decoded or copied: an index says which samples.

    ParameterError: they ask for more samples than there are.
    """
    asked = choice(dataset).get("subset")
    if asked is None:
        return whole
    total = len(whole.training)
    count = max(1, round(asked * total)) if isinstance(asked, float) else asked
    if count > total:
        rule = f"dataset {whole.name}: there are {total:,} training samples, so a subset can't have {count:,}"
        raise ParameterError(rule, "subset")
    return whole if count == total else _subset(whole, count)


def _subset(whole: PreparedData, count: int) -> PreparedData:
    folder = whole.folder.with_name(f"{whole.folder.name}-subset-{count}")
    if folder.exists():
        try:
            return open_prepared(folder)
        except GanBenchError:  # damaged, or of data that were decoded otherwise then
            discard(folder)
    index = nested(whole.training.labels, len(whole.training))[:count].sort().values
    with made_whole(folder) as work:
        np.save(work / CHOSEN, index.numpy())
        meta = {"of": whole.folder.name, "fingerprint": choice_fingerprint(whole, index)}
        (work / "meta.json").write_text(json.dumps(meta, indent=2), encoding="utf-8")
    return open_prepared(folder)


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
