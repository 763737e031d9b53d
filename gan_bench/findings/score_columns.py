"""Which scores may stand in one column of a table: those whose protocols are equal, field by field."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from statistics import mean
from typing import Any, NamedTuple

from gan_bench.api.kinds import Side
from gan_bench.findings.settings_text import flatten
from gan_bench.grid.labels import unlike
from gan_bench.stats.paired import Better, Scale
from gan_bench.store.documents import Score


class Named(NamedTuple):
    """A score."""

    dataset: str  # its name
    score: Score
    cost: float | None = None  # seconds that its metric took


@dataclass(frozen=True)
class ScoreColumn:
    """A score under one protocol: what one column of a table holds."""

    label: str  # heads the columns of `Results.runs`; unique among the stores read
    title: str  # what is shown to people; says the sample counts
    metric: str
    better: Better
    scale: Scale
    protocol_id: str
    protocol: dict[str, Any]
    differs: tuple[str, ...] = ()  # fields of the protocol in which the columns of the same name are not all equal
    unit: str = ""
    cost: float | None = None  # seconds that its metric takes a snapshot, on average, once samples have their features
    side: Side | None = None  # what it measures: quality, diversity, or a distance that adds both
    treatment: str = ""  # of each real sample, in words

    def holds(self, score: Score) -> bool:
        """Whether a score may stand in this column: every field of the protocol is compared, not just the id."""
        return (self.metric, self.protocol_id, self.protocol) == (score.metric, score.protocol_id, score.protocol)

    def is_as(self, other: ScoreColumn) -> bool:
        """Whether another column holds the same number of the same metric, by whatever protocol."""
        return (self.metric, self.protocol.get("number")) == (other.metric, other.protocol.get("number"))


def column_title(label: str, protocol: Mapping[str, Any]) -> str:
    """How a score is called wherever it is shown: with its features and sample counts."""
    counts = [f"{protocol[kind]} {kind}" for kind in ("generated", "real") if protocol.get(kind) is not None]
    return f"{label} ({', '.join(counts)})" if counts else label


def score_columns(scores: Iterable[Named], asked: Collection[str] = ()) -> list[ScoreColumn]:
    """One column for each metric and protocol.

    Those that share a label are told apart by their datasets' names as far as these differ, and by the protocols' ids. What
    old snapshots hold does not change the label of what is `asked` for now, given by protocol.
    """
    first: dict[tuple[str, str], list[tuple[str, Score, list[float]]]] = {}
    for name, score, cost in scores:
        known = first.setdefault((score.metric, score.protocol_id), [])
        costs = next((own for _, other, own in known if other.protocol == score.protocol), None)
        if costs is None:
            costs = []
            known.append((name, score, costs))
        if cost is not None:
            costs.append(cost)
    named = [(name, _halved(score), costs) for name, score, costs in chain.from_iterable(first.values())]
    labels, differences = [], []
    for name, score, _ in named:
        alike = [
            (other, entry)
            for other, entry, _ in named
            if entry.label == score.label and (score.protocol_id not in asked or entry.protocol_id in asked)
        ]
        datasets = [other for other, _ in alike]
        label = score.label
        if name and len(set(datasets)) > 1:
            label += f" on {name}"
        if datasets.count(name) > 1:
            label += f" #{score.protocol_id[:4]}"
        labels.append(label)
        differences.append(unequal_fields([entry.protocol for _, entry in alike]))
    return [
        ScoreColumn(
            label,
            column_title(label, score.protocol),
            score.metric,
            score.better,
            score.scale,
            score.protocol_id,
            score.protocol,
            differs,
            score.unit,
            mean(costs) if costs else None,
            score.side,
            score.treatment,
        )
        for label, (_, score, costs), differs in zip(unlike(labels), named, differences, strict=True)
    ]


def _halved(score: Score) -> Score:
    """A score, called otherwise where it is by the half of the held-out data that chose among draws."""
    selects = str(score.protocol.get("split", "")).startswith("selection half")
    return score.model_copy(update={"label": f"{score.label}, selection half"}) if selects else score


def unequal_fields(protocols: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The fields, by path, that are not equal in all of these protocols."""
    flat = [flatten(protocol) for protocol in protocols]
    paths = dict.fromkeys(chain.from_iterable(flat))
    return tuple(path for path in paths if any(other.get(path) != flat[0].get(path) for other in flat))


def column_finder(columns: Iterable[ScoreColumn]) -> Callable[[Score], ScoreColumn]:
    """Finds the column of a score."""
    known: dict[tuple[str, str], list[ScoreColumn]] = {}
    for column in columns:
        known.setdefault((column.metric, column.protocol_id), []).append(column)
    return lambda score: next(c for c in known[score.metric, score.protocol_id] if c.holds(score))
