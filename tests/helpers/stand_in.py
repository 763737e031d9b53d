"""A host without processes: its workers do at once what a test has written down for each run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from gan_bench.grid import Evaluate
from gan_bench.workers.events import Ended, Finished, Ready, Started, Want
from gan_bench.workers.hosts.base import Cause, Ending, Handle, Host
from gan_bench.workers.jobs import Job, Setup

Act = Cause | Ended | None  # how a worker ends in the middle of a run, how the run ends, or that it goes on


class StandIn(Handle):
    """A worker with so many slots, which is told of runs and plays them."""

    def __init__(self, host: StandInHost, place: str) -> None:
        super().__init__(place)
        self.host = host
        self.cause = host.stillborn.get(place, host.stillborn.get(""))
        self.told: list[Any] = []
        if not (self.cause or place in host.silent):
            kinds = host.kinds.get(place)
            self.told = [Ready(kinds.pop(0) if kinds else "a kind"), *[Want()] * host.slots]

    def send(self, job: Job | None) -> bool:
        if job is None:
            self.cause = Cause("exit code 0")
            return True
        self.host.given.append((self.place, job))
        self.told.append(Started(job.run, 0, 0))
        acts = self.host.acts.get(job.run)
        act = acts.pop(0) if acts else Finished(job.run)
        if isinstance(act, Cause):
            self.cause = act
        elif act is not None:
            self.told += [act, Want()]
        return True

    def receive(self) -> Sequence[Any]:
        told, self.told = self.told, []
        if not told and self.cause:
            raise Ending
        return told

    def stop(self) -> None:
        self.cause = self.cause or Cause("exit code 0")

    def kill(self) -> None:
        self.cause = self.cause or Cause("signal SIGKILL")

    def bury(self) -> Cause:
        self.host.handles.remove(self)
        self.host.left += 1
        assert self.cause
        return self.cause


class StandInHost(Host):
    """Workers at places; `acts` says what happens, in order, each time that a run is given out: else it finishes."""

    def __init__(self, *places: str, acts: dict[str, list[Act]] | None = None, slots: int = 1) -> None:
        self.places, self.acts, self.slots = list(places), acts or {}, slots
        self.left = math.inf  # of workers that may be started
        self.stillborn: dict[str, Cause] = {}  # by place, or "" for all: how workers end before they are ready
        self.silent: set[str] = set()  # places whose workers are never ready
        self.kinds: dict[str, list[str]] = {}  # of devices, by place, in the order in which workers get them
        self.all_mixed = False
        self.handles: list[StandIn] = []
        self.given: list[tuple[str, Job]] = []
        self.idle: Callable[[StandInHost], object] = lambda host: None  # called when none has anything to tell

    def free(self) -> Sequence[str]:
        return list((Counter(self.places) - Counter(handle.place for handle in self.handles)).elements())

    @property
    def room(self) -> float:
        return self.left

    def mixed(self, place: str) -> bool:
        return self.all_mixed

    def start(self, place: str, setup: Setup) -> Handle:
        self.left -= 1
        self.handles.append(handle := StandIn(self, place))
        return handle

    def wait(self, handles: Sequence[Handle], seconds: float) -> Sequence[Handle]:
        ready = [one for one in self.handles if one.told or one.cause]
        if not ready:
            self.idle(self)
        return ready


def setup_in(store: Path) -> Setup:
    """What workers of a store are told."""
    return Setup(device="cpu", store=store, plugin_files=(), evaluate=Evaluate())


def job_of(run: str) -> Job:
    """A run that nobody trains."""
    return Job(run, run, {}, 0, (10,), "data", (), clear=False, limit=1.0, dry=cast(Any, None))
