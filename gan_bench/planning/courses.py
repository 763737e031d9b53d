"""What does not depend on seeds: a grid's data, and what each of its cells is before it trains."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gan_bench.canonical import canonical
from gan_bench.data.described import described
from gan_bench.errors import GridError
from gan_bench.planning.datasets import check_data, check_labels, dataset_key, prepare_data
from gan_bench.planning.lengths import Lengths
from gan_bench.training.dry import DryPass, dry_pass

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from gan_bench.api.samples import PreparedData
    from gan_bench.grid import Cell, Grid
    from gan_bench.store.documents import Dataset

COURSE_FORMAT = 2  # raised when a change of the core changes what runs of equal settings compute


@dataclass(frozen=True)
class Course:
    """All runs of a cell, but for their seeds."""

    cell: Cell
    data: PreparedData
    dry: DryPass
    snapshot_steps: tuple[int, ...]  # in order; the last is the runs' length
    required: frozenset[int]  # snapshots that were asked for by their time
    facts: tuple[str, str]  # all that determines a run's course, as canonical JSON before and after its seed

    def identity(self, seed: int) -> str:
        """SHA-256 of what determines the course of the run with this seed."""
        before, after = self.facts
        return hashlib.sha256(f'{before}"seed":{seed}{after}'.encode()).hexdigest()

    def name(self, seed: int) -> str:
        """The folder of the run with this seed."""
        return f"{self.cell.architecture.name}-{seed}-{self.identity(seed)[:12]}"


@dataclass(frozen=True)
class PreparedGrid:
    """A grid whose data is decoded, and of whose cells one step was tried."""

    grid: Grid
    data: dict[str, PreparedData]  # by `dataset_key`
    courses: tuple[Course, ...]  # of its cells, in order
    steps_an_epoch: float  # G steps in which the baseline sees its data once

    @property
    def datasets(self) -> list[tuple[Dataset, dict[str, Any]]]:
        """What is known of each dataset that its cells train on, and its settings."""
        cells = {dataset_key(cell): cell for cell in self.grid.cells}
        return [(described(self.data[key]), cell.settings["dataset"]) for key, cell in cells.items()]


def check_undecoded(grid: Grid, try_cell: Callable[[Cell], DryPass] = dry_pass) -> dict[Cell, DryPass]:
    """Try every cell, before anything is decoded. GanBenchError: data is missing, or a cell's networks or tricks don't fit it."""
    check_data(grid)
    check_labels(grid)
    return {cell: try_cell(cell) for cell in (*grid.cells, grid.baseline)}


def prepare_grid(grid: Grid, console: Console, try_cell: Callable[[Cell], DryPass] = dry_pass) -> PreparedGrid:
    """Decode the data and try every cell; with `known_pass` those that were not tried before.

    GanBenchError: data is missing or damaged, or a cell's networks or tricks don't fit it, which is found before anything is
    decoded; two cells are the same runs; scores can't be asked of it.
    """
    dry = check_undecoded(grid, try_cell)
    data = prepare_data(grid, console)
    check_labels(grid, data)
    for prepared in data.values():
        grid.check_scores(prepared.spec)
    lengths = Lengths(grid, len(data[dataset_key(grid.baseline)].training), dry)
    courses: dict[tuple[str, str], Course] = {}
    for cell in grid.cells:
        (snapshots, required), own = lengths.snapshots(cell), data[dataset_key(cell)]
        facts = _facts(grid, cell, own.fingerprint, snapshots[-1])
        if same := courses.get(facts):
            rule = f"{same.cell.label!r} and {cell.label!r} train on equal data, so they are the same runs"
            raise GridError(rule, file=grid.source.shown, cure="Leave one out.")
        courses[facts] = Course(cell, own, dry[cell], snapshots, required, facts)
    return PreparedGrid(grid, data, tuple(courses.values()), lengths.steps_an_epoch)


def _facts(grid: Grid, cell: Cell, fingerprint: str, total_steps: int) -> tuple[str, str]:
    """Length and snapshot times don't determine a course, unless a trick reads the length."""
    facts = {
        "format": COURSE_FORMAT,
        "settings": {key: value for key, value in cell.settings.items() if key != "dataset"},
        "seed": None,
        "dataset": fingerprint,
        "sources": [grid.registry.get(kind, name).source_hash for kind, name in cell.plugins[1:]],
        "total_steps": total_steps if any(trick.needs_length for trick in cell.tricks) else None,
    }
    before, _, after = canonical(facts).partition('"seed":null')  # the first: only a hash and a number stand before it
    return before, after
