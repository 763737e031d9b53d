"""What trains a grid's runs: this machine's processes, or a cluster."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from gan_bench.workers.device import resolve_devices
from gan_bench.workers.events import Event
from gan_bench.workers.executor import Executor
from gan_bench.workers.hosts.local import LocalHost
from gan_bench.workers.jobs import Job, Setup
from gan_bench.workers.peak import peak

if TYPE_CHECKING:
    from gan_bench.grid.schema import Precision
    from gan_bench.planning.runs import Run


Listener = Callable[[Event], None]


@dataclass(frozen=True)
class Rules:
    """What the executor does about runs that fail."""

    fail_fast: bool = False  # stop at the first one
    retries: int = 1  # of a run whose process died


class Engine(ABC):
    """Where a command's runs train. What it needs of their kind of device it has before anything is planned."""

    device: str  # of this process, on which it makes features that are not in the cache yet: "cpu", "cuda:0"
    slots: int | None  # runs at a time in a worker; None: as many as pay
    workers: int  # at a time, as far as is known
    features: Path | None = None  # where features are kept that a device of the runs' kind made before; None: made here
    trains = True  # here and now; else it only notes what is to be trained
    given = False  # whether it has given runs out to others, whose end is not the command's
    begun: Collection[str] = ()  # runs that the same command has given out before

    @property
    def lost(self) -> str:
        """Why its cluster can't be reached any more, in a sentence; "" while it can."""
        return ""

    @abstractmethod
    def peaks(self, precisions: set[Precision]) -> Mapping[Precision, float]:
        """FLOP/s of one of its devices at best, by precision."""

    @abstractmethod
    def train(
        self, runs: Sequence[Run], jobs: Sequence[Job], setup: Setup, rules: Rules, listener: Callable[[Event], None]
    ) -> bool:
        """Train the jobs, which are of these runs; False if it was stopped before all had ended. `setup.slots` is filled in."""


class LocalEngine(Engine):
    """This machine. GanBenchError: a device that is not there."""

    def __init__(self, devices: str = "auto", slots: int | None = None) -> None:
        self.devices = resolve_devices(devices, slots)
        self.device = self.devices[0]
        self.slots = 1 if set(self.devices) == {"cpu"} else slots  # there a slot is a process
        self.workers = len(self.devices)

    def peaks(self, precisions: set[Precision]) -> Mapping[Precision, float]:
        """See Engine."""
        return {precision: peak(torch.device(self.device), precision) for precision in precisions}

    def train(
        self, runs: Sequence[Run], jobs: Sequence[Job], setup: Setup, rules: Rules, listener: Callable[[Event], None]
    ) -> bool:
        """See Engine."""
        host = LocalHost(self.devices)
        return Executor(setup, host, listener, fail_fast=rules.fail_fast, retries=rules.retries).run(jobs)
