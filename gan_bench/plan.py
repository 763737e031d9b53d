"""What a grid would cost, before it is trained."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gan_bench.batches import Batches
from gan_bench.data import PreparedData, open_prepared
from gan_bench.dry import DryPass, dry_pass
from gan_bench.evaluation import BATCH, draw
from gan_bench.forkserver import without_main, worker_context
from gan_bench.grid import Cell, cell_from_settings
from gan_bench.networks import build_networks, memory_format
from gan_bench.registry import Registry
from gan_bench.runs import Run, Todo, dataset_key
from gan_bench.streams import Streams
from gan_bench.training import build_loop

if TYPE_CHECKING:
    from gan_bench.grid import Grid

PILOT_SECONDS = 1.0  # of timed steps for each cell, after its first
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


def plan_cells(
    grid: Grid, runs: Sequence[Run], data: dict[str, PreparedData], device: str, *, pilot: bool
) -> list[CellPlan]:
    """The plan of every cell that the runs belong to."""
    by_cell: dict[Cell, list[Run]] = {}
    for run in runs:
        by_cell.setdefault(run.cell, []).append(run)
    pilots: dict[Cell, Pilot] = {}
    if pilot:
        pilots = run_pilots({cell: data[dataset_key(cell)].folder for cell in by_cell}, grid.plugin_files, device)
    return [plan_cell(grid, cell, own, pilots.get(cell)) for cell, own in by_cell.items()]


def plan_cell(grid: Grid, cell: Cell, runs: Sequence[Run], pilot: Pilot | None) -> CellPlan:
    """The plan of one cell's runs."""
    dry = dry_pass(cell)
    todo: dict[Todo, list[int]] = {}
    left = 0
    for run in runs:
        what = run.todo()
        todo.setdefault(what, []).append(run.seed)
        if what in ("train", "again", "damaged"):
            left += run.total_steps
        elif what == "continue":
            left += run.total_steps - (run.folder.finished_steps() or run.folder.trained_steps())
    disk = len(runs) * run_bytes(runs[0], grid.evaluate.keep)
    return CellPlan(cell.label, tuple(runs), todo, dry, runs[0].total_steps, left, disk, pilot)


def run_bytes(run: Run, keep: str) -> int:
    """What a finished run occupies on the disk, roughly; `keep` says of which snapshots weights are kept."""
    dry, snapshots = dry_pass(run.cell), len(run.snapshot_steps)
    kept = {"all": snapshots, "best+last": min(2, snapshots), "last": 1}[keep]
    return int(dry.checkpoint_bytes + kept * 4 * dry.networks["generator"]["parameters"] + snapshots * PICTURE_BYTES)


def run_pilots(cells: dict[Cell, Path], plugin_files: Sequence[Path], device: str) -> dict[Cell, Pilot]:
    """A few steps of each cell, in one process of its own, as a worker would train them."""
    begin = (tuple(plugin_files), device)
    with ProcessPoolExecutor(1, worker_context(), initializer=_begin_pilots, initargs=begin) as pool:
        with without_main():
            pilots = pool.map(_pilot, [(cell.settings, folder) for cell, folder in cells.items()])
        return dict(zip(cells, pilots, strict=True))


_process: dict[str, Any] = {}  # of the pilot process: its registry and device


def _begin_pilots(plugin_files: tuple[Path, ...], device: str) -> None:
    torch.set_num_threads(1)
    _process.update(registry=Registry.load(plugin_files), device=torch.device(device))


def _pilot(task: tuple[dict[str, Any], Path]) -> Pilot:
    settings, folder = task
    device = _process["device"]
    cell, data, streams = cell_from_settings(settings, _process["registry"]), open_prepared(folder), Streams(0, device)
    networks = build_networks(cell.architecture, data.spec, streams)
    batches = Batches(data.training.to(device), cell.batch_size, 0, memory_format(networks[1]))
    loop = build_loop(cell, data.spec, streams, 1, batches, networks)
    loop.step()  # allocates moments and buffers
    steps, began = 0, _now(device)
    while _now(device) - began < PILOT_SECONDS:
        loop.step()
        steps += 1
    trained = _now(device)
    draw(loop.recipe.sampled, cell.architecture.latent, BATCH, 0, device)
    return Pilot((trained - began) / steps, (_now(device) - trained) / BATCH, _peak_bytes(device))


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _peak_bytes(device: torch.device) -> int:
    """The most memory that this process, or its part of the GPU, has had."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def makespan(cells: Sequence[CellPlan], samples: int, slots: int) -> float:
    """Seconds until the last slot is done, with each run as long as its cell's mean."""
    lengths = [plan.seconds_left(samples) / plan.waiting for plan in cells for _ in range(plan.waiting)]
    ends = [0.0] * slots
    for length in sorted(lengths, reverse=True):
        first = min(range(slots), key=ends.__getitem__)
        ends[first] += length
    return max(ends) if ends else math.nan
