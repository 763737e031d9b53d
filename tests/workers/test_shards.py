"""Runs given out to tasks: written as JSON, read back the same, and divided without a word between the tasks."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stores import write_grid

from gan_bench.errors import GanBenchError
from gan_bench.grid import load_grid
from gan_bench.training.dry import dry_pass
from gan_bench.workers.engine import Rules
from gan_bench.workers.jobs import Job, Setup
from gan_bench.workers.shards import Given, Round, shares


@pytest.fixture(scope="module")
def jobs(tmp_path_factory) -> list[Job]:
    grid = load_grid(write_grid(tmp_path_factory.mktemp("grid")))
    return [
        Job(
            run=f"dcgan-{seed}-abc",
            identity="abc",
            settings=cell.settings,
            seed=seed,
            snapshot_steps=(30, 60),
            data="digits-1",
            sources=("x", "y"),
            clear=bool(seed),
            limit=1 / 3,
            dry=dry_pass(cell),
        )
        for cell in grid.cells
        for seed in (0, 2**63 - 1)
    ]


def write(folder: Path, jobs: list[Job], seconds: float = 90.0, **facts) -> tuple[Round, Setup]:
    grid = load_grid(write_grid(folder))
    made = Setup(
        "", Path("/elsewhere"), (), grid.evaluate, slots=None, step_seconds=0.1, half="selection", any_device=True
    )
    given = [Given(job, f"{job.run} é", 7, seconds) for job in jobs]
    round_ = Round(folder / "round-1")
    round_.write(
        given, made, Rules(True, 3), **{"device": "cpu", "workers": 1, "minutes": 1.0, "signal_seconds": 60} | facts
    )
    return Round(round_.folder), made


def test_jobs_setup_and_rules_are_the_same_after_json(tmp_path, jobs):
    round_, made = write(tmp_path, jobs)
    assert [one.job for one in round_.given()] == jobs
    assert [(one.title, one.steps, one.seconds) for one in round_.given()] == [
        (f"{job.run} é", 7, 90.0) for job in jobs
    ]
    assert round_.rules() == Rules(True, 3)
    found = round_.setup(Path("/here"), [Path("/here/p.py")])
    assert found == replace(
        made, store=Path("/here"), plugin_files=(Path("/here/p.py"),), environment=found.environment
    )
    assert (
        len((round_.folder / "cells.jsonl").read_text().splitlines()) == 2
    )  # what is equal for both seeds is there once
    for file in ("cells.jsonl", "jobs.jsonl"):
        assert str(tmp_path) not in (round_.folder / file).read_text()  # no absolute paths


def test_tasks_that_would_have_too_little_get_none(tmp_path, jobs):
    round_, _ = write(tmp_path, jobs)  # 4 runs of 1.5 minutes
    assert [round_.used(tasks) for tasks in (1, 2, 64)] == [1, 2, 4]
    round_, _ = write(tmp_path, jobs, minutes=3.0)
    assert round_.used(64) == 2
    shared = [[one.job.run for one in round_.share(task, 64)] for task in range(64)]
    assert sorted(run for own in shared for run in own) == sorted(job.run for job in jobs)
    assert list(map(len, shared)) == [2, 2, *[0] * 62]
    assert write(tmp_path, jobs, minutes=3.0, workers=2)[0].used(64) == 1


def test_a_round_that_is_not_there(tmp_path):
    with pytest.raises(GanBenchError, match="no runs were given out"):
        Round(tmp_path).used(3)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1e6), max_size=40), st.integers(1, 12))
def test_shares_hold_each_run_once_and_are_about_equally_long(seconds, tasks):
    own = shares(seconds, tasks)
    assert len(own) == tasks
    assert sorted(place for places in own for place in places) == list(range(len(seconds)))
    lengths = [math.fsum(seconds[place] for place in places) for places in own]
    longest = max(seconds, default=0.0)
    assert max(lengths) - min(lengths) <= longest * (1 + 1e-9)
