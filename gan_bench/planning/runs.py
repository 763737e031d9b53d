"""Runs: one cell with one seed, its identity, its length, and what is left to do for it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gan_bench.errors import GanBenchError
from gan_bench.stats.sequential import Looks, seeds_of
from gan_bench.store.documents import FileFault
from gan_bench.store.folder import RunFolder
from gan_bench.store.state import Columns, RunState

if TYPE_CHECKING:
    from gan_bench.api.samples import PreparedData
    from gan_bench.grid import Cell, Grid
    from gan_bench.planning.courses import PreparedGrid
    from gan_bench.training.dry import DryPass

Todo = Literal["nothing", "train", "continue", "again", "damaged", "longer", "evaluate"]


@dataclass(frozen=True)
class Run:
    """One cell with one seed: what is trained, stored and resumed."""

    cell: Cell
    seed: int
    identity: str  # SHA-256 of what determines its course
    snapshot_steps: tuple[int, ...]  # in order; the last is the run's length
    required: frozenset[int]  # snapshots that were asked for by their time; others may be missing in an older run
    path: Path
    data: PreparedData = field(compare=False, repr=False)
    dry: DryPass = field(compare=False, repr=False)
    stale: str = ""  # why what was trained of it before is out of date
    kept: bool = False  # `path` is of such a run, whose results are used as they are
    known: RunState | None = field(
        default=None, compare=False, repr=False
    )  # how it stands, where the store's index says

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def title(self) -> str:
        """For a person: the cell and the seed."""
        return f"{self.cell.label}, seed {self.seed}"

    @property
    def total_steps(self) -> int:
        """Its length in G steps."""
        return self.snapshot_steps[-1]

    @property
    def folder(self) -> RunFolder:
        """Where it writes."""
        return RunFolder(self.path)

    @cached_property
    def state(self) -> RunState:
        """How it stood when this was first asked; `folder.read()` says how it stands now."""
        return self.known or self.folder.read()

    @property
    def faults(self) -> list[FileFault]:
        """Files that can't be used, and what is done without them."""
        return [] if self.kept else [*self.state.faults, *self._left[1]]

    def todo(self, columns: Columns | None = None) -> Todo:
        """What is left to do: nothing, train, continue, train again (a snapshot is missing in its past, or files are damaged),
        or evaluate.

        "longer": it was trained further than is asked now and has no snapshot there, so that only training it again, from
        nothing and for less, could give one. `columns` are the label and protocol of each score wanted; None leaves scores
        out of account.
        """
        if self.kept:  # whatever it lacks, today's plugins could not make it
            return "nothing"
        left, state = self._left[0], self.state
        if left != "nothing" or self._left[1]:
            return left
        if state.is_spoiled(self.identity, self.seed, self.cell.key):
            return "evaluate"
        scored = [shot for shot in state.snapshots if shot.has_weights and shot.step in self.snapshot_steps]
        if columns is not None and any(shot.columns != columns for shot in scored):
            return "evaluate"
        return "nothing"

    @cached_property
    def _left(self) -> tuple[Todo, list[FileFault]]:
        """What is left to train, and the fault for which it is, or would have to be trained again."""
        state = self.state
        if not state.begun:  # most runs of a large grid, which is to be planned in a moment
            return "train", []
        trained, finished = state.steps, state.finished_steps
        taken = {shot.step for shot in state.snapshots}
        # One that is missing where an unfinished run stands was broken off, and is taken when it goes on.
        if any((step < trained or step == finished) and step not in taken for step in self.required):
            return "longer" if trained > self.total_steps else "again", []
        if trained and state.lost:
            fault = FileFault(self.path, f"{self.path}: {state.lost}", "the run trains again from the start")
            if trained <= self.total_steps or 0 < state.checkpoint.steps < trained:  # it only says that it went further
                return "damaged", [fault]
            left = "it was trained further than is asked, and is left as it is"
            return "nothing", [replace(fault, without=left)]
        if finished < self.total_steps:
            return "continue" if trained else "train", []
        return "nothing", []


def make_runs(prepared: PreparedGrid, store: Path, looks: Looks) -> list[Run]:
    """All runs of a grid, seed by seed, so that a grid that is interrupted has whole seeds.

    `looks` are of comparisons that have more seeds than the grid. A cell has the seeds of all its comparisons.
    """
    seeds = seeds_of_cells(prepared.grid, looks)
    return [
        Run(
            course.cell,
            seed,
            course.identity(seed),
            course.snapshot_steps,
            course.required,
            store / "runs" / course.name(seed),
            course.data,
            course.dry,
        )
        for seed in dict.fromkeys(chain(prepared.grid.seeds, *(sorted(own) for own in seeds.values())))
        for course in prepared.courses
        if seed in seeds[course.cell]
    ]


def comparison_seeds(grid: Grid, title: str, looks: Looks) -> list[int]:
    """The seeds of a comparison."""
    return seeds_of(looks.get(title, ())) or list(grid.seeds)


def seeds_of_cells(grid: Grid, looks: Looks) -> dict[Cell, set[int]]:
    """The seeds of each cell: of every comparison that it stands in, or the grid's."""
    seeds: dict[Cell, set[int]] = {cell: set() for cell in grid.cells}
    for comparison in grid.comparisons:
        for level in comparison.levels:
            seeds[level.cell].update(comparison_seeds(grid, comparison.title, looks))
    return {cell: own or set(grid.seeds) for cell, own in seeds.items()}


def select(runs: Sequence[Run], only: str | None, *, any_match: bool = False, begun: Collection[str] = ()) -> list[Run]:
    """Runs whose title or folder name contains a text; "failed" selects those that failed, and those of them that the command
    has `begun` since. All without a text.

    GanBenchError: a text that selects none, unless `any_match`.
    """
    if only is None:
        return list(runs)
    if only == "failed":
        return [run for run in runs if run.name in begun or run.folder.read().failed]
    chosen = [run for run in runs if only in run.title or only in run.name]
    if not chosen and not any_match:
        raise GanBenchError(f"--only {only!r} selects none of the runs, such as {runs[0].title!r}")
    return chosen
