"""Workers on the nodes of a Ray cluster. This process knows nothing of Ray: another one (`bridge`) is connected to it."""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_bench.errors import GanBenchError
from gan_bench.workers.events import Event, Ready, Want
from gan_bench.workers.hosts.base import Cause, Ending, Handle, Host
from gan_bench.workers.hosts.bridge import no_cluster
from gan_bench.workers.hosts.local import WORKER
from gan_bench.workers.processes import SAFE

if TYPE_CHECKING:
    from gan_bench.workers.hosts.bridge import Asked, Node
    from gan_bench.workers.jobs import Job, Setup

KILLED_SECONDS = 5.0  # after which a worker that was to be killed is given up: nothing of its node may answer any more
LEAVE_SECONDS = 8.0  # that the bridge has to end; a cluster that it started ends with it
# What decides about the bits that a processor computes beside what a run's own settings say: as it is here, set or not.
# The rest of the environment is each node's own, GPUs that are seen above all.
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ATEN_CPU_CAPABILITY", "MKL_CBWR")
OURS = "GAN_BENCH_"


def carried_environment() -> dict[str, str | None]:
    """The part of this process's environment that workers on other machines have too; None: not set."""
    own = {name: value for name, value in os.environ.items() if name.startswith(OURS)}
    return {**{name: os.environ.get(name) for name in THREADS}, **own}


class RayHandle(Handle):
    """A worker on some node, as far as the bridge tells of it."""

    def __init__(self, place: str, number: int, host: RayHost) -> None:
        super().__init__(place)
        self.number, self.host = number, host
        self.told: list[bytes] = []
        self.cause: Cause | None = None  # once it has ended
        self.killed = False

    def send(self, job: Job | None) -> bool:
        """See Handle."""
        if self.cause is None:
            self.host.tell("give", self.number, pickle.dumps(job))
        return self.cause is None

    def receive(self) -> Sequence[Event | Ready | Want]:
        """See Handle."""
        told, self.told = self.told, []
        if not told and self.cause:
            raise Ending
        return [pickle.loads(message) for message in told]

    def stop(self) -> None:
        """See Handle."""
        self.host.tell("stop", self.number)

    def kill(self) -> None:
        """See Handle."""
        if not self.killed:
            self.killed = True
            self.host.tell("kill", self.number)
            self.host.given_up[self] = time.monotonic() + KILLED_SECONDS

    def bury(self) -> Cause:
        """See Handle. What may still work on a node that is lost is kept from its runs by their tokens."""
        self.host.forget(self)
        return self.cause or Cause("it no longer answered", place=True)


class RayHost(Host):
    """A Ray cluster, while this is entered; several executors may use it, one after the other.

    A place is a node, and has one worker for each of its GPUs, or of its processors. `say` is given lines for a person.
    GanBenchError, when it is entered: there is no such cluster, or a node of it can't train.
    """

    patient = True

    def __init__(self, asked: Asked, most: int, log: Path, say: Callable[[str], object]) -> None:
        self.asked, self.most, self.log, self.say_line = asked, most, log, say
        self.nodes: dict[str, Node] = {}
        self._most_places = 0  # of all nodes at a time
        self.given_up: dict[RayHandle, float] = {}  # and when
        self._handles: dict[int, RayHandle] = {}
        self._numbers = 0
        self._refused, self._seen = "", False
        self._process: subprocess.Popen[bytes] | None = None
        self._depth = 0

    def __enter__(self) -> RayHost:
        self._depth += 1
        if self._depth > 1:  # an executor's turn
            return self
        self._connection = self._launch()
        self.tell(self.asked)
        try:
            while not (self._seen or self.lost or self._refused):
                self._hear(1.0)
            if not self._seen:
                raise GanBenchError(self._refused or no_cluster(self.asked.address, f"{self.log} says more"))
        except BaseException:
            self.__exit__()
            raise
        return self

    def _launch(self) -> Connection:
        """Start the bridge."""
        ours, theirs = socket.socketpair()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        code = "import sys; from gan_bench.workers.hosts.bridge import main; main(int(sys.argv[1]))"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", code, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",  # which workers could import modules from
                env={**os.environ, SAFE: "1", "RAY_USAGE_STATS_ENABLED": "0"},
                start_new_session=True,  # Ctrl-C is the executor's affair
            )
        theirs.close()
        return Connection(ours.detach())

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth or self._process is None:
            return
        self.tell("leave")
        self._connection.close()
        if not self._seen:  # it still asks for a cluster, and hears nothing else
            self._process.kill()
        self._bury_bridge()

    def _bury_bridge(self) -> None:
        assert self._process is not None
        try:
            self._process.wait(LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def workers(self) -> int:
        """How many there can be at a time, or could be when there were more nodes, as far as is known."""
        return max(1, min(self.most, self._most_places))

    def free(self) -> Sequence[str]:
        """See Host."""
        taken = Counter(handle.place for handle in self._handles.values())
        return [key for key, node in self.nodes.items() for _ in range(node.places - taken[key])]

    @property
    def room(self) -> float:
        """See Host."""
        return self.most - len(self._handles)

    def mixed(self, place: str) -> bool:
        """See Host. A node's GPUs may differ."""
        return place in self.nodes and self.nodes[place].device != "cpu"

    def start(self, place: str, setup: Setup) -> RayHandle:
        """See Host."""
        node, environment = self.nodes[place], carried_environment()
        own = {name: value for name, value in environment.items() if value is not None}
        slots = 1 if node.device == "cpu" else setup.slots  # there a slot is a process
        setup = replace(setup, device=node.device, slots=slots, plugin_files=node.plugin_files, environment=own)
        return self.begin(place, WORKER, pickle.dumps(setup))

    def begin(self, place: str, entry: str, task: bytes) -> RayHandle:
        """Start a process at a free place, as `hosts.local.begin` does."""
        self._numbers += 1
        handle = self._handles[self._numbers] = RayHandle(place, self._numbers, self)
        self.tell("begin", self._numbers, place, self.nodes[place].device, entry, task)
        return handle

    def wait(self, handles: Sequence[Handle], seconds: float) -> Sequence[Handle]:
        """See Host."""
        own = [handle for handle in handles if isinstance(handle, RayHandle)]
        if not any(handle.told or handle.cause for handle in own):
            self._hear(seconds)
        for handle in [handle for handle, when in self.given_up.items() if time.monotonic() > when]:
            handle.cause = handle.cause or Cause("it no longer answered", place=True)
        return [handle for handle in own if handle.told or handle.cause]

    def forget(self, handle: RayHandle) -> None:
        """It is buried."""
        self._handles.pop(handle.number, None)
        self.given_up.pop(handle, None)

    def tell(self, *message: Any) -> None:
        """Call a method of the bridge. That the bridge is gone is heard."""
        with suppress(OSError):
            self._connection.send(message)

    def _hear(self, seconds: float) -> None:
        """Take in what the bridge says, after so many seconds at most."""
        if self.lost:
            time.sleep(min(seconds, 0.05))
            return
        while not self.lost:
            try:
                if not self._connection.poll(seconds):
                    return
                name, *arguments = self._connection.recv()
            except (EOFError, OSError):
                self._lose()
            else:
                getattr(self, f"_{name}")(*arguments)
                seconds = 0

    # What the bridge says.

    def _see(self, nodes: dict[str, Node]) -> None:
        self.nodes, self._seen = nodes, True
        self._most_places = max(self._most_places, sum(node.places for node in nodes.values()))

    def _say(self, line: str) -> None:
        self.say_line(line)

    def _refuse(self, fault: str) -> None:
        self._refused = fault

    def _told(self, number: int, messages: list[bytes]) -> None:
        if handle := self._handles.get(number):
            handle.told += messages

    def _ended(self, number: int, cause: Cause) -> None:
        if handle := self._handles.get(number):
            handle.cause = handle.cause or cause

    def _lose(self) -> None:
        self._bury_bridge()
        self.lost = (
            "Ray's cluster is gone: its head no longer answers, or the process that is connected to it was ended. "
            f"{self.log} says more."
        )
        self.nodes = {}
        for handle in self._handles.values():
            handle.cause = handle.cause or Cause("the cluster is gone", place=True)
