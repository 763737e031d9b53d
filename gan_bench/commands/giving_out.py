"""An engine that trains nothing: it writes down what is to be trained, for tasks of a cluster."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import mean
from typing import TYPE_CHECKING

import torch

from gan_bench.commands.rates import keep_rates, uses_gpus
from gan_bench.console import say
from gan_bench.errors import GanBenchError
from gan_bench.planning.cost import Pilot
from gan_bench.workers.engine import Engine, LocalEngine, Rules
from gan_bench.workers.pilot import try_pilots
from gan_bench.workers.shards import Given, Round

if TYPE_CHECKING:
    from gan_bench.commands.command import Command
    from gan_bench.grid.schema import Cluster, Precision
    from gan_bench.planning.runs import Run
    from gan_bench.workers.events import Event
    from gan_bench.workers.jobs import Job, Setup
    from gan_bench.workers.journal import Told

MOST_PILOTS = 8  # networks of which a few steps are timed; others are taken to be as fast as these on average


class GivingOut(Engine):
    """What this machine is stands for all that train."""

    trains = False

    def __init__(
        self,
        round_: Round,
        tasks: int,
        command: Command,
        cluster: Cluster,
        told: Told,
        *,
        earlier: Sequence[Round] = (),
        enough: bool = False,
    ) -> None:
        """`told` is what tasks have told of the `earlier` rounds; `enough`: there is none after those.

        GanBenchError: a device that is not there.
        """
        self.round, self.tasks, self.cluster, self.told, self.enough = round_, tasks, cluster, told, enough
        if command.only == "failed":
            self.begun = {one.job.run for before in earlier for one in before.given()}
        self.local = LocalEngine(command.devices, command.slots)
        self.device, self.slots = self.local.device, self.local.slots
        self.workers = self.local.workers * tasks
        device = torch.device(self.device).type
        if not earlier and device == "cpu" and command.devices == "auto" and uses_gpus(cluster):
            raise GanBenchError(
                f"{platform.node()} has no GPU that PyTorch can use, and cluster.sbatch asks for one: leave this node out "
                "(cluster.sbatch.exclude), or train on cores (--devices cpu)"
            )
        self.kind = earlier[0].facts["device"] if earlier else device  # of which a round's tasks are
        self.given = False
        self.left = 0  # runs that are not given out any more

    def peaks(self, precisions: set[Precision]) -> Mapping[Precision, float]:
        """See Engine."""
        return self.local.peaks(precisions)

    def train(
        self, runs: Sequence[Run], jobs: Sequence[Job], setup: Setup, rules: Rules, listener: Callable[[Event], None]
    ) -> bool:
        """Write the jobs down; False, for none of them has ended. True: no others shall begin, such as after one has failed."""
        if self.enough:
            self.left = len(jobs)
            return True
        if rules.fail_fast and self.told.failed:
            return True
        jobs = [replace(job, clear=job.clear and job.run not in self.told.started) for job in jobs]
        seconds = self._seconds(runs, jobs, setup) if self.tasks > 1 < len(jobs) else [0.0] * len(jobs)
        given = [
            Given(job, run.title, _steps(run, job), own) for run, job, own in zip(runs, jobs, seconds, strict=True)
        ]
        cluster = self.cluster
        self.round.write(
            given,
            setup,
            rules,
            device=self.kind,
            workers=self.local.workers,
            minutes=cluster.minutes,
            signal_seconds=cluster.signal_seconds,
        )
        self.given = True
        return False

    def _seconds(self, runs: Sequence[Run], jobs: Sequence[Job], setup: Setup) -> list[float]:
        """How long each will take on one worker here, roughly: one of which no step can be timed is taken for a usual one."""
        alike = list({run.cell.networks: run for run in runs}.values())
        tried = alike[:: math.ceil(len(alike) / MOST_PILOTS)]
        found = try_pilots({run.cell: run.data.folder for run in tried}, setup.plugin_files, self.device)
        pilots = {cell: one for cell, one in found.items() if isinstance(one, Pilot)}
        for cell in found.keys() - pilots.keys():
            say(f"{cell.label}: no step of it could be timed: {found[cell]}", err=True)
        keep_rates(setup.store, torch.device(self.device), {cell.networks: one for cell, one in pilots.items()})
        measured = {cell.networks: (pilot.step_seconds, pilot.sample_seconds) for cell, pilot in pilots.items()}
        if not measured:  # nobody knows: as many tasks as can be
            return [self.cluster.minutes * 60 * self.local.workers] * len(jobs)
        usual = tuple(map(mean, zip(*measured.values(), strict=True)))
        seconds = []
        for run, job in zip(runs, jobs, strict=True):
            step, sample = measured.get(run.cell.networks, usual)
            had = _steps(run, job)
            snapshots = sum(at > had for at in run.snapshot_steps)
            left = max(0, run.total_steps - had)
            seconds.append(left * step + snapshots * setup.evaluate.samples * sample)
        return seconds


def _steps(run: Run, job: Job) -> int:
    """That a run has before it goes on."""
    return 0 if job.clear else run.state.steps
