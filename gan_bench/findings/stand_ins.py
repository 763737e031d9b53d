"""Plugins of files that a grid uses in the place of installed ones of their names, in a sentence: what `plan`, `run` and the
report say of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gan_bench.console import one_line
from gan_bench.errors import shortened
from gan_bench.store.documents import Plugin

if TYPE_CHECKING:
    from gan_bench.findings.tables import Results
    from gan_bench.planning.courses import PreparedGrid

LISTED = 8  # plugins that are named
NAME = 60  # characters of each name


def stand_ins(prepared: PreparedGrid) -> list[Plugin]:
    """Those of a grid: of its datasets, architectures, tricks, metrics and features."""
    used = dict.fromkeys(_used(prepared))
    return [Plugin(**found.facts()) for found in prepared.grid.registry.those(used) if found.instead_of]


def _used(prepared: PreparedGrid) -> Iterator[tuple[str, str]]:
    """Kind and name of each plugin that a grid uses."""
    for cell in prepared.grid.cells:
        yield from cell.plugins
        select = cell.settings["dataset"].get("select")
        yield from _features(select if isinstance(select, dict) else {})
    for data in prepared.data.values():
        asked = prepared.grid.evaluate.of(data.spec.kind, labelled=data.spec.classes is not None)
        yield "features", asked.features["name"]
        for metric in asked.metrics:
            yield "metric", metric["name"]
            yield from _features(metric)


def _features(table: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The extractor that a table names, if it does."""
    if features := table.get("features"):
        yield "features", features if isinstance(features, str) else features["name"]


def sentence(plugins: Sequence[Plugin]) -> str:
    """What is said of them; "" where there are none."""
    if not plugins:
        return ""
    one = len(plugins) == 1
    named = [
        f"{plugin.kind} {_short(plugin.name)} of {_short(plugin.origin.removeprefix('file '))}"
        f" (for {' and '.join(map(_short, plugin.instead_of))})"
        for plugin in plugins[:LISTED]
    ]
    more = f" and {len(plugins) - LISTED:,} more" if len(plugins) > LISTED else ""
    what = "plugin of a file stands in for an installed one of its name"
    several = "plugins of files stand in for installed ones of their names"
    return f"{len(plugins):,} {what if one else several}: {', '.join(named)}{more}"


def sentences(results: Results) -> dict[str, str]:
    """What is said of each store's, by the store's name; those with none are left out."""
    found = {store: sentence(grid.plugins) for store, grid in results.grids.items()}
    return {store: said for store, said in found.items() if said}


def _short(text: str) -> str:
    return shortened(one_line(text), NAME)
