"""What it costs to give runs out, at up to 1,000 nodes and 100,000 runs: workers that sleep stand for those that train.

pytest benchmarks/test_scheduling.py -s    seven minutes

The executor, what it tells a person and what it adds up are the real ones, as are the files that an array of tasks divides.
"""

from __future__ import annotations

import io
import time
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from sleepers import SleepingHost

from gan_bench.grid import Evaluate, load_grid
from gan_bench.training.dry import dry_pass
from gan_bench.workers.engine import Rules
from gan_bench.workers.events import Event, Finished
from gan_bench.workers.executor import Executor
from gan_bench.workers.jobs import Job, Setup
from gan_bench.workers.progress import Display, Shown
from gan_bench.workers.shards import Given, Round
from gan_bench.workers.speed import Speed

GRID = """
name = "scheduling"
dataset = { name = "digits", size = 32 }
architecture = { name = "dcgan", depth = 2, width = 8 }
seeds = [0, 1]
steps = 10_000

[[compare]]
title = "Average?"
tricks = [[], ["r1"], ["ema"], ["r1", "ema"]]
"""
TELLS = 4  # times that a run tells how far it is


@pytest.fixture(scope="module")
def jobs(tmp_path_factory) -> list[Job]:
    """Of a grid of 100,000 runs."""
    file = tmp_path_factory.mktemp("grid") / "grid.toml"
    file.write_text(GRID)
    cells = load_grid(file).cells
    some = [
        Job("", "f" * 64, cell.settings, 0, (5000, 10_000), "digits-0", ("0" * 64,), False, 1e4, dry_pass(cell))
        for cell in cells
    ]
    return [replace(some[n % len(some)], run=f"dcgan-{n}-0123456789ab", seed=n) for n in range(100_000)]


def setup(store: Path) -> Setup:
    """Of workers that train nothing."""
    (store / "runs").mkdir()
    return Setup(device="cpu", store=store, plugin_files=(), evaluate=Evaluate())


@pytest.mark.parametrize(
    ("nodes", "runs", "seconds"),
    [
        (1, 100, 0.2),
        (2, 200, 0.2),
        (4, 400, 0.2),
        (64, 6_400, 0.5),
        (1_000, 10_000, 5.0),
        (1_000, 100_000, 2.0),
        (1_000, 100_000, 0.0),
    ],
)
def test_giving_runs_out(tmp_path, jobs, nodes, runs, seconds):
    given, ended = jobs[:runs], 0
    display = Display([Shown(job.run, job.run, 10_000, 0) for job in given], None, Console(file=io.StringIO()))
    speed = Speed(nodes, {job.run: job.limit for job in given})

    def listen(event: Event) -> None:
        nonlocal ended
        ended += isinstance(event, Finished)
        speed(event)
        display(event)

    wall, processor = time.perf_counter(), time.process_time()
    with display:
        assert Executor(setup(tmp_path), SleepingHost(nodes, seconds, TELLS), listen).run(given)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    ideal = runs / nodes * seconds
    a_run = f"{processor / runs * 1e3:.2f} ms of processor time a run"
    print(f"\n{nodes:,} nodes, {runs:,} runs of {seconds:g} s: {wall:.1f} s, at best {ideal:.1f} s; {a_run}", end="")
    assert ended == runs
    if seconds:
        assert wall < 1.15 * ideal + 1.0


def test_dividing_runs_among_tasks(tmp_path, jobs):
    """Every task of an array reads the whole list, and finds its own share alone."""
    tasks, round_ = 1_000, Round(tmp_path / "round-1")
    given = [Given(job, job.run, 0, 60.0 + job.seed % 7) for job in jobs]
    began = time.process_time()
    round_.write(given, setup(tmp_path), Rules(), device="cpu", workers=1, minutes=0.1, signal_seconds=120)
    written, began = time.process_time() - began, time.process_time()
    share = round_.share(17, tasks)
    read, size = time.process_time() - began, (round_.folder / "jobs.jsonl").stat().st_size / 1e6
    print(
        f"\n{len(jobs):,} runs: {size:.0f} MB, written in {written:.1f} s; the share of a task in {read:.1f} s", end=""
    )
    assert len(share) == len(jobs) / tasks
    assert read < 5
