"""The runs that a grid has in a store: with the seeds that were added there, and those whose results are out of date marked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gan_bench.planning.looks import kept_looks
from gan_bench.planning.runs import Run, make_runs
from gan_bench.planning.stale import mark_stale
from gan_bench.store.checked import known_states
from gan_bench.store.trust import check_store

if TYPE_CHECKING:
    from gan_bench.planning.courses import PreparedGrid
    from gan_bench.stats.sequential import Looks


def plan_runs(
    prepared: PreparedGrid,
    store: Path,
    *,
    keep_stale: bool = False,
    add_looks: Callable[[Looks], Looks] | None = None,
    verify: bool = False,
) -> tuple[list[Run], Looks]:
    """All runs of a grid, and the looks that they come from.

    `add_looks` is given the looks that the store's comparisons have, and returns those that they shall have. With
    `keep_stale`, results that a changed plugin or dataset has put out of date are kept. To `verify` is to read every run
    folder, also of runs that the store's index knows. GanBenchError: the store is not to be read.
    """
    check_store(store)  # before its list of comparisons is read
    grid = prepared.grid
    courses = {course.cell: course for course in prepared.courses}
    names = {
        comparison.title: {seed: {courses[level.cell].name(seed) for level in comparison.levels} for seed in grid.seeds}
        for comparison in grid.comparisons
    }
    looks: Looks = kept_looks(grid, store, names)
    if add_looks is not None:
        looks = add_looks(looks)
    runs = make_runs(prepared, store, looks)
    if not verify:
        states = known_states(store, [run.folder for run in runs])
        runs = [replace(run, known=states.get(run.path)) for run in runs] if states else runs
    return mark_stale(grid, runs, store, keep=keep_stale), looks
