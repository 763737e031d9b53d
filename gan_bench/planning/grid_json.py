"""grid.json: what a grid expands to, beside its runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gan_bench.files import replace_file
from gan_bench.planning.runs import Run, comparison_seeds
from gan_bench.stats.sequential import Looks
from gan_bench.store.documents import write_object

if TYPE_CHECKING:
    from gan_bench.grid import Grid


def write_store(grid: Grid, store: Path, runs: Sequence[Run], looks: Looks) -> None:
    """Write what the store holds beside its runs: the grid, and what it expands to."""
    replace_file(store / "grid.toml", lambda beside: beside.write_text(grid.text, encoding="utf-8"))
    folders = {(run.cell, run.seed): run.name for run in runs}
    comparisons = [
        {
            "title": comparison.title,
            "axes": list(comparison.axes),
            "budget": comparison.budget,
            "levels": [
                {
                    "label": level.label,
                    "values": level.values,
                    "reference": level.reference,
                    "runs": {
                        str(seed): folders[level.cell, seed] for seed in comparison_seeds(grid, comparison.title, looks)
                    },
                }
                for level in comparison.levels
            ],
            **({"looks": [look.facts() for look in looks[comparison.title]]} if comparison.title in looks else {}),
        }
        for comparison in grid.comparisons
    ]
    facts = {
        "name": grid.name,
        "arguments": list(grid.arguments),
        "seeds": list(grid.seeds),
        "runs": {
            run.name: {"label": run.cell.label, "steps": run.total_steps} | ({"stale": run.stale} if run.kept else {})
            for run in runs
        },
        "comparisons": comparisons,
    }
    write_object(store / "grid.json", facts)
