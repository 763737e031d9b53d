"""What a worker process is told to do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_bench.planning.runs import Run
from gan_bench.training.dry import DryPass
from gan_bench.workers.peak import training_flops

if TYPE_CHECKING:
    from gan_bench.grid import Evaluate, Grid
    from gan_bench.grid.schema import Precision
    from gan_bench.grid.search import Half


@dataclass(frozen=True)
class Setup:
    """What all runs of a worker share; sent once."""

    device: str
    store: Path  # as the worker sees it
    plugin_files: tuple[Path, ...]
    evaluate: Evaluate
    slots: int | None = 1  # runs at a time in this process; None: as many as measuring finds to pay
    step_seconds: float | None = None  # that a training step may take
    half: Half | None = None  # of the held-out data, by which they are scored
    conditional: bool = False  # whether networks of any of the grid's runs take labels
    any_device: bool = False  # whether runs go on on another kind of device than they were begun on
    environment: Mapping[str, str] = field(
        default_factory=lambda: dict(os.environ)
    )  # the server of workers has an older one

    def run_path(self, run: str) -> Path:
        """The folder of a run."""
        return self.store / "runs" / run


@dataclass(frozen=True)
class Job:
    """One run to train, or to score again where it is trained."""

    run: str
    identity: str
    settings: dict[str, Any]
    seed: int
    snapshot_steps: tuple[int, ...]
    data: str  # the folder of its dataset in the cache
    sources: tuple[str, ...]  # hashes of its plugins, as the parent knows them
    clear: bool  # train from the start, whatever the folder holds
    limit: float  # images a second at the peak of its device
    dry: DryPass
    alone: bool = False  # not beside other runs: one of those that it was with ended their process
    deaths: int = 0  # processes that ended while they trained this run and no other
    moves: int = 0  # places that were lost while they trained this run
    attempt: str = ""  # what this attempt at it is called, anew each time that it is given out


def make_job(run: Run, grid: Grid, peaks: Mapping[Precision, float], *, clear: bool) -> Job:
    """What a worker must know of a run; `peaks` are its device's FLOP/s by precision."""
    flops = training_flops(run.dry.networks, run.dry.schedule.d_per_g)
    return Job(
        run=run.name,
        identity=run.identity,
        settings=run.cell.settings,
        seed=run.seed,
        snapshot_steps=run.snapshot_steps,
        data=run.data.folder.name,
        sources=tuple(found.source_hash for found in grid.registry.those(run.cell.plugins)),
        clear=clear,
        limit=peaks[run.cell.precision] / max(flops, 1.0),
        dry=run.dry,
    )
