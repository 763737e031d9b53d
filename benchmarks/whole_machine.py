"""Images a second of the whole machine: gan-bench with a process a core against the usual loop at its best thread count.

python benchmarks/whole_machine.py [CASE]        (a part of a case's name; all without it)

Each figure is the median over rounds in which the contestants take turns, so that a drift of the machine meets all of them.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import sys
import time
from multiprocessing.connection import Connection

import torch
from loops import BATCH, CASES, ours, usual

SECONDS = 4.0  # of each measurement
ROUNDS = 5


def contestant(connection: Connection, case: str, kind: str, threads: int) -> None:
    """A process that trains for a while whenever it is told to, and answers with its number of steps."""
    torch.set_num_threads(threads)
    step, _ = (ours if kind == "ours" else usual)(case)
    for _ in range(3):
        step()
    connection.send(0)
    while (seconds := connection.recv()) is not None:
        steps, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            step()
            steps += 1
        connection.send(steps / (time.perf_counter() - began))


def measure(case: str) -> dict[str, list[float]]:
    """Images a second of each contestant, in each round."""
    cores = len(os.sched_getaffinity(0))
    context = multiprocessing.get_context("spawn")
    teams = {"gan-bench, a process a core": [("ours", 1)] * cores}
    teams |= {f"usual loop, {t} thread{'s' * (t > 1)}": [("usual", t)] for t in sorted({1, cores})}
    connections: dict[str, list[Connection]] = {}
    for team, members in teams.items():
        connections[team] = []
        for kind, threads in members:
            mine, theirs = context.Pipe()
            context.Process(target=contestant, args=(theirs, case, kind, threads), daemon=True).start()
            connections[team].append(mine)
        for connection in connections[team]:
            connection.recv()
    figures: dict[str, list[float]] = {team: [] for team in teams}
    for _ in range(ROUNDS):
        for team, members in connections.items():
            for connection in members:
                connection.send(SECONDS)
            figures[team].append(BATCH * sum(connection.recv() for connection in members))
    for members in connections.values():
        for connection in members:
            connection.send(None)
    return figures


def main() -> None:
    """Print a table for each case."""
    print(
        f"torch {torch.__version__}, {len(os.sched_getaffinity(0))} cores, batch {BATCH}, {ROUNDS} rounds of {SECONDS:.0f} s"
    )
    for case in CASES:
        if len(sys.argv) > 1 and sys.argv[1] not in case:
            continue
        figures = measure(case)
        best = max(statistics.median(rounds) for team, rounds in figures.items() if team.startswith("usual"))
        print(f"\n{case}")
        for team, rounds in figures.items():
            median = statistics.median(rounds)
            print(
                f"  {team:32} {median:8.0f} images/s  ({min(rounds):.0f} to {max(rounds):.0f})  {median / best:.2f} x"
            )


if __name__ == "__main__":
    main()
