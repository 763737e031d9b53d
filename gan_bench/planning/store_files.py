"""What a store holds beside its runs: the grid, and what it expands to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_bench.files import replace_file
from gan_bench.planning.runs import Run, comparison_seeds
from gan_bench.stats.sequential import Looks
from gan_bench.store.grid_json import GridComparison, GridDocument, GridLevel, GridLook, GridRun, GridScore, write_grid

if TYPE_CHECKING:
    from gan_bench.grid import Grid
    from gan_bench.scoring.evaluator import Evaluator


def write_store(grid: Grid, store: Path, runs: Sequence[Run], looks: Looks, evaluators: Iterable[Evaluator]) -> None:
    """Write grid.toml and grid.json. There is an evaluator for each dataset."""
    replace_file(store / "grid.toml", lambda beside: beside.write_text(grid.text, encoding="utf-8"))
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
    document = GridDocument(
        name=grid.name,
        arguments=list(grid.arguments),
        seeds=list(grid.seeds),
        runs={
            run.name: GridRun(label=run.cell.label, steps=run.total_steps, **({"stale": run.stale} if run.kept else {}))
            for run in runs
        },
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
    write_grid(store, document)
