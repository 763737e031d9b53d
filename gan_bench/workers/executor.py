"""The executor: gives runs to worker processes, and keeps going whatever becomes of one of them."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from gan_bench.errors import GanBenchError
from gan_bench.store.folder import RunFolder
from gan_bench.training.watchdog import hung_at
from gan_bench.workers.events import Ended, Event, Failed, Finished, Ready, Returned, Started, Stopped, Want
from gan_bench.workers.jobs import Job, Setup
from gan_bench.workers.processes import apart, on_stop, worker_context
from gan_bench.workers.worker import DEVICE_FAULT, main

GRACE_SECONDS = 4.0  # for workers to save their runs and end
PAUSES = (0.0, 0.5, 4.0)  # seconds before tries to start a process: a busy system buries a dead server late
STILLBORN = 3  # workers of a device that may end before they are ready, one after the other


@dataclass
class Process:
    """A worker process, and the runs that it has."""

    device: str
    process: BaseProcess
    connection: Connection
    jobs: dict[str, Job] = field(default_factory=dict)  # by run
    wants: int = 0  # runs that it has asked for
    ready: bool = False  # has begun to work


class Executor:
    """Trains jobs on worker processes; every event of a run goes to the listener, in the caller's thread.

    A run whose process dies is tried again from its checkpoint `retries` times, for the cause may have been outside of it.
    """

    def __init__(
        self,
        setup: Setup,
        devices: Sequence[str],
        listener: Callable[[Event], None],
        *,
        fail_fast: bool = False,
        retries: int = 1,
    ) -> None:
        self.setup, self.devices, self.listener, self.fail_fast = setup, devices, listener, fail_fast
        self.retries = retries
        self.stopping = self.interrupted = False
        self._deadline = math.inf  # when workers that are to stop are killed
        self._stillborn: Counter[str] = Counter()  # by device: workers in a row that ended before they were ready
        self._last_cause = ""  # why the last process ended
        self._processes: list[Process] = []
        self._context = worker_context()

    def run(self, jobs: Sequence[Job]) -> bool:
        """Train the jobs; False if Ctrl-C, SIGTERM or the end of the terminal came before all had ended."""
        waiting = deque(jobs)
        with self._stop_on_signals():
            self._processes = [self._start(device) for device in self.devices[: len(jobs)]]
            try:
                while self._processes:
                    self._assign(waiting)
                    self._listen(waiting)
                    if time.monotonic() > self._deadline:
                        self._kill()
                if waiting and not self.stopping:
                    raise GanBenchError(f"worker processes end before they are ready to train ({self._last_cause})")
            finally:
                self._kill()  # only after an error of our own is any left
        return not self.interrupted

    def _start(self, device: str) -> Process:
        ours, theirs = self._context.Pipe()
        process = self._forked((theirs, replace(self.setup, device=device)))
        theirs.close()
        return Process(device, process, ours)

    def _forked(self, task: tuple[Connection, Setup]) -> BaseProcess:
        """A process that works. The server that forks them may be killed at this very moment: the next try starts another."""
        for pause in PAUSES:
            time.sleep(pause)
            process: BaseProcess = self._context.Process(target=main, args=task, daemon=True)
            with apart(), suppress(EOFError, ConnectionError):
                process.start()
                return process
        raise GanBenchError(f"no worker process can be started: what starts them ended {len(PAUSES)} times")

    def _assign(self, waiting: deque[Job]) -> None:
        """Give out runs. A process ends when there are none, and none can come back from another process."""
        for process in self._processes:
            while process.wants and waiting and not self.stopping and _may_have(process, waiting[0]):
                job = waiting.popleft()
                process.wants -= 1
                if _sent(process, job):
                    process.jobs[job.run] = job
                else:
                    waiting.appendleft(job)
        if self.stopping or not (waiting or any(process.jobs for process in self._processes)):
            for process in self._processes:
                if process.wants:
                    process.wants = 0
                    _sent(process, None)

    def _listen(self, waiting: deque[Job]) -> None:
        """Take in one message from every process that has one, and bury those that have ended."""
        signs = [sign for process in self._processes for sign in (process.connection, process.process.sentinel)]
        ready = wait(signs, timeout=0.2)
        for process in [p for p in self._processes if p.connection in ready or p.process.sentinel in ready]:
            try:
                # A child of a plugin's may hold the pipe open: then the process's own end is all that tells.
                if process.connection not in ready and not process.connection.poll():
                    raise EOFError
                event = process.connection.recv()
            except (EOFError, OSError):
                self._processes.remove(process)
                self._bury(process, waiting)
                if waiting and not self.stopping and self._stillborn[process.device] <= STILLBORN:
                    self._processes.append(self._start(process.device))
                continue
            self._take(event, process, waiting)

    def _take(self, event: Event | Ready | Want, process: Process, waiting: deque[Job]) -> None:
        """Take in what a process says."""
        if isinstance(event, Ready):
            process.ready = True
            del self._stillborn[process.device]
            return
        if isinstance(event, Want):
            process.wants += 1
            return
        if isinstance(event, Started):
            process.jobs[event.run] = replace(process.jobs[event.run], clear=False)
        elif isinstance(event, Ended):
            job = process.jobs.pop(event.run)
            if isinstance(event, Returned):
                waiting.appendleft(job)
        self._tell(event)

    def _tell(self, event: Event) -> None:
        self.listener(event)
        if isinstance(event, Failed) and self.fail_fast:
            self.stop()

    def _bury(self, process: Process, waiting: deque[Job]) -> None:
        """A worker has ended. If it did so by itself in the middle of a run, that run is tried again, or has failed.

        Of several runs, any may have ended it: each goes on from its checkpoint by itself, so that only the guilty one fails.
        """
        process.process.join(1)
        deaf = process.process.exitcode is None
        # It still runs if it is deaf, or if it is the server of processes that has ended.
        if pid := process.process.pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.process.join()
        process.connection.close()
        cause = "it no longer answered" if deaf else exit_cause(process.process.exitcode or 0)
        self._last_cause = cause
        if not process.ready and not self.stopping:
            self._stillborn[process.device] += 1
        for run, job in process.jobs.items():
            folder, together = RunFolder(job.path), len(process.jobs) > 1
            hung = hung_at(folder.hang_file)
            reason = (
                f"a step took longer than {self.setup.step_seconds:g} s"
                if hung
                else f"the worker process ended ({cause})"
            )
            if self.stopping:
                self._tell(Stopped(run))
            elif together or job.deaths < self.retries:
                waiting.append(replace(job, alone=True, deaths=job.deaths + (not together)))
                self._tell(Returned(run, reason))
            elif folder.read().finished_steps >= job.snapshot_steps[-1]:
                self._tell(Finished(run))  # what ended the process came after it
            else:
                self._tell(Failed(run, folder.write_failure(reason, hung)))

    def stop(self) -> None:
        """Let every worker save its runs at the next step and end; those that don't in time are killed."""
        self.stopping = True
        self._deadline = min(self._deadline, time.monotonic() + GRACE_SECONDS)
        for process in self._processes:
            process.process.terminate()  # SIGTERM: the worker saves first

    def _kill(self) -> None:
        for process in self._processes:
            process.process.kill()

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


def _may_have(process: Process, job: Job) -> bool:
    """Whether a process may take a run beside those that it has."""
    return not process.jobs or not (job.alone or any(other.alone for other in process.jobs.values()))


def _sent(process: Process, job: Job | None) -> bool:
    """Send a run, or None for the end. False: the process is dead, which is heard of in a moment."""
    try:
        process.connection.send(job)
    except OSError:
        return False
    return True


def exit_cause(code: int) -> str:
    """Why a process has ended, in words."""
    if code == DEVICE_FAULT:
        return "its GPU had a fault; output.txt has the traceback"
    if code >= 0:
        return f"exit code {code}"
    memory = "; the system may have run out of memory" if code == -signal.SIGKILL else ""
    return f"signal {signal.Signals(-code).name}{memory}"
