"""The executor: gives runs to the workers of a host, and keeps going whatever becomes of one of them."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from gan_bench.errors import GanBenchError
from gan_bench.store.folder import RunFolder
from gan_bench.training.watchdog import hung_at
from gan_bench.workers.events import Ended, Event, Failed, Finished, Ready, Returned, Started, Stopped, Want
from gan_bench.workers.hosts.base import Cause, Ending, Handle, Host
from gan_bench.workers.jobs import Job, Setup
from gan_bench.workers.processes import on_stop

GRACE_SECONDS = 4.0  # for workers to save their runs and end
STILLBORN = 3  # workers of a place that may end before they are ready, one after the other
MOST_MOVES = 100  # of a run from a place that is lost to another one, after which it is no accident any more


@dataclass
class Assigned:
    """A worker, and the runs that it has."""

    handle: Handle
    jobs: dict[str, Job] = field(default_factory=dict)  # by run
    wants: int = 0  # runs that it has asked for
    ready: bool = False  # has begun to work


class Executor:
    """Trains jobs on a host's workers; every event of a run goes to the listener, in the caller's thread.

    A run whose worker dies is tried again from its checkpoint `retries` times, for the cause may have been outside of it.
    A place that is lost spends none of them.
    """

    def __init__(
        self,
        setup: Setup,
        host: Host,
        listener: Callable[[Event], None],
        *,
        fail_fast: bool = False,
        retries: int = 1,
    ) -> None:
        self.setup, self.host, self.listener, self.fail_fast = setup, host, listener, fail_fast
        self.retries = retries
        self.stopping = self.interrupted = False
        self._deadline = math.inf  # when workers that are to stop are killed
        self._stillborn: Counter[str] = Counter()  # by place: workers in a row that ended before they were ready
        self._last_cause = ""  # why the last worker ended
        self._workers: list[Assigned] = []

    def run(self, jobs: Sequence[Job]) -> bool:
        """Train the jobs; False if Ctrl-C, SIGTERM or the end of the terminal came before all had ended."""
        waiting = deque(jobs)
        with self._stop_on_signals(), self.host:
            try:
                self._begin(waiting)
                while self._workers or (waiting and self.host.patient and not self.stopping):
                    self._assign(waiting)
                    self._listen(waiting)
                    self._begin(waiting)
                    if time.monotonic() > self._deadline:
                        self._kill()
                if waiting and not self.stopping:
                    raise GanBenchError(f"worker processes end before they are ready to train ({self._last_cause})")
            finally:
                self._kill()  # only after an error of our own is any left
        return not self.interrupted

    def _begin(self, waiting: deque[Job]) -> None:
        """Start workers for runs that wait, as far as there are places."""
        idle = sum(not worker.jobs for worker in self._workers)
        if self.stopping or idle >= len(waiting):
            return
        for place in self.host.free():
            if idle < len(waiting) and self._stillborn[place] <= STILLBORN:
                self._workers.append(Assigned(self.host.start(place, self.setup)))
                idle += 1

    def _assign(self, waiting: deque[Job]) -> None:
        """Give out runs. A worker ends when there are none, and none can come back from another one."""
        for worker in self._workers:
            while worker.wants and waiting and not self.stopping and _may_have(worker, waiting[0]):
                job = waiting.popleft()
                worker.wants -= 1
                if worker.handle.send(job):
                    worker.jobs[job.run] = job
                else:
                    waiting.appendleft(job)
        if self.stopping or not (waiting or any(worker.jobs for worker in self._workers)):
            for worker in self._workers:
                if worker.wants:
                    worker.wants = 0
                    worker.handle.send(None)

    def _listen(self, waiting: deque[Job]) -> None:
        """Take in what workers have to tell, and bury those that have ended."""
        ready = self.host.wait([worker.handle for worker in self._workers], 0.2)
        for worker in [worker for worker in self._workers if worker.handle in ready]:
            try:
                for event in worker.handle.receive():
                    self._take(event, worker, waiting)
            except Ending:
                self._workers.remove(worker)
                self._bury(worker, waiting)

    def _take(self, event: Event | Ready | Want, worker: Assigned, waiting: deque[Job]) -> None:
        """Take in what a worker says."""
        if isinstance(event, Ready):
            worker.ready = True
            del self._stillborn[worker.handle.place]
            return
        if isinstance(event, Want):
            worker.wants += 1
            return
        if isinstance(event, Started):
            worker.jobs[event.run] = replace(worker.jobs[event.run], clear=False)
        elif isinstance(event, Ended):
            job = worker.jobs.pop(event.run)
            if isinstance(event, Returned):
                waiting.appendleft(job)
        self._tell(event)

    def _tell(self, event: Event) -> None:
        self.listener(event)
        if isinstance(event, Failed) and self.fail_fast:
            self.stop()

    def _bury(self, worker: Assigned, waiting: deque[Job]) -> None:
        """A worker has ended. If it did so by itself in the middle of a run, that run is tried again, or has failed.

        Of several runs, any may have ended it: each goes on from its checkpoint by itself, so that only the guilty one fails.
        """
        cause = worker.handle.bury()
        self._last_cause = cause.text
        if not (worker.ready or cause.place or self.stopping):
            self._stillborn[worker.handle.place] += 1
        together = len(worker.jobs) > 1
        for run, job in worker.jobs.items():
            if self.stopping:
                self._tell(Stopped(run))
            elif cause.place and job.moves < MOST_MOVES:
                waiting.appendleft(replace(job, moves=job.moves + 1))
                self._tell(Returned(run, cause.text))
            else:
                self._died(job, cause, together, waiting)

    def _died(self, job: Job, cause: Cause, together: bool, waiting: deque[Job]) -> None:
        """The worker of a run, or of several `together`, has ended in its middle."""
        folder = RunFolder(self.setup.run_path(job.run))
        hung = hung_at(folder.hang_file)
        reason = (
            f"a step took longer than {self.setup.step_seconds:g} s"
            if hung
            else f"the worker process ended ({cause.text})"
        )
        if together or job.deaths < self.retries:
            waiting.append(replace(job, alone=True, deaths=job.deaths + (not together)))
            self._tell(Returned(job.run, reason))
        elif folder.read().finished_steps >= job.snapshot_steps[-1]:
            self._tell(Finished(job.run))  # what ended the process came after it
        else:
            self._tell(Failed(job.run, folder.write_failure(reason, hung)))

    def stop(self, grace: float | None = None) -> None:
        """Let every worker save its runs at the next step and end; those that don't within `grace` seconds are killed."""
        self.stopping = True
        self._deadline = min(self._deadline, time.monotonic() + (GRACE_SECONDS if grace is None else grace))
        for worker in self._workers:
            worker.handle.stop()

    def _kill(self) -> None:
        for worker in self._workers:
            worker.handle.kill()

    @contextmanager
    def _stop_on_signals(self) -> Iterator[None]:
        """Ctrl-C, SIGTERM and the end of the terminal stop cleanly, another of the first two at once: every run goes on from
        its last checkpoint. A terminal that ends may say so several times.

        Handlers exist only in the main thread; elsewhere the caller has its own.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def interrupt(number: int, _: object) -> None:
            if self.interrupted and number in (signal.SIGINT, signal.SIGTERM):
                self._kill()
            self.interrupted = True
            self.stop()

        with on_stop(interrupt):
            yield


def _may_have(worker: Assigned, job: Job) -> bool:
    """Whether a worker may take a run beside those that it has."""
    return not worker.jobs or not (job.alone or any(other.alone for other in worker.jobs.values()))
