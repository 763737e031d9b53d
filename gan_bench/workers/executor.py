"""The executor: gives runs to the workers of a host, and keeps going whatever becomes of one of them."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from gan_bench.errors import GanBenchError
from gan_bench.files import checked
from gan_bench.store.attempt import Attempt, Lost, new_name, revoke, token
from gan_bench.store.folder import RunFolder
from gan_bench.training.watchdog import hung_at
from gan_bench.workers.events import (
    Busy,
    Ended,
    Event,
    Failed,
    Finished,
    Foreign,
    Ready,
    Returned,
    Started,
    Stopped,
    Want,
)
from gan_bench.workers.hosts.base import Cause, Ending, Handle, Host
from gan_bench.workers.jobs import Job, Setup
from gan_bench.workers.processes import on_stop

GRACE_SECONDS = 4.0  # for workers to save their runs and end
STILLBORN = 3  # workers of a place that may end before they are ready, one after the other
BUSY_SECONDS = 10.0  # until a run that another process trains is looked at again
LATE_SECONDS = 60.0  # after which a worker that is not ready is not counted on any more
MOST_MOVES = 100  # of a run from a place that is lost to another one, after which it is no accident any more


@dataclass(eq=False)
class Assigned:
    """A worker, and the runs that it has."""

    handle: Handle
    jobs: dict[str, Job] = field(default_factory=dict)  # by run
    wants: int = 0  # runs that it has asked for
    ready: bool = False  # has begun to work
    kind: str = ""  # of its device, once it is ready
    since: float = field(default_factory=time.monotonic)

    @property
    def late(self) -> bool:
        """Whether it has been starting for so long that it may never be ready."""
        return not self.ready and time.monotonic() - self.since > LATE_SECONDS


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
        self.grace: float | None = None  # in place of GRACE_SECONDS
        self._deadline = math.inf  # when workers that are to stop are killed
        self._stillborn: Counter[str] = Counter()  # by place: workers in a row that ended before they were ready
        self._last_cause = ""  # why the last worker ended
        self._workers: list[Assigned] = []
        self._due: dict[str, float] = {}  # by run that another process trains: when it is given out again
        self._begun: dict[str, str] = {}  # by run: the kind of device that it goes on on alone
        self._kinds: defaultdict[str, set[str]] = defaultdict(set)  # by place: those of its devices that are known

    def run(self, jobs: Sequence[Job]) -> bool:
        """Train the jobs; False if Ctrl-C, SIGTERM, the end of the terminal or the loss of the host came before all had ended."""
        waiting = deque(jobs)
        with self._stop_on_signals(), self.host:
            try:
                self._begin(waiting)
                while self._workers or (waiting and not self.stopping and self._may_begin()):
                    self._assign(waiting)
                    self._listen(waiting)
                    self.interrupted |= bool(self.host.lost)
                    if self.interrupted and not self.stopping:
                        self.stop()
                    self._give_up(waiting)
                    self._begin(waiting)
                    if time.monotonic() > self._deadline:
                        self._kill()
                if waiting and not self.stopping:
                    raise GanBenchError(f"worker processes end before they are ready to train ({self._last_cause})")
            finally:
                self._kill()  # only after an error of our own is any left
        return not self.interrupted

    def _begin(self, waiting: deque[Job]) -> None:
        """Start workers for runs that wait, as far as there are places, and room for workers."""
        idle = sum(not (worker.jobs or worker.late) and self._of_use(worker, waiting) for worker in self._workers)
        if self.stopping or idle >= len(waiting):
            return
        for place in self.host.free():
            if idle >= len(waiting) or self.host.room <= 0:
                return
            if self._worth_a_try(place, waiting):
                self._workers.append(Assigned(self.host.start(place, self.setup)))
                idle += 1

    def _may_begin(self) -> bool:
        """Whether a worker may be started yet: at a place where not too many were stillborn, or at one that is still to come."""
        free = self.host.free()
        return any(self._stillborn[place] <= STILLBORN for place in free) or (self.host.patient and not free)

    def _assign(self, waiting: deque[Job]) -> None:
        """Give out runs. A worker ends when there are none, and none can come back from another one."""
        for worker in self._workers:
            while worker.wants and not self.stopping and (job := self._next(worker, waiting)):
                waiting.remove(job)
                worker.wants -= 1
                job = replace(job, attempt=new_name())
                if worker.handle.send(job):
                    worker.jobs[job.run] = job
                else:
                    waiting.appendleft(job)
        nothing_left = self.stopping or not (waiting or any(worker.jobs for worker in self._workers))
        for worker in self._workers:
            if worker.wants and (nothing_left or self._in_the_way(worker, waiting)):
                worker.wants = 0
                worker.handle.send(None)
            elif nothing_left and not (worker.ready or self.stopping):
                worker.handle.kill()  # it may never be ready, and has nothing to save

    def _next(self, worker: Assigned, waiting: deque[Job]) -> Job | None:
        """The next run for a worker."""
        now = time.monotonic()
        due = (job for job in waiting if self._due.get(job.run, 0.0) <= now and self._fits(worker, job))
        job = next(due, None)
        return job if job and _may_have(worker, job) else None

    def _fits(self, worker: Assigned, job: Job) -> bool:
        """Whether a run may go on on a worker, as far as is known."""
        begun = self._begun.get(job.run)
        return not begun or not worker.kind or begun == worker.kind

    def _of_use(self, worker: Assigned, waiting: deque[Job]) -> bool:
        return any(self._fits(worker, job) for job in waiting)

    def _in_the_way(self, worker: Assigned, waiting: deque[Job]) -> bool:
        """Whether a worker can have none of the runs that wait, and another one could that there is no room for."""
        return not (worker.jobs or self.host.room > 0 or self._of_use(worker, waiting)) and any(
            self._worth_a_try(place, waiting) for place in self.host.free() if place != worker.handle.place
        )

    def _worth_a_try(self, place: str, waiting: deque[Job]) -> bool:
        """Whether a worker that is started at a free place may have any of the runs that wait, as far as is known."""
        if self._stillborn[place] > STILLBORN:
            return False
        known = self._kinds[place]
        if not known or any(self._begun.get(job.run) in (None, *known) for job in waiting):
            return True
        # The devices that are known have their workers; another one may be of another kind.
        return self.host.mixed(place) and any(worker.handle.place == place for worker in self._workers)

    def _give_up(self, waiting: deque[Job]) -> None:
        """Runs that can't go on at any place that there is, and nothing else is left: they stay as they are."""
        if self.stopping or not waiting or not self._begun or any(worker.jobs for worker in self._workers):
            return
        free = {place for place in self.host.free() if self._stillborn[place] <= STILLBORN}
        if any(self._worth_a_try(place, waiting) for place in free):
            return
        if any(self._of_use(worker, waiting) for worker in self._workers) or not (free or self._workers):
            return
        kinds = {kind for place in free for kind in self._kinds[place]} | {worker.kind for worker in self._workers}
        here = " and ".join(sorted(kinds))
        while waiting and not self.stopping:
            job = waiting.popleft()
            why = f"it was begun on {self._begun[job.run]}, and goes on only there, to the same bits; here is {here}. "
            self._tell(Failed(job.run, f"{why}--any-device goes on all the same, --fresh begins again"))

    def _listen(self, waiting: deque[Job]) -> None:
        """Take in what workers have to tell, and bury those that have ended."""
        ready = set(self.host.wait([worker.handle for worker in self._workers], 0.2))
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
            worker.ready, worker.kind = True, event.kind
            self._kinds[worker.handle.place].add(event.kind)
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
                self._take_back(job, event, waiting)
                return
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
        waited_in_vain = cause.place and worker.late  # for room there: that is no broken place
        if not (worker.ready or waited_in_vain or self.stopping):
            self._stillborn[worker.handle.place] += 1
        together = len(worker.jobs) > 1
        for run, job in worker.jobs.items():
            if not self.host.lost:  # else nobody goes on here, and there may be thousands
                with suppress(OSError):  # whoever goes on finds out by itself
                    revoke(token(self.setup.run_path(run)), job.attempt)
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
        hung, finished_steps = None, 0
        with suppress(OSError):  # of the disk: it is only not known then
            hung = hung_at(folder.hang_file)
            finished_steps = folder.read().finished_steps
        reason = (
            f"a step took longer than {self.setup.step_seconds:g} s"
            if hung
            else f"the worker process ended ({cause.text})"
        )
        if together or job.deaths < self.retries:
            waiting.append(replace(job, alone=True, deaths=job.deaths + (not together)))
            self._tell(Returned(job.run, reason))
        elif finished_steps >= job.snapshot_steps[-1]:
            self._tell(Finished(job.run))  # what ended the process came after it
        else:
            self._fail(job, folder, reason, hung, waiting)

    def _fail(self, job: Job, folder: RunFolder, reason: str, traceback: str | None, waiting: deque[Job]) -> None:
        """Write that a run has failed, unless another process has taken it over."""
        try:
            with Attempt(token(folder.path), new_name()) as attempt, checked(attempt.check):
                reason = folder.write_failure(reason, traceback)
                attempt.check()
        except (FileExistsError, Lost):
            self._take_back(job, Busy(job.run, "another process has taken it over"), waiting)
        except OSError as error:
            self._tell(Failed(job.run, f"{reason} (which could not be recorded: {error})"))
        else:
            self._tell(Failed(job.run, reason))

    def _take_back(self, job: Job, event: Returned, waiting: deque[Job]) -> None:
        """A run that is given out again."""
        if isinstance(event, Busy):
            self._due[job.run] = time.monotonic() + BUSY_SECONDS
            waiting.append(job)
        else:
            waiting.appendleft(job)
        if isinstance(event, Foreign):
            self._begun[job.run] = event.begun
        self._tell(event)

    def stop(self) -> None:
        """Let every worker save its runs at the next step and end; those that don't in time are killed."""
        self.stopping = True
        self._deadline = min(self._deadline, time.monotonic() + (self.grace or GRACE_SECONDS))
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

        def interrupt(number: int, _: object) -> None:  # maybe in the middle of a message: `run` does the rest
            if self.interrupted and number in (signal.SIGINT, signal.SIGTERM):
                self._deadline = -math.inf
            self.interrupted = True

        with on_stop(interrupt):
            yield


def _may_have(worker: Assigned, job: Job) -> bool:
    """Whether a worker may take a run beside those that it has."""
    return not worker.jobs or not (job.alone or any(other.alone for other in worker.jobs.values()))
