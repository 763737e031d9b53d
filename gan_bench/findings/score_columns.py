"""Which scores may stand in one column of a table: those whose protocols are equal, field by field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from statistics import mean
from typing import Any

from gan_bench.findings.settings_text import flatten
from gan_bench.grid.labels import unlike
from gan_bench.stats.paired import Better, Scale

Named = tuple[str, Mapping[str, Any]]  # the name of a dataset, and a score (an entry of scores.json) on it


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

    def holds(self, score: Mapping[str, Any]) -> bool:
        """Whether a score (an entry of scores.json) may stand in this column: every field is compared, not just the id."""
        mine = self.metric, self.protocol_id, self.protocol
        return mine == (score["metric"], score["protocol_id"], score.get("protocol") or {})


def column_title(score: Mapping[str, Any]) -> str:
    """How a score (an entry of scores.json) is called wherever it is shown: with its features and sample counts."""
    protocol = score.get("protocol") or {}
    counts = [f"{protocol[kind]} {kind}" for kind in ("generated", "real") if protocol.get(kind) is not None]
    return f"{score['label']} ({', '.join(counts)})" if counts else str(score["label"])


def score_columns(scores: Iterable[Named]) -> list[ScoreColumn]:
    """One column for each metric and protocol.

    Those that share a label are told apart by their datasets' names as far as these differ, and by the protocols' ids.
    """
    first: dict[tuple[str, str], list[tuple[str, Mapping[str, Any], list[float]]]] = {}
    for name, score in scores:
        known = first.setdefault((score["metric"], score["protocol_id"]), [])
        costs = next((own for _, other, own in known if other.get("protocol") == score.get("protocol")), None)
        if costs is None:
            costs = []
            known.append((name, score, costs))
        if score.get("cost") is not None:
            costs.append(score["cost"])
    named = list(chain.from_iterable(first.values()))
    labels, differences = [], []
    for name, score, _ in named:
        alike = [(other, entry) for other, entry, _ in named if entry["label"] == score["label"]]
        datasets = [other for other, _ in alike]
        label = score["label"]
        if name and len(set(datasets)) > 1:
            label += f" on {name}"
        if datasets.count(name) > 1:
            label += f" #{score['protocol_id'][:4]}"
        labels.append(label)
        differences.append(unequal_fields([entry.get("protocol") or {} for _, entry in alike]))
    return [
        ScoreColumn(
            label,
            column_title({**score, "label": label}),
            score["metric"],
            "higher" if score.get("better") == "higher" else "lower",
            "log" if score.get("scale") == "log" else "raw",
            score["protocol_id"],
            score.get("protocol") or {},
            differs,
            score.get("unit", ""),
            mean(costs) if costs else None,
        )
        for label, (_, score, costs), differs in zip(unlike(labels), named, differences, strict=True)
    ]


def unequal_fields(protocols: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The fields, by path, that are not equal in all of these protocols."""
    flat = [flatten(protocol) for protocol in protocols]
    paths = dict.fromkeys(chain.from_iterable(flat))
    return tuple(path for path in paths if any(other.get(path) != flat[0].get(path) for other in flat))


def column_finder(columns: Iterable[ScoreColumn]) -> Callable[[Mapping[str, Any]], ScoreColumn]:
    """Finds the column of a score."""
    known: dict[tuple[str, str], list[ScoreColumn]] = {}
    for column in columns:
        known.setdefault((column.metric, column.protocol_id), []).append(column)
    return lambda score: next(c for c in known[score["metric"], score["protocol_id"]] if c.holds(score))
