"""Workers on this machine: processes, each on a GPU or a CPU core."""

from __future__ import annotations

import importlib
import os
import pickle
import signal
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING

from gan_bench.errors import GanBenchError
from gan_bench.workers.events import ASKED_TO_END, DEVICE_FAULT, Event, Ready, Want
from gan_bench.workers.hosts.base import Cause, Ending, Handle, Host
from gan_bench.workers.processes import apart, has_ended, server, worker_context

if TYPE_CHECKING:
    from gan_bench.workers.jobs import Job, Setup

WORKER = "gan_bench.workers.worker:main"  # what a worker process does
UNKNOWN = 255  # exit code that multiprocessing gives where the server of processes, which would know it, has ended
PAUSES = (0.0, 0.5, 4.0)  # seconds before tries to start a process: a busy system buries a dead server late


class LocalHandle(Handle):
    """A worker process and the pipe to it."""

    def __init__(self, place: str, process: BaseProcess, connection: Connection) -> None:
        super().__init__(place)
        self.process, self.connection = process, connection
        self._server = server()

    def send(self, job: Job | None) -> bool:
        """See Handle."""
        return self.pass_on(pickle.dumps(job))

    def pass_on(self, message: bytes) -> bool:
        """Give it what was pickled, which need not be understood here."""
        try:
            self.connection.send_bytes(message)
        except OSError:
            return False
        return True

    def receive(self) -> Sequence[Event | Ready | Want]:
        """See Handle."""
        return [pickle.loads(message) for message in self.hear()]

    def hear(self) -> Sequence[bytes]:
        """What `receive` returns, pickled. One message, so that none of several talkative workers keeps the others waiting."""
        ended = self.process.exitcode is not None  # before the pipe is looked at, into which it has written its last
        try:
            if self.connection.poll():
                return [self.connection.recv_bytes()]
            if ended:  # a child of a plugin's may hold the pipe open
                raise Ending
            return []
        except (EOFError, OSError) as error:
            raise Ending from error

    def stop(self) -> None:
        """See Handle."""
        self.process.terminate()

    def kill(self) -> None:
        """See Handle."""
        self.process.kill()

    def bury(self) -> Cause:
        """See Handle."""
        self.process.join(1)
        deaf = self.process.exitcode is None
        # It still runs if it is deaf, or if it is the server of processes that has ended.
        if pid := self.process.pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.join()
        self.connection.close()
        code = self.process.exitcode or 0
        if code == UNKNOWN and has_ended(self._server, within=1.0):
            return Cause("what starts worker processes has ended", place=True)
        # Who asked a worker to end, such as a machine that shuts down, meant the place, and not its runs.
        return Cause("it no longer answered" if deaf else exit_cause(code), place=code == ASKED_TO_END and not deaf)


class LocalHost(Host):
    """This machine: a place for each entry of `devices`, such as "cuda:0", or "cpu" for each core."""

    def __init__(self, devices: Sequence[str]) -> None:
        self.devices = devices
        self._taken: list[LocalHandle] = []

    def free(self) -> Sequence[str]:
        """See Host."""
        self._taken = [handle for handle in self._taken if not handle.connection.closed]
        return list((Counter(self.devices) - Counter(handle.place for handle in self._taken)).elements())

    def start(self, place: str, setup: Setup) -> LocalHandle:
        """See Host."""
        self._taken.append(handle := begin(place, WORKER, pickle.dumps(replace(setup, device=place))))
        return handle

    def wait(self, handles: Sequence[Handle], seconds: float) -> Sequence[Handle]:
        """See Host."""
        own = [handle for handle in handles if isinstance(handle, LocalHandle)]
        ready = wait([sign for one in own for sign in (one.connection, one.process.sentinel)], timeout=seconds)
        return [one for one in own if one.connection in ready or one.process.sentinel in ready]


def begin(place: str, entry: str, task: bytes) -> LocalHandle:
    """Start a process, which calls `entry`, "module:function", with a connection to here and what was pickled as `task`.

    The server that forks them may be killed at this very moment: the next try starts another. GanBenchError: none can be started.
    """
    context = worker_context()
    ours, theirs = context.Pipe()
    for pause in PAUSES:
        time.sleep(pause)
        process: BaseProcess = context.Process(target=enter, args=(entry, theirs, task), daemon=True)
        with apart(), suppress(EOFError, ConnectionError):
            process.start()
            theirs.close()
            return LocalHandle(place, process, ours)
    raise GanBenchError(f"no worker process can be started: what starts them ended {len(PAUSES)} times")


def enter(entry: str, connection: Connection, task: bytes) -> None:
    """A process's whole life."""
    module, _, function = entry.partition(":")
    getattr(importlib.import_module(module), function)(connection, pickle.loads(task))


def exit_cause(code: int) -> str:
    """Why a process has ended, in words."""
    if code == DEVICE_FAULT:
        return "its GPU had a fault; output.txt has the traceback"
    if code == ASKED_TO_END:
        return "it was asked to end"
    if code >= 0:
        return f"exit code {code}"
    memory = "; the system may have run out of memory" if code == -signal.SIGKILL else ""
    return f"signal {signal.Signals(-code).name}{memory}"
