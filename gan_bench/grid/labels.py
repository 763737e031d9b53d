"""Short names for levels and cells."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from gan_bench.grid.axes import OPTIMIZER_NAME, WHOLE, Axis
from gan_bench.grid.schema import NETWORKS


def value_text(value: Any) -> str:
    """A setting's value: text as it is, a table in words, all else as in TOML."""
    if isinstance(value, Mapping):
        return plugin_text(value, " ({})") if "name" in value else f"({plugin_text(value)})"
    return value if isinstance(value, str) else json.dumps(value)


def plugin_text(table: Mapping[str, Any], brackets: str = ", {}") -> str:
    """`dcgan, width 32`, or with other brackets `label_noise (amount 0.05)`."""
    name = str(table.get("name", ""))
    parameters = ", ".join(f"{key} {value_text(value)}" for key, value in table.items() if key != "name")
    if not name or not parameters:
        return name or parameters or "defaults"
    return name + brackets.format(parameters)


def tricks_text(tricks: Sequence[Mapping[str, Any]]) -> str:
    """`label_noise (amount 0.05) + ema`, or `no tricks`."""
    return " + ".join(plugin_text(trick, " ({})") for trick in tricks) or "no tricks"


def level_labels(axes: Sequence[Axis], levels: Sequence[tuple[int, ...]]) -> list[str]:
    """A label for each combination of levels, no two alike."""
    lasts = [axis.path[-1] for axis in axes]
    texts = [[_level_text(axis, i, lasts.count(axis.path[-1]) == 1) for i in range(len(axis.levels))] for axis in axes]
    return unlike([", ".join(text[i] for text, i in zip(texts, indices, strict=True)) for indices in levels])


def unlike(labels: Sequence[str]) -> list[str]:
    """The labels, numbered where two are alike (such as those of the text "1" and the number 1)."""
    counts = Counter(labels)
    return [label if counts[label] == 1 else f"{label} #{number}" for number, label in enumerate(labels, 1)]


def _level_text(axis: Axis, index: int, clear: bool) -> str:
    value = axis.values[index]
    if axis.path == ("tricks",):
        return tricks_text(value)
    if axis.path in WHOLE:
        return plugin_text(value)
    if axis.path == OPTIMIZER_NAME:
        return value_text(value)
    return f"{path_text(axis.path, clear)} {value_text(value)}"


def path_text(path: Sequence[str], clear: bool = True) -> str:
    """A path in words: the last key alone where that is clear, with the network or trick where there is one."""
    if path[0] == "optimizer" and path[1:] and path[1] in NETWORKS:
        setting = "optimizer" if tuple(path[2:]) in ((), ("name",)) else " ".join(path[2:])
        return f"{'G' if path[1] == 'generator' else 'D'} {setting}"
    if path[0] == "tricks":
        return " ".join(path[1:])
    return path[-1] if clear else " ".join(path)
