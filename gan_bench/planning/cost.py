"""What a grid would cost, before it is trained."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.filesize import decimal

from gan_bench.errors import GanBenchError
from gan_bench.grid import Cell
from gan_bench.planning.runs import Run, Todo
from gan_bench.training.dry import DryPass

if TYPE_CHECKING:
    from gan_bench.grid import Cell, Grid
PICTURE_BYTES = 50_000  # of a snapshot's sample grid and scores, roughly


@dataclass(frozen=True)
class Pilot:
    """What a few real steps of a cell took on one slot."""

    step_seconds: float
    sample_seconds: float  # to generate one sample
    peak_bytes: int  # of the whole process


@dataclass(frozen=True)
class CellPlan:
    """One cell: what its networks are and what is left to do for its runs."""

    label: str
    runs: tuple[Run, ...]
    todo: dict[Todo, list[int]]  # what is left -> the seeds
    dry: DryPass
    steps: int  # of one run
    steps_left: int  # of all its runs
    disk_bytes: int  # of all its runs when finished
    pilot: Pilot | None

    @property
    def waiting(self) -> int:
        """Runs that are not done."""
        return sum(len(seeds) for what, seeds in self.todo.items() if what != "nothing")

    def seconds_left(self, samples: int) -> float:
        """Training and sampling that is left, on one slot; scoring comes on top. 0 without a pilot."""
        if self.pilot is None:
            return 0.0
        share = self.steps_left / self.steps
        drawn = share * len(self.runs[0].snapshot_steps) * samples
        return self.steps_left * self.pilot.step_seconds + drawn * self.pilot.sample_seconds


def plan_cells(grid: Grid, runs: Sequence[Run], pilots: Mapping[Cell, Pilot]) -> list[CellPlan]:
    """The plan of every cell that the runs belong to, with what a pilot has measured of it, if any has."""
    by_cell: dict[Cell, list[Run]] = {}
    for run in runs:
        by_cell.setdefault(run.cell, []).append(run)
    return [plan_cell(grid, cell, own, pilots.get(cell)) for cell, own in by_cell.items()]


def plan_cell(grid: Grid, cell: Cell, runs: Sequence[Run], pilot: Pilot | None) -> CellPlan:
    """The plan of one cell's runs."""
    todo: dict[Todo, list[int]] = {}
    left = 0
    for run in runs:
        what = run.todo()
        todo.setdefault(what, []).append(run.seed)
        if what in ("train", "again", "damaged"):
            left += run.total_steps
        elif what == "continue":
            left += run.total_steps - run.state.steps
    disk = len(runs) * run_bytes(runs[0], grid.evaluate.keep)
    return CellPlan(cell.label, tuple(runs), todo, runs[0].dry, runs[0].total_steps, left, disk, pilot)


def run_bytes(run: Run, keep: str) -> int:
    """What a finished run occupies on the disk, roughly; `keep` says of which snapshots weights are kept."""
    dry, snapshots = run.dry, len(run.snapshot_steps)
    kept = {"all": snapshots, "best+last": min(2, snapshots), "last": 1}[keep]
    return int(dry.checkpoint_bytes + kept * 4 * dry.networks["generator"]["parameters"] + snapshots * PICTURE_BYTES)


def makespan(cells: Sequence[CellPlan], samples: int, slots: int) -> float:
    """Seconds until the last slot is done, with each run as long as its cell's mean."""
    lengths = [plan.seconds_left(samples) / plan.waiting for plan in cells for _ in range(plan.waiting)]
    ends = [0.0] * slots
    for length in sorted(lengths, reverse=True):
        first = min(range(slots), key=ends.__getitem__)
        ends[first] += length
    return max(ends) if ends else math.nan


def second_stage(cells: Sequence[CellPlan], runs: int, samples: int, slots: int) -> tuple[float, float]:
    """Seconds on so many slots, and bytes, of so many runs that are like those of the cells on average."""
    if not runs or not cells:
        return 0.0, 0.0
    seconds = [
        plan.steps * plan.pilot.step_seconds + len(plan.runs[0].snapshot_steps) * samples * plan.pilot.sample_seconds
        for plan in cells
        if plan.pilot
    ]
    disk = sum(plan.disk_bytes for plan in cells) / sum(len(plan.runs) for plan in cells)
    return (math.ceil(runs / slots) * sum(seconds) / len(seconds) if seconds else 0.0), runs * disk


def check_space(store: Path, runs: Sequence[Run], keep: str, slots: int) -> None:
    """GanBenchError: the disk has no room for the runs that are to be trained."""
    if not runs:
        return
    sizes = Counter(run.cell for run in runs)
    first = {run.cell: run for run in runs}
    needed = sum(count * run_bytes(first[cell], keep) for cell, count in sizes.items())
    needed += slots * max(2 * run.dry.checkpoint_bytes for run in first.values())  # two more while a run trains
    free = shutil.disk_usage(store).free
    if needed > free:
        raise GanBenchError(
            f"{len(runs)} runs need about {decimal(int(needed))} in {store.resolve()}, and {decimal(free)} are free. "
            "Free some, give another --out, or keep fewer weights: --set evaluate.keep=last"
        )


ESTIMATE_FROM = 0.02  # of all steps: earlier, start-up and first snapshots mislead


def seconds_left(trained: int, left: int, elapsed: float) -> float | None:
    """How long `left` G steps will take, at the pace of those `trained` in so many seconds; None: too early to say."""
    return elapsed / trained * left if trained > ESTIMATE_FROM * (trained + left) else None
