"""The process that is connected to a Ray cluster. It passes on what workers and their executor say to each other.

Ray ends the process that is connected when the cluster's head is lost, without an exception, and prints to its terminal: so this
is one of its own. Its end says that the cluster is gone; and when its parent is gone, it lets every worker save its runs.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import secrets
import signal
import sys
import threading
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from gan_bench.errors import GanBenchError
from gan_bench.workers.hosts.base import Cause
from gan_bench.workers.hosts.ray_seat import Seat, Terms, probe, sign

if TYPE_CHECKING:
    from pathlib import Path

CONNECT_SECONDS = 60  # after which a cluster that does not answer is none: Ray itself may go on asking for ever
WATCH_SECONDS = 1.0  # between two looks at the cluster's nodes
PROBE_SECONDS = 60.0  # that a node has to answer; and until one that could not be asked is asked again
SEAT_SECONDS = 300.0  # that an actor has to come into being: its core or GPU may be another job's by now
AGAIN_SECONDS = 1.0  # after which an actor that can't be reached is called again: that it is dead is Ray's to say
SAVE_SECONDS = 30.0  # that workers without a parent have
END_SECONDS = 5  # after which nothing is waited for any more, such as an answer of a head that is gone


@dataclass(frozen=True)
class Asked:
    """What the bridge is to do."""

    address: str
    devices: str  # auto, cpu, cuda
    slots: int | None  # the most workers of a node without GPUs
    terms: Terms


@dataclass(frozen=True)
class Node:
    """A node that can train."""

    device: str  # of a worker there, as it sees it
    places: int  # for workers, taken or free
    plugin_files: tuple[Path, ...]  # as the node has them


@dataclass
class Working:
    """A worker that is to run, runs, or has just ended."""

    node: str
    device: str
    seat: Any = None  # its actor, once there is one
    given: int = 0  # messages
    stopping: str = ""  # why it was asked to stop, if not by the executor
    changed: asyncio.Lock = field(default_factory=asyncio.Lock)  # messages reach it in their order


def main(descriptor: int) -> None:
    """The process's whole life."""
    connection = Connection(descriptor)
    asked: Asked
    (asked,) = connection.recv()
    code = 1
    try:
        signal.alarm(CONNECT_SECONDS)
        _connect(asked)
        signal.alarm(0)
        asyncio.run(Bridge(connection, asked).run())
        code = 0
    except GanBenchError as error:
        connection.send(("refuse", str(error)))
    except BaseException:  # noqa: BLE001 - the parent says that there is more in the log
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        import ray

        signal.alarm(END_SECONDS)
        ray.shutdown()
        os._exit(code)


def _connect(asked: Asked) -> None:
    """GanBenchError: there is no such cluster."""
    import ray

    own: dict[str, Any] = {"include_dashboard": False, "num_cpus": asked.slots} if asked.address == "local" else {}
    try:
        ray.init(asked.address, logging_level=logging.ERROR, log_to_driver=False, **own)
    except (ConnectionError, RuntimeError, ValueError) as error:
        traceback.print_exc()
        raise GanBenchError(no_cluster(asked.address, str(error).partition(". ")[0])) from error


def no_cluster(address: str, why: str) -> str:
    """What a person is told where there is none."""
    cure = "Give --address HOST:PORT of one that this machine is a node of, or --address local to start one on this machine"
    return f"no Ray cluster answers at {address!r} ({why}). {cure}"


class Bridge:
    """Between the executor's process and the cluster. What either says are names of the other's methods, with arguments."""

    def __init__(self, connection: Connection, asked: Asked) -> None:
        import ray

        self.connection, self.asked, self.ray = connection, asked, ray
        self.seat_class = ray.remote(num_cpus=1, max_concurrency=8)(Seat)
        self.probe = ray.remote(num_cpus=0, max_retries=0)(probe)
        self.devices = asked.devices  # auto until the first look
        self.workers: dict[int, Working] = {}
        self.idle: dict[str, list[Any]] = defaultdict(list)  # node -> seats that wait for a worker
        self.seats: dict[str, set[Any]] = defaultdict(set)  # node -> all of its seats that have come into being
        self.met: dict[str, tuple[Path, ...]] = {}  # node that can train -> the plugin files as it has them
        self.names: dict[str, str] = {}  # of all nodes that have ever been seen
        self.ask_again: dict[str, float] = {}  # node that was asked -> when to do so again, if it could not be
        self.silent: set[str] = set()  # nodes of which was said that they could not be asked
        self.draining: set[str] = set()
        self.said: dict[str, Node] | None = None  # to the parent
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = asyncio.Event()
        self._orphan = False
        self._to_say: SimpleQueue[tuple[Any, ...]] = SimpleQueue()

    async def run(self) -> None:
        """Until the parent says that it is enough, or has ended. GanBenchError: a node can't train."""
        await self._look(patient=False)
        # The parent may read nothing for minutes, and say much meanwhile: this process must always read.
        threading.Thread(target=self._say_all, daemon=True).start()
        asyncio.get_running_loop().add_reader(self.connection.fileno(), self._read)
        self._begin(self._watch())
        await self._ended.wait()
        if self._orphan:
            for number in list(self.workers):
                self.stop(number)
            deadline = time.monotonic() + SAVE_SECONDS
            while self.workers and time.monotonic() < deadline:
                await asyncio.sleep(0.05)
        signal.alarm(END_SECONDS)

    def _begin(self, what: Coroutine[Any, Any, None]) -> None:
        """Let it go on beside others. An error of our own ends the process."""
        task = asyncio.ensure_future(what)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            traceback.print_exception(error)
            os._exit(1)

    def _read(self) -> None:
        try:
            while not self._ended.is_set() and self.connection.poll():
                name, *arguments = self.connection.recv()
                getattr(self, name)(*arguments)
        except (EOFError, OSError):
            self._orphan = True
            self._ended.set()
        if self._ended.is_set():
            asyncio.get_running_loop().remove_reader(self.connection.fileno())

    def _say(self, *message: Any) -> None:
        self._to_say.put(message)

    def _say_all(self) -> None:
        with suppress(OSError):  # that the parent is gone is read
            while True:
                self.connection.send(self._to_say.get())

    # What the parent asks for.

    def leave(self) -> None:
        """End."""
        self._ended.set()

    def begin(self, number: int, node: str, device: str, entry: str, task: bytes) -> None:
        """Start a worker, as `hosts.local.begin` does."""
        self.workers[number] = Working(node, device)
        self._begin(self._work(number, entry, task))

    def give(self, number: int, message: bytes) -> None:
        """Give it a message."""
        if working := self.workers.get(number):
            index, working.given = working.given, working.given + 1
            self._begin(self._tell(working, "give", number, index, message))

    def stop(self, number: int) -> None:
        """Let it save its runs and end."""
        if working := self.workers.get(number):
            self._begin(self._tell(working, "stop", number))

    def kill(self, number: int) -> None:
        """End it at once."""
        if working := self.workers.get(number):
            self._begin(self._tell(working, "kill", number))

    # Workers.

    async def _work(self, number: int, entry: str, task: bytes) -> None:
        """A worker's whole life."""
        working, heard = self.workers[number], 0
        ending: Cause | None = None
        try:
            async with working.changed:
                working.seat = self._seat(working)
                await asyncio.wait_for(self._call(working.seat.__ray_ready__), SEAT_SECONDS)
                self.seats[working.node].add(working.seat)
                await self._call(working.seat.begin, number, entry, task)
            while ending is None:
                told, ending = await self._call(working.seat.listen, number, heard)
                heard += len(told)
                if told:
                    self._say("told", number, told)
            if working.stopping:
                ending = Cause(working.stopping, place=True)
            self._give_back(working)
        except self.ray.exceptions.RayTaskError as error:  # before RayError, of which it is one
            ending = Cause(str(error.cause))
            self._give_back(working)
        except self.ray.exceptions.RayError as error:
            self.seats[working.node].discard(working.seat)
            ending = await self._loss(working, error)
        except TimeoutError:
            self._let_go(working.node, working.seat)
            ending = Cause(f"it could not begin on its node {self.names[working.node]}", place=True)
        del self.workers[number]
        self._say("ended", number, ending)

    async def _tell(self, working: Working, method: str, *arguments: Any) -> None:
        """Call a method of a worker's seat, after those that were called before. What becomes of the worker is heard."""
        async with working.changed:
            if working.seat is not None:
                with suppress(self.ray.exceptions.RayError):
                    await self._call(getattr(working.seat, method), *arguments)

    async def _call(self, method: Any, *arguments: Any) -> Any:
        while True:
            try:
                return await method.remote(*arguments)
            except self.ray.exceptions.ActorUnavailableError:
                await asyncio.sleep(AGAIN_SECONDS)

    def _seat(self, working: Working) -> Any:
        if self.idle[working.node]:
            return self.idle[working.node].pop()
        gpus = 0 if working.device == "cpu" else 1
        return self.seat_class.options(num_gpus=gpus, scheduling_strategy=self._at(working.node)).remote(
            self.asked.terms
        )

    def _give_back(self, working: Working) -> None:
        """A seat whose worker has ended waits for the next one; on a node that drains, it lets the node go."""
        if working.node in self.draining:
            self._let_go(working.node, working.seat)
        else:
            self.idle[working.node].append(working.seat)

    def _let_go(self, node: str, seat: Any) -> None:
        self.seats[node].discard(seat)
        self.ray.kill(seat)

    async def _loss(self, working: Working, error: Exception) -> Cause:
        """Why an actor is dead."""
        name = self.names[working.node]
        lost = Cause(f"its node {name} was lost", place=True)
        try:
            if "node has died" in str(error) or working.node not in await self._alive():
                return lost
        except (self.ray.exceptions.RayError, RuntimeError):  # the head does not answer
            traceback.print_exc()
            return lost
        if working.stopping:
            return Cause(working.stopping, place=True)
        if isinstance(error, self.ray.exceptions.OutOfMemoryError) or "low on memory" in str(error):
            return Cause(f"Ray ended it, for its node {name} ran out of memory")
        return Cause(f"its actor on node {name} was killed", place=True)

    # Nodes.

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                await self._look()
            except (self.ray.exceptions.RayError, RuntimeError):  # the head does not answer: Ray says when it is lost
                traceback.print_exc()

    def _at(self, node: str) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return NodeAffinitySchedulingStrategy(node, soft=False)

    async def _alive(self) -> dict[str, dict[str, Any]]:
        nodes = await asyncio.to_thread(self.ray.nodes)
        return {node["NodeID"]: node for node in nodes if node["Alive"]}

    async def _look(self, patient: bool = True) -> None:
        """See which nodes there are, probe new ones, stop the workers of those that drain, and say what places there are.

        GanBenchError: a node can't train; only if the others are not to begin without it.
        """
        from ray._private.state import state

        alive = await self._alive()
        self.draining = (await asyncio.to_thread(state.get_draining_nodes)).keys() & alive.keys()
        # What is free was told a moment ago, maybe before ours began: one that has only just come into being may be counted
        # neither here nor there for a while, but never in both.
        seats = {node: len(own) for node, own in self.seats.items()}
        free = await asyncio.to_thread(state.available_resources_per_node)
        self._name(alive)
        if self.devices == "auto":
            self.devices = "cuda" if any(node["Resources"].get("GPU", 0) >= 1 for node in alive.values()) else "cpu"
        room = {key: self._room(node["Resources"]) for key, node in alive.items() if key not in self.draining}
        new = [key for key, most in room.items() if most and self.ask_again.get(key, 0.0) <= time.monotonic()]
        self.ask_again |= dict.fromkeys(new, math.inf)
        if patient:
            for key in new:
                self._begin(self._meet_late(key))
        elif faults := list(filter(None, await asyncio.gather(*map(self._meet, new)))):
            raise GanBenchError("; ".join(faults))
        for number, working in self.workers.items():
            if working.node in self.draining and not working.stopping:
                working.stopping = f"its node {self.names[working.node]} is being drained"
                self.stop(number)
        for key in self.draining:
            for seat in self.idle.pop(key, ()):
                self._let_go(key, seat)
        device = "cpu" if self.devices == "cpu" else "cuda:0"
        nodes = {
            key: Node(device, min(most, self._room(free.get(key, {})) + seats.get(key, 0)), self.met[key])
            for key, most in room.items()
            if key in self.met
        }
        if nodes != self.said:
            self.said = nodes
            self._say("see", nodes)

    def _name(self, alive: dict[str, dict[str, Any]]) -> None:
        """What a person calls the nodes: their machines' names, and where several are on one a piece of their identity."""
        machines = Counter(node["NodeManagerHostname"] for node in alive.values())
        for key, node in alive.items():
            machine = node["NodeManagerHostname"]
            self.names[key] = f"{machine} ({key[:8]})" if machines[machine] > 1 else machine

    def _room(self, resources: Mapping[str, float]) -> int:
        """How many workers these resources are enough for."""
        cpus = int(resources.get("CPU", 0))
        return min(cpus, int(resources.get("GPU", 0)) if self.devices == "cuda" else self.asked.slots or cpus)

    async def _meet(self, key: str) -> str:
        """Probe a node; why it can't train, or "". One that can't be asked now is asked again later."""
        try:
            self.met[key] = await self._probed(key)
        except GanBenchError as error:
            return f"Ray's node {self.names[key]} {error}"
        except (self.ray.exceptions.RayError, OSError) as error:  # among these that there was no answer in time
            traceback.print_exc()
            self.ask_again[key] = time.monotonic() + PROBE_SECONDS
            if key not in self.silent:
                self.silent.add(key)
                why = str(error).partition("\n")[0] or "no answer"
                self._say("say", f"Ray's node {self.names[key]} can't be asked ({why}); that is tried again")
        return ""

    async def _meet_late(self, key: str) -> None:
        if fault := await self._meet(key):
            self._say("say", f"{fault}; it is left out")

    async def _probed(self, key: str) -> tuple[Path, ...]:
        """The plugin files as a node has them. GanBenchError: it can't train."""
        terms, secret = self.asked.terms, secrets.token_hex(8)
        signs = {folder: (sign(folder, secret), sign(folder, secret, key)) for folder in terms.shared}
        try:
            for ours, _ in signs.values():
                try:
                    ours.write_text(secret)
                except OSError as error:
                    raise OSError(f"this machine can't write {ours}: {error.strerror}") from error
            call = self.probe.options(scheduling_strategy=self._at(key)).remote(terms, secret, key)
            files: tuple[Path, ...] = await asyncio.wait_for(_result(call), PROBE_SECONDS)
            for folder, (_, theirs) in signs.items():
                if not theirs.exists():
                    raise GanBenchError(f"has another {folder} than this machine; every node must see the same")
            return files
        except self.ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, GanBenchError):
                raise error.cause from error
            raise GanBenchError(f"can't run gan-bench ({error.cause})") from error
        finally:
            for one in (one for pair in signs.values() for one in pair):
                with suppress(OSError):
                    one.unlink(missing_ok=True)


async def _result(reference: Any) -> Any:
    return await reference
