"""A host whose workers train nothing: they sleep, all in this process, and tell what a worker would."""

from __future__ import annotations

import heapq
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from gan_bench.workers.events import Advanced, Finished, Ready, Started, Want
from gan_bench.workers.hosts.base import Cause, Ending, Handle, Host
from gan_bench.workers.jobs import Job, Setup


class Sleeper(Handle):
    """A worker with one slot."""

    def __init__(self, host: SleepingHost, place: str) -> None:
        super().__init__(place)
        self.host = host
        self.told: deque[Any] = deque([Ready("a kind"), Want()])
        self.ended = False
        host.ready.add(self)

    def send(self, job: Job | None) -> bool:
        if job is None:
            self.ended = True
            self.host.ready.add(self)
        else:
            self.host.train(self, job)
        return True

    def receive(self) -> Sequence[Any]:
        told, self.told = list(self.told), deque()
        if not told and self.ended:
            raise Ending
        if not self.ended:
            self.host.ready.discard(self)
        return told

    def stop(self) -> None:
        self.ended = True
        self.host.ready.add(self)

    kill = stop

    def bury(self) -> Cause:
        self.host.taken[self.place] -= 1
        self.host.ready.discard(self)
        return Cause("exit code 0")


class SleepingHost(Host):
    """So many places, each of one worker, where a run takes so many seconds and tells so often; `finish` makes what it leaves."""

    def __init__(
        self, places: int, seconds: float = 0.0, tells: int = 0, finish: Callable[[Job, Setup], object] | None = None
    ) -> None:
        self.places, self.seconds, self.tells = (
            Counter({f"node-{number}": 1 for number in range(places)}),
            seconds,
            tells,
        )
        self.finish = finish
        self.taken: Counter[str] = Counter()
        self.ready: set[Sleeper] = set()
        self._due: list[tuple[float, int, Sleeper, list[Any]]] = []
        self._number = count()

    def free(self) -> Sequence[str]:
        return list((self.places - self.taken).elements())

    def start(self, place: str, setup: Setup) -> Sleeper:
        self.taken[place] += 1
        self.setup = setup
        return Sleeper(self, place)

    def train(self, sleeper: Sleeper, job: Job) -> None:
        """Tell of a run when its time has come."""
        began, means = time.monotonic(), {"loss_d": 1.0, "loss_g": 1.0}
        if self.finish:
            self.finish(job, self.setup)
        self._tell_at(began, sleeper, [Started(job.run, 0, 0)])
        for part in range(self.tells):
            at = began + self.seconds * (part + 1) / (self.tells + 1)
            self._tell_at(at, sleeper, [Advanced(job.run, part + 1, 32 * (part + 1), means, {})])
        self._tell_at(began + self.seconds, sleeper, [Finished(job.run, images=3200), Want()])

    def _tell_at(self, when: float, sleeper: Sleeper, events: list[Any]) -> None:
        heapq.heappush(self._due, (when, next(self._number), sleeper, events))

    def wait(self, handles: Sequence[Handle], seconds: float) -> Sequence[Handle]:
        if not self.ready and self._due:
            time.sleep(min(seconds, max(0.0, self._due[0][0] - time.monotonic())))
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            _, _, sleeper, events = heapq.heappop(self._due)
            sleeper.told += events
            self.ready.add(sleeper)
        return list(self.ready)
