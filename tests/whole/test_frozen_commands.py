"""Two commands on one store whose locks hold nobody back: one is frozen, the other takes over, and the first one wakes up."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from stores import assert_equal_stores, command, gan_bench, run_folders, write_grid
from victim import KILLER, processes

USELESS = KILLER.with_name("useless_locks.py")
LONG = {"steps": "steps = 120", "snapshots": "snapshots = 4"}
SECONDS = "0.5:3:8:1"  # between beats; silent, dead, busy: a beat may come late on a busy machine


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    gan_bench("run", write_grid(folder, **LONG), "--out", "store", cwd=folder)
    return folder / "store"


def start(folder: Path, *options: object, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command("run", write_grid(folder, **LONG), "--out", "store", "--plugin", USELESS, *options),
        cwd=folder,
        env=os.environ | {"ATTEMPT_SECONDS": SECONDS} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(condition: Callable[[], object], *processes: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 240
    while not condition():
        for process in processes:
            assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def all_frozen(process: subprocess.Popen[str]) -> bool:
    """Whether every process of a command is stopped."""
    states = set()
    for pid in processes(process.pid):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended since
            states.add(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0])
    return "T" in states and states <= {"T", "Z"}


def end(process: subprocess.Popen[str], codes: set[int]) -> str:
    errors = process.communicate(timeout=600)[1]
    assert process.returncode in codes, errors
    assert "Traceback" not in errors
    assert "failed" not in errors.replace("0 failed", "")
    return " ".join(errors.split())


def assert_whole(folder: Path, whole: Path) -> None:
    assert_equal_stores(whole, folder / "store")
    assert not list((folder / "store/runs").glob(".*")), "a token is left"


@pytest.mark.slow
@pytest.mark.parametrize("woken", ["while the other one trains", "when the other one has ended"])
def test_a_frozen_command_wakes_up_and_ends_itself(tmp_path, whole, woken):
    first = start(tmp_path)
    try:
        wait_for(lambda: len(list(tmp_path.glob("store/runs/*/snapshots/step-*"))) >= 2, first)
        os.killpg(first.pid, signal.SIGSTOP)
        before = {run: (run / "run.json").stat().st_mtime_ns for run in run_folders(tmp_path / "store")}
        second = start(tmp_path)
        if woken == "while the other one trains":
            wait_for(lambda: any((run / "run.json").stat().st_mtime_ns > at for run, at in before.items()), second)
        else:
            told = end(second, {0})
            assert "was held on this machine; watching for up to" in told
        os.killpg(first.pid, signal.SIGCONT)
        assert "The same command goes on from here." in end(first, {130})
        end(second, {0})
    finally:
        for process in (first, second):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert_whole(tmp_path, whole)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "count"),
    [("half a line", 5), ("half a file", 8), ("before a rename", 33), ("before clearing", 1)],
)
def test_a_command_frozen_in_the_middle_of_a_write_damages_nothing(tmp_path, whole, point, count):
    clears = point == "before clearing"
    if clears:
        subprocess.run(["cp", "-a", whole, tmp_path / "store"], check=True)
    freeze = {"KILL_AT": f"{point}:{count}:all", "KILL_BY": "SIGSTOP", "KILL_COUNTER": str(tmp_path / "counter")}
    fresh = ["--fresh"] if clears else []
    first = start(tmp_path, "--plugin", KILLER, *fresh, **freeze)
    try:
        wait_for(lambda: all_frozen(first), first)
        end(start(tmp_path), {0})
        assert_equal_stores(whole, tmp_path / "store")
        os.killpg(first.pid, signal.SIGCONT)
        end(first, {130})
    finally:
        if first.poll() is None:
            os.killpg(first.pid, signal.SIGKILL)
    assert_whole(tmp_path, whole)


@pytest.mark.slow
def test_of_two_commands_at_once_each_trains_what_the_other_one_does_not(tmp_path, whole):
    """And none fails a run that the other one trains, however long it has to wait for it."""
    both = [start(tmp_path, "--slots", 1, ALONE="no") for _ in range(2)]
    told = [end(process, {0}) for process in both]
    assert any("it is being trained on this machine; it is looked at again" in one for one in told)
    assert_whole(tmp_path, whole)


@pytest.mark.slow
@pytest.mark.parametrize("who", ["all", "one"])
def test_what_the_dead_have_left_is_taken_over_at_once(tmp_path, whole, who):
    patient = {"ATTEMPT_SECONDS": "5:20:3000:3000"}
    kill = {"KILL_AT": f"half a file:9:{who}", "KILL_COUNTER": str(tmp_path / "counter")}
    first = start(tmp_path, "--plugin", KILLER, **patient, **kill)
    if who == "all":
        first.communicate(timeout=600)
        assert first.returncode == -signal.SIGKILL
        first = start(tmp_path, **patient)
    end(first, {0})
    assert_whole(tmp_path, whole)
