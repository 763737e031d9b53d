"""Runs: one cell with one seed, its identity, its length, and what is left to do for it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gan_bench.canonical import canonical
from gan_bench.errors import GanBenchError, GridError
from gan_bench.planning.datasets import dataset_key
from gan_bench.planning.lengths import Lengths
from gan_bench.stats.sequential import Looks, seeds_of
from gan_bench.store.documents import FileFault
from gan_bench.store.folder import RunFolder
from gan_bench.store.state import Columns, RunState

if TYPE_CHECKING:
    from gan_bench.api.samples import PreparedData
    from gan_bench.grid import Cell, Grid

Todo = Literal["nothing", "train", "continue", "again", "damaged", "longer", "evaluate"]
COURSE_FORMAT = 2  # raised when a change of the core changes what runs of equal settings compute


@dataclass(frozen=True)
class Run:
    """One cell with one seed: what is trained, stored and resumed."""

    cell: Cell
    seed: int
    identity: str  # SHA-256 of what determines its course
    snapshot_steps: tuple[int, ...]  # in order; the last is the run's length
    required: frozenset[int]  # snapshots that were asked for by their time; others may be missing in an older run
    path: Path
    stale: str = ""  # why what was trained of it before is out of date
    kept: bool = False  # `path` is of such a run, whose results are used as they are

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
        return self.folder.read()

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


def make_runs(grid: Grid, data: dict[str, PreparedData], store: Path, looks: Looks | None = None) -> list[Run]:
    """All runs of a grid, seed by seed, so that a grid that is interrupted has whole seeds.

    `data` holds the prepared dataset of each cell by `dataset_key`; `looks` are of comparisons that have more seeds than the
    grid. A cell has the seeds of all its comparisons.
    """
    lengths = Lengths(grid, len(data[dataset_key(grid.baseline)].training))
    plans = []
    for cell in grid.cells:
        snapshots, required = lengths.snapshots(cell)
        plans.append(
            (cell, snapshots, required, _course(grid, cell, data[dataset_key(cell)].fingerprint, snapshots[-1]))
        )
    runs = []
    cells: dict[str, Cell] = {}
    seeds = seeds_of_cells(grid, looks or {})
    for seed in dict.fromkeys(chain(grid.seeds, *(sorted(own) for own in seeds.values()))):
        for cell, snapshots, required, (before, after) in plans:
            if seed not in seeds[cell]:
                continue
            identity = hashlib.sha256(f'{before}"seed":{seed}{after}'.encode()).hexdigest()
            same = cells.setdefault(identity, cell)
            if same is not cell:
                rule = f"{same.label!r} and {cell.label!r} train on equal data, so they are the same runs"
                raise GridError(rule, file=grid.file, cure="Leave one out.")
            path = store / "runs" / f"{cell.architecture.name}-{seed}-{identity[:12]}"
            runs.append(Run(cell, seed, identity, snapshots, required, path))
    return runs


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


def _course(grid: Grid, cell: Cell, fingerprint: str, total_steps: int) -> tuple[str, str]:
    """All that determines a run's course, as canonical JSON before and after its seed.

    Its length and snapshot times don't, unless a trick reads the length.
    """
    course = {
        "format": COURSE_FORMAT,
        "settings": {key: value for key, value in cell.settings.items() if key != "dataset"},
        "seed": None,
        "dataset": fingerprint,
        "sources": [grid.registry.get(kind, name).source_hash for kind, name in cell.plugins[1:]],
        "total_steps": total_steps if any(trick.needs_length for trick in cell.tricks) else None,
    }
    before, _, after = canonical(course).partition('"seed":null')  # the first: only a hash and a number stand before it
    return before, after


def select(runs: Sequence[Run], only: str | None) -> list[Run]:
    """Runs whose title or folder name contains a text; "failed" selects those that failed. All without a text.

    GanBenchError: a text that selects none.
    """
    if only is None:
        return list(runs)
    if only == "failed":
        return [run for run in runs if run.folder.read().failed]
    chosen = [run for run in runs if only in run.title or only in run.name]
    if not chosen:
        raise GanBenchError(f"--only {only!r} selects none of the runs, such as {runs[0].title!r}")
    return chosen
