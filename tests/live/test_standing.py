"""How far a store's runs have come, and the time left."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime

import pytest
from fake_store import write_store
from filelock import FileLock
from search_store import write_search

from gan_bench.findings.tables import load
from gan_bench.live.standing import standings
from gan_bench.live.tasks import tasks_line
from gan_bench.planning.cost import seconds_left
from gan_bench.store.lock import at_work
from gan_bench.workers.journal import Begun, Journal, Over

NOW = 2_000_000_000.0  # seconds since 1970


def test_the_time_left_goes_by_the_pace_so_far():
    assert seconds_left(1000, 3000, 20.0) == 60.0
    assert seconds_left(1000, 0, 20.0) == 0.0
    assert seconds_left(10, 3000, 20.0) is None  # too early
    assert seconds_left(0, 0, 20.0) is None


@pytest.fixture
def store(tmp_path):
    """Six cells of two seeds, 100 steps each; of the last seed one run has failed and one is unfinished, at step 50."""
    return write_store(tmp_path / "store", seeds=2, snapshots=2, steps=100)


def begin(store, run, ago: float, from_step: int) -> None:
    """Give a run a session that began so many seconds ago."""
    file = store / "runs" / run / "run.json"
    document = json.loads(file.read_text())
    started = datetime.fromtimestamp(NOW - ago, UTC).isoformat(timespec="seconds")
    document["sessions"].append({"from_step": from_step, "started": started})
    file.write_text(json.dumps(document))


def test_runs_are_counted(store):
    unfinished = next(f.name for f in (store / "runs").iterdir() if not (f / "result.json").exists())
    os.utime(store / "grid.json", (NOW - 100,) * 2)
    (standing,) = standings(load(store), NOW, at_work=True)
    runs = len(list((store / "runs").iterdir()))
    assert (standing.finished, standing.failed, standing.training, standing.waiting) == (runs - 2, 1, 0, 1)
    assert (standing.steps, standing.all_steps) == (100 * (runs - 2) + 50, 100 * (runs - 1))
    assert standing.seconds_left is None  # nothing was trained since the command began
    begin(store, unfinished, 90, 25)
    (standing,) = standings(load(store), NOW, at_work=True)
    assert (standing.training, standing.waiting, standing.unfinished) == (1, 0, 1)
    assert standing.seconds_left == pytest.approx(100 / 25 * 50)  # 25 steps in 100 s, and 50 to go
    (standing,) = standings(load(store), NOW, at_work=False)
    assert (standing.training, standing.waiting, standing.seconds_left) == (0, 1, None)


def test_what_earlier_commands_trained_does_not_count(store):
    finished = next(f.parent.name for f in store.glob("runs/*/result.json") if '"finished"' in f.read_text())
    os.utime(store / "grid.json", (NOW - 100,) * 2)
    begin(store, finished, 1000, 0)
    assert standings(load(store), NOW, at_work=True)[0].seconds_left is None
    begin(store, finished, 50, 0)
    assert standings(load(store), NOW, at_work=True)[0].seconds_left == pytest.approx(50.0)


@pytest.mark.parametrize("text", ["yesterday", "", 7, None, "9999-12-31T23:59:59+00:00"])
def test_a_session_without_a_time_is_no_trouble(store, text):
    file = next((store / "runs").iterdir()) / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "sessions": [{"started": text}]}))
    assert standings(load(store), NOW, at_work=True)[0].failed == 1


def test_a_command_at_work_is_seen_and_not_disturbed(store, tmp_path):
    assert not at_work(store)
    assert not (store / ".lock").exists()
    with FileLock(store / ".lock", timeout=0):
        assert at_work(store)
    assert not at_work(store)
    (store / ".lock").unlink(missing_ok=True)
    (store / ".lock").symlink_to(tmp_path)
    assert not at_work(store)


def test_the_second_stage_of_a_search_is_still_to_come(tmp_path):
    store = write_search(tmp_path / "store", draws=5, ended=3, tested=False)
    (standing,) = standings(load(store), NOW, at_work=False)
    assert (standing.finished, standing.failed, standing.waiting) == (4, 2, 4 + 12)  # of each network one failed
    assert standing.all_steps == 100 * (8 + 12)


def test_tasks_of_a_cluster_are_told_as_long_as_they_are_at_work(tmp_path):
    assert tasks_line(tmp_path) == ""
    folder = tmp_path / ".cluster" / "gan-bench-1"
    Journal(folder / "round-9" / "journals", Begun(0, "n9", "7", 1))
    journals = [Journal(folder / "round-10" / "journals", Begun(i, f"n{i}", "7", 1)) for i in range(3)]
    assert tasks_line(tmp_path).startswith("3 tasks at work on n0, n1, n2; ")
    journals[0](Over("all its runs have ended"))
    journals[1](Over("it was stopped"))
    assert tasks_line(tmp_path).startswith("1 task at work on n2; ")
    (folder / "ending.json").touch()
    assert tasks_line(tmp_path) == ""
