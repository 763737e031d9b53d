"""Rounds in which contestants take turns, each in processes of its own, so that a drift of the machine meets all of them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

import torch

from gan_bench.bench.contestants import Advance
from gan_bench.errors import GanBenchError, message, shortened
from gan_bench.workers.processes import apart, worker_context

WARM_UP = 3  # calls before the first turn


@dataclass(frozen=True, eq=False)
class Contestant:
    """A process that trains when it is told to."""

    build: Callable[[], Advance]  # called in the process: it is pickled
    threads: int = 1
    optional: bool = False  # what it takes may be missing here: then the others go on without it


def take_turns(
    teams: Mapping[str, Sequence[Contestant]], seconds: float, rounds: int, tell: Callable[[str], object] = print
) -> dict[str, list[float]]:
    """Images a second of each team in each round. A team's contestants train at the same time; one may be in many teams.

    A team of an optional contestant that failed is left out; `tell` gets a line with the reason. GanBenchError: another
    contestant failed; its process has printed why.
    """
    context = worker_context()
    connections: dict[Contestant, Connection] = {}
    processes = []
    try:
        for contestant in dict.fromkeys(member for team in teams.values() for member in team):
            connections[contestant], theirs = context.Pipe()
            # No daemon: a DataLoader's workers are its children.
            processes.append(context.Process(target=_train_in_turns, args=(theirs, contestant)))
            with apart():
                processes[-1].start()
            theirs.close()
        failed = {one: why for one, connection in connections.items() if (why := _failure(one, connection))}
        for name in [name for name in teams if not failed.keys().isdisjoint(teams[name])]:
            tell(f"{name}: left out ({next(failed[one] for one in teams[name] if one in failed)})")
        teams = {name: team for name, team in teams.items() if failed.keys().isdisjoint(team)}
        speeds: dict[str, list[float]] = {name: [] for name in teams}
        for _ in range(rounds):
            for name, team in teams.items():
                for member in team:
                    connections[member].send(seconds)
                speeds[name].append(sum([_answer(connections[member]) for member in team]))
        return speeds
    finally:
        for connection in connections.values():
            connection.close()  # which ends its process
        for process in processes:
            process.join()


def _failure(contestant: Contestant, connection: Connection) -> str:
    """Why an optional contestant can't compete, once that is known; "" of one that is ready."""
    try:
        why: str = connection.recv()
    except EOFError:
        if not contestant.optional:
            raise GanBenchError("a contestant's process ended before its first turn") from None
        return "its process ended"
    return why


def _answer(connection: Connection) -> float:
    try:
        speed: float = connection.recv()
    except EOFError:
        raise GanBenchError("a contestant's process ended before its turn was over") from None
    return speed


def _train_in_turns(connection: Connection, contestant: Contestant) -> None:
    """A contestant's process: says when it is ready, then answers each number of seconds with its images a second."""
    torch.set_num_threads(contestant.threads)
    try:
        advance = contestant.build()
        for _ in range(WARM_UP):
            advance()
    except Exception as error:
        if not contestant.optional:
            raise
        connection.send(shortened(message(error).splitlines()[0], 200))
        return
    with contextlib.suppress(EOFError, OSError):  # the parent has closed the connection, or is gone
        connection.send("")
        while True:
            seconds, images, began = connection.recv(), 0, _now()
            while time.perf_counter() - began < seconds:
                images += advance()
            connection.send(images / (_now() - began))


def _now() -> float:
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()
