"""Ctrl-C, SIGTERM and the death of the parent while a run is evaluated, or does not listen: the end comes in seconds."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from stores import assert_equal_stores, command, gan_bench, run_folders, write_grid

from gan_bench.store.folder import RunFolder

SLOW = '''
import multiprocessing, signal, time
from pathlib import Path
from gan_bench import Metric, hookimpl
from gan_bench.workers import executor

if Path("patient").exists():
    executor.GRACE_SECONDS = 600


class Slow(Metric):
    """Takes a minute, once; if a file says so, without listening to signals."""

    name = "slow"

    def label(self, features):
        return "slow"

    def score(self, generated, real):
        if Path("quick").exists() or multiprocessing.parent_process() is None:
            return 1.0
        if Path("deaf").exists():
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        time.sleep(60)
        return 1.0


@hookimpl
def gan_bench_metrics():
    return [Slow]
'''


@pytest.fixture
def evaluating(tmp_path) -> subprocess.Popen[str]:
    """A command one of whose runs is evaluated, for a minute."""
    return start(tmp_path)


def write(folder: Path) -> Path:
    (folder / "slow.py").write_text(SLOW)
    return write_grid(folder, metrics='metrics = ["slow"]', name='name = "toy"\nplugins = ["slow.py"]')


def start(folder: Path, stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
    grid = write(folder)
    process = subprocess.Popen(
        command("run", grid, "--slots", 1, "--out", "stopped"),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not list((folder / "stopped").glob("runs/*/checkpoint.pt")):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.3)  # the checkpoint is written before the evaluation
    return process


def assert_ends_soon(process: subprocess.Popen[str], seconds: float = 15) -> str:
    """That is: far sooner than the evaluation, however busy the machine; a quiet one needs under 5 s."""
    errors = process.communicate(timeout=seconds)[1]
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    return errors


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The store of the same command, uninterrupted."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "quick").touch()
    gan_bench("run", write(folder), "--slots", 1, "--out", "store", cwd=folder)
    return folder / "store"


def assert_goes_on_with_the_same_bits(folder: Path, whole: Path) -> None:
    (folder / "quick").touch()
    gan_bench("run", folder / "grid.toml", "--slots", 1, "--out", "stopped", cwd=folder)
    assert_equal_stores(folder / "stopped", whole)


@pytest.mark.slow
def test_an_evaluation_is_broken_off(tmp_path, evaluating, whole):
    evaluating.send_signal(signal.SIGTERM)
    assert "The same command goes on from here." in assert_ends_soon(evaluating)
    assert_goes_on_with_the_same_bits(tmp_path, whole)


@pytest.mark.slow
def test_the_end_of_the_terminal_stops_as_sigterm_does(tmp_path, whole):
    """Its group gets SIGHUP, from the shell and once more from the kernel; and whatever is written there fails."""
    parent_side, terminal = pty.openpty()
    process = start(tmp_path, stderr=terminal)
    os.close(terminal)
    os.close(parent_side)
    for _ in range(2):
        os.killpg(process.pid, signal.SIGHUP)
    process.communicate(timeout=15)
    assert process.returncode == 130
    (folder,) = (tmp_path / "stopped" / "runs").glob("[!.]*")
    assert torch.load(folder / "checkpoint.pt", weights_only=True)["steps"] == 30  # as it was when it was evaluated
    assert_goes_on_with_the_same_bits(tmp_path, whole)


def test_nohup_keeps_a_command_from_the_end_of_the_terminal(tmp_path):
    """What the caller ignores stays ignored, and all else comes to the handler."""
    code = "import os, signal\nfrom gan_bench.workers.processes import on_stop\nheard = []\n"
    code += "with on_stop(lambda number, _: heard.append(number)):\n"
    code += "    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP): os.kill(os.getpid(), number)\n"
    code += "print(*map(int, heard))\n"
    told = [
        subprocess.run([*before, sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for before in ([], ["nohup"])
    ]
    assert told == ["2 15 1\n", "2 15\n"]


@pytest.mark.slow
def test_who_does_not_listen_is_killed(tmp_path, whole):
    (tmp_path / "deaf").touch()
    process = start(tmp_path)
    process.send_signal(signal.SIGTERM)
    assert_ends_soon(process)
    assert_goes_on_with_the_same_bits(tmp_path, whole)


@pytest.mark.slow
def test_a_second_ctrl_c_stops_at_once(tmp_path, whole):
    (tmp_path / "deaf").touch()
    (tmp_path / "patient").touch()
    process = start(tmp_path)
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)
    process.wait(timeout=40)  # not for the worker, which has a minute
    assert_ends_soon(process)
    assert_goes_on_with_the_same_bits(tmp_path, whole)


@pytest.mark.slow
def test_workers_end_with_their_parent(evaluating):
    evaluating.kill()
    evaluating.communicate()
    deadline = time.monotonic() + 15
    while True:
        try:
            os.killpg(evaluating.pid, 0)
        except ProcessLookupError:
            return
        assert time.monotonic() < deadline, "a worker is still there"
        time.sleep(0.05)


@pytest.mark.slow
def test_what_was_broken_off_is_taken_from_the_checkpoint(tmp_path, evaluating):
    """Of a snapshot that was asked for by its time as well: the run does not train again."""
    evaluating.send_signal(signal.SIGTERM)
    assert_ends_soon(evaluating)
    (tmp_path / "quick").touch()
    done = gan_bench("run", tmp_path / "grid.toml", "--out", "stopped", "--set", "steps=30", cwd=tmp_path)
    assert "from step 30 to 30" in done.stderr


SAVES_SLOWLY = """
import time
from gan_bench import hookimpl
from gan_bench.training.training import Training
from gan_bench.workers import executor

executor.GRACE_SECONDS = 60


def save(self, own=Training.save):
    time.sleep(1)
    own(self)


Training.save = save


@hookimpl
def gan_bench_tricks():
    return []
"""


@pytest.mark.slow
def test_the_end_of_a_job_which_each_of_its_processes_is_told_saves_runs(tmp_path):
    """As Slurm does: also the process that workers are forked from gets SIGTERM, and is not taken for them."""
    (tmp_path / "slowly.py").write_text(SAVES_SLOWLY)
    grid = write_grid(
        tmp_path, name='name = "toy"\nplugins = ["slowly.py"]', steps="steps = 100000", seeds="seeds = [0]"
    )
    process = subprocess.Popen(
        command("run", grid, "--slots", 2, "--out", "stopped"),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until = time.monotonic() + 120
    while len(list((tmp_path / "stopped").glob("runs/*/curves.jsonl"))) < 2:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.05)
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGTERM)
    assert_ends_soon(process, 90)
    assert all(RunFolder(run).read().checkpoint.steps for run in run_folders(tmp_path / "stopped"))
