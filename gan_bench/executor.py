"""The executor: gives runs to slots, each a worker process, and keeps going whatever becomes of one of them."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from gan_bench.errors import GanBenchError
from gan_bench.forkserver import without_main, worker_context
from gan_bench.store import RunFolder, write_json
from gan_bench.worker import Job, Setup, main

Listener = Callable[[str, dict[str, Any]], None]  # kind of event, its content (always with `run`)


@dataclass
class Slot:
    """A worker process and the job that it has."""

    device: str
    process: BaseProcess
    connection: Connection
    job: Job | None = None
    idle: bool = False  # waits for a job
    ready: bool = False  # has begun to work


class Executor:
    """Trains jobs on slots; every event of a run goes to the listener, in the caller's thread."""

    def __init__(self, setup: Setup, devices: Sequence[str], listener: Listener, *, fail_fast: bool = False) -> None:
        self.setup, self.devices, self.listener, self.fail_fast = setup, devices, listener, fail_fast
        self.stopping = self.interrupted = False
        self._slots: list[Slot] = []
        self._context = worker_context()

    def run(self, jobs: Sequence[Job]) -> bool:
        """Train the jobs; False if Ctrl-C or SIGTERM came before all had ended."""
        waiting = deque(jobs)
        with self._stop_on_signals():
            self._slots = [self._start(device) for device in self.devices[: len(jobs)]]
            try:
                while self._slots:
                    self._assign(waiting)
                    self._listen(waiting)
            finally:
                for slot in self._slots:  # only after an error of our own
                    slot.process.kill()
        return not self.interrupted

    def _start(self, device: str) -> Slot:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=main, args=(theirs, replace(self.setup, device=device)), daemon=True)
        with without_main():
            process.start()
        theirs.close()
        return Slot(device, process, ours)

    def _assign(self, waiting: deque[Job]) -> None:
        for slot in self._slots:
            if slot.idle:
                slot.idle = False
                slot.job = None if self.stopping or not waiting else waiting.popleft()
                slot.connection.send(slot.job)  # None lets the worker end

    def _listen(self, waiting: deque[Job]) -> None:
        """Take in one message from every slot that has one."""
        ready = wait([slot.connection for slot in self._slots], timeout=0.2)
        for slot in [slot for slot in self._slots if slot.connection in ready]:
            try:
                kind, content = slot.connection.recv()
            except (EOFError, OSError):
                self._slots.remove(slot)
                self._bury(slot)
                if waiting and not self.stopping:
                    self._slots.append(self._start(slot.device))
                continue
            if kind == "ready":
                slot.ready = slot.idle = True
                continue
            self.listener(kind, content)
            if kind in ("finished", "failed"):
                slot.job, slot.idle = None, True
                if kind == "failed" and self.fail_fast:
                    self.stop()

    def _bury(self, slot: Slot) -> None:
        """A worker has ended. If it did so by itself in the middle of a run, that run has failed."""
        slot.process.join()
        slot.connection.close()
        code = slot.process.exitcode or 0
        if slot.job is None:
            if not slot.ready and not self.stopping:
                raise GanBenchError(f"a worker process ended before it was ready to train ({exit_cause(code)})")
            return
        if self.stopping and code == 0:
            self.listener("stopped", {"run": slot.job.run})
            return
        reason = f"the worker process ended ({exit_cause(code)})"
        write_json(RunFolder(slot.job.path).result_file, {"status": "failed", "reason": reason, "traceback": None})
        self.listener("failed", {"run": slot.job.run, "reason": reason})
        if self.fail_fast:
            self.stop()

    def stop(self) -> None:
        """Let every worker save its run at the next step and end."""
        self.stopping = True
        for slot in self._slots:
            slot.process.terminate()  # SIGTERM: the worker saves first

    @contextmanager
    def _stop_on_signals(self) -> Iterator[None]:
        """Ctrl-C and SIGTERM stop cleanly. Handlers exist only in the main thread; elsewhere the caller has its own."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def interrupt(*_: object) -> None:
            self.interrupted = True
            self.stop()

        before = {s: signal.signal(s, interrupt) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def exit_cause(code: int) -> str:
    """Why a process has ended, in words."""
    if code >= 0:
        return f"exit code {code}"
    memory = "; the system may have run out of memory" if code == -signal.SIGKILL else ""
    return f"signal {signal.Signals(-code).name}{memory}"


def cpu_slots() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def resolve_devices(devices: str, slots: int | None) -> list[str]:
    """The device of each slot: "auto" takes every GPU, else the CPU; a core is a slot, and a GPU has one unless `slots` says.

    GanBenchError: a device that is not there.
    """
    import torch

    gpus = torch.cuda.device_count()
    if devices == "auto":
        names = [f"cuda:{i}" for i in range(gpus)] or ["cpu"]
    else:
        names = ["cuda:0" if name.strip() == "cuda" else name.strip() for name in devices.split(",")]
    known = ["cpu", *(f"cuda:{i}" for i in range(gpus))]
    for name in names:
        if name not in known:
            raise GanBenchError(f"there is no device {name!r} here, only {', '.join(known)}")
    return [name for name in names for _ in range(slots or (cpu_slots() if name == "cpu" else 1))]
