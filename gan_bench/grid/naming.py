"""What tells the cells of a grid apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gan_bench.api.kinds import Plugin, shared
from gan_bench.canonical import canonical
from gan_bench.grid.axes import PLAIN
from gan_bench.grid.cells import Cell
from gan_bench.grid.labels import path_text, tricks_text, unlike, value_text
from gan_bench.grid.schema import NETWORKS

PLUGINS = ("dataset", "architecture")


def named_cells(cells: Sequence[Cell]) -> tuple[list[str], list[Cell]]:
    """The paths of settings that vary, and the cells with their label and what they differ in."""
    flat = [_flat(cell) for cell in cells]
    equal_networks = all(
        each.get(path) == each.get(path.replace("generator", "discriminator"))
        for each in flat
        for path in each
        if path.startswith("optimizer.generator.")
    ) and all(set(c.settings["optimizer"]["generator"]) == set(c.settings["optimizer"]["discriminator"]) for c in cells)
    if equal_networks:
        flat = [_as_one(each) for each in flat]
    varying = _varying(flat, cells)
    shown = _shown(flat, varying)
    lasts = [path.rpartition(".")[2] for path in varying]
    labels = []
    for cell, each in zip(cells, flat, strict=True):
        parts = [] if "architecture" in varying else [cell.architecture.name]
        for path in varying:
            if path in each and (path, each.get(path.partition(".")[0])) in shown:
                words = path_text(path.split("."), lasts.count(path.rpartition(".")[2]) == 1)
                bare = path in (*PLUGINS, "tricks", "optimizer.name")
                parts.append(value_text(each[path]) if bare else f"{words} {value_text(each[path])}")
        labels.append(", ".join(parts))
    named = [
        replace(cell, label=label, differs={path: each[path] for path in varying if path in each})
        for cell, label, each in zip(cells, unlike(labels), flat, strict=True)
    ]
    return varying, named


def _flat(cell: Cell) -> dict[str, Any]:
    """Settings by path, as an axis would name them."""
    unsaid = sorted(shared(type(cell.dataset)))  # where it is at its default
    flat: dict[str, Any] = {f"dataset.{key}": getattr(cell.dataset, key) for key in unsaid}
    for kind in PLUGINS:
        flat |= {kind if key == "name" else f"{kind}.{key}": value for key, value in cell.settings[kind].items()}
    if hasattr(cell.architecture, "conditional"):
        flat.setdefault("architecture.conditional", "none")  # where it is unsaid
    flat["tricks"] = tricks_text(
        [_told(trick, table) for trick, table in zip(cell.tricks, cell.settings["tricks"], strict=True)]
    )
    for network in NETWORKS:
        flat |= {f"optimizer.{network}.{key}": value for key, value in cell.settings["optimizer"][network].items()}
    return flat | {key: cell.settings[key] for key in PLAIN}


def _told(trick: Plugin, table: dict[str, Any]) -> dict[str, Any]:
    """Name and the parameters that are not the defaults."""
    fields = type(trick).model_fields
    return {k: v for k, v in table.items() if k not in fields or getattr(trick, k) != fields[k].default}


def _as_one(flat: dict[str, Any]) -> dict[str, Any]:
    """Both networks' optimisers are equal: one path for both."""
    return {
        path.replace(".generator.", "."): value
        for path, value in flat.items()
        if not path.startswith("optimizer.discriminator.")
    }


def _varying(flat: list[dict[str, Any]], cells: Sequence[Cell]) -> list[str]:
    """Paths with two values at least; one that only some cells have goes with their plugin's name, which varies itself.

    Where data lies (`root`) tells two folders apart, but is no difference between two datasets.
    """
    values: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    places = {f"dataset.{key}" for cell in cells for key in cell.dataset.location_fields}
    for each in flat:
        for path, value in each.items():
            values[path][each["dataset"] if path in places else ""].add(_form(value))
    return [path for path, groups in values.items() if any(len(found) > 1 for found in groups.values())]


def _form(value: Any) -> str:
    """A text that is equal for equal settings."""
    return canonical(value) if isinstance(value, dict | list) else repr(value)  # most are plain, and there are many


def _shown(flat: list[dict[str, Any]], varying: list[str]) -> set[tuple[str, Any]]:
    """(path, plugin's name) where the path tells cells of this plugin apart, so that labels leave out the rest."""
    values: dict[tuple[str, Any], set[str]] = defaultdict(set)
    for each in flat:
        for path in varying:
            if path in each:
                values[path, each.get(path.partition(".")[0])].add(_form(each[path]))
    return {(path, plugin) for (path, plugin), found in values.items() if len(found) > 1 or "." not in path}
