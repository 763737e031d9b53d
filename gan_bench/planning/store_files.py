"""What a store holds beside its runs: the grid, and what it expands to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_bench.errors import GanBenchError
from gan_bench.files import replace_file
from gan_bench.planning.draws import Search, listed
from gan_bench.planning.runs import Run, comparison_seeds
from gan_bench.stats.sequential import Looks
from gan_bench.store.documents import Plugin
from gan_bench.store.grid_json import (
    GridComparison,
    GridDocument,
    GridLevel,
    GridLook,
    GridScore,
    read_grid,
    write_grid,
)

if TYPE_CHECKING:
    from gan_bench.grid import Grid
    from gan_bench.scoring.evaluator import Evaluator


def write_store(
    grid: Grid,
    store: Path,
    runs: Sequence[Run],
    looks: Looks,
    evaluators: Iterable[Evaluator],
    search: Search | None = None,
    plugins: Sequence[Plugin] = (),
) -> None:
    """Write grid.toml and grid.json.

    There is an evaluator for each dataset; `search` is what came before these runs; `plugins` stand in for installed ones.
    """
    replace_file(store / "grid.toml", lambda beside: beside.write_text(grid.text, encoding="utf-8"))
    document = _searching(grid, store) if grid.half == "selection" else _compared(grid, store, runs, looks, evaluators)
    if search is not None:
        chosen = None if grid.half == "selection" else search.chosen()
        document.runs = {**document.runs, **search.listed()}
        document.scores = [*document.scores, *(one for one in search.columns if one not in document.scores)]
        document.search = search.document(chosen)
    document.plugins = list(plugins)
    write_grid(store, document)


def _searching(grid: Grid, store: Path) -> GridDocument:
    """While draws are missing: the comparisons that the store has, if any, with what is known of their runs."""
    before = None
    with suppress(GanBenchError):  # whoever shows the store says so; it is written again
        before = read_grid(store)
    if before is None:
        seeds = (grid.written or grid).seeds
        return GridDocument(name=grid.name, arguments=grid.arguments_in(store), seeds=list(seeds))
    compared = set[str]().union(*(one.runs for one in before.comparisons))
    known = {name: run for name, run in before.runs.items() if name in compared}
    return before.model_copy(update={"name": grid.name, "arguments": grid.arguments_in(store), "runs": known})


def _compared(
    grid: Grid, store: Path, runs: Sequence[Run], looks: Looks, evaluators: Iterable[Evaluator]
) -> GridDocument:
    folders = {(run.cell, run.seed): run.name for run in runs}
    comparisons = []
    for comparison in grid.comparisons:
        seeds = comparison_seeds(grid, comparison.title, looks)
        levels = [
            GridLevel(
                label=level.label,
                values=level.values,
                reference=level.reference,
                runs={seed: folders[level.cell, seed] for seed in seeds},
            )
            for level in comparison.levels
        ]
        added: dict[str, Any] = {}
        if own := looks.get(comparison.title):
            added["looks"] = [GridLook(**look.facts()) for look in own]
        axes, budget = list(comparison.axes), comparison.budget
        comparisons.append(GridComparison(title=comparison.title, axes=axes, budget=budget, levels=levels, **added))
    return GridDocument(
        name=grid.name,
        arguments=grid.arguments_in(store),
        seeds=list(grid.seeds),
        runs={run.name: listed(run) for run in runs},
        comparisons=comparisons,
        scores=[
            GridScore(
                label=one.label,
                protocol_id=one.protocol_id,
                **({"headline": evaluator.headlines.index(one.place)} if one.place in evaluator.headlines else {}),
            )
            for evaluator in evaluators
            for one in evaluator.scored()
        ],
    )
