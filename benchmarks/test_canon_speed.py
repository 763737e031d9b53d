"""Every loss, penalty, augmentation and architecture of the canon against a hand-written loop with the same trick, in fp32.

pytest benchmarks/test_canon_speed.py -s
pytest benchmarks/test_canon_speed.py -s -k "R1 or LeCam"

Contestants take turns: the hand-written loop at each number of threads, and gan-bench on all cores. The table has medians over
rounds, and the ratio to the loop at its best. `gan-bench bench --case canon` measures in other precisions and on a GPU as well.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from gan_bench.bench.cases import Case, canon
from gan_bench.bench.rounds import take_turns
from gan_bench.bench.teams import cpu_teams

BATCH, SECONDS, ROUNDS = 64, 1.0, 3


@pytest.fixture(scope="module")
def table() -> Iterator[Callable[[str], None]]:
    """Prints a row."""
    print("\n| case | hand-written, images/s | gan-bench | ratio |\n|---|---|---|---|")
    yield partial(print, flush=True)
    print(f"load average {os.getloadavg()[0]:.1f}")


@pytest.mark.parametrize("case", canon(), ids=lambda case: case.title)
def test_case(benchmark, table, case: Case) -> None:
    benchmark.group = "canon"
    fp32 = [team for team in cpu_teams(case, BATCH) if team.precision == "fp32"]
    hand = [team for team in fp32 if team.usual]
    ours = fp32[-1]  # a process a core
    teams = {team.name: team.members for team in (*hand, ours)}
    speeds = benchmark.pedantic(take_turns, (teams, SECONDS, ROUNDS), rounds=1)
    medians = {name: statistics.median(own) for name, own in speeds.items()}
    best = max(medians[team.name] for team in hand)
    benchmark.extra_info |= {"images_per_second": medians, "ratio": medians[ours.name] / best}
    table(f"| {case.title} | {best:,.0f} | {medians[ours.name]:,.0f} | {medians[ours.name] / best:.2f} x |")
