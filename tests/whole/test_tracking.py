"""`gan-bench run --track`, killed twice with what tells the trackers, and what their own readers find in the end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from readers import as_mlflow_names, assert_same, of_mlflow, of_store, of_tensorboard, of_wandb
from stores import command, gan_bench, write_grid

STEPS = 3000
TRACKERS = "tensorboard,mlflow,wandb"


@pytest.fixture
def server(tmp_path) -> Iterator[str]:
    """MLflow's server, on this machine alone."""
    pytest.importorskip("mlflow")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    uri = f"http://127.0.0.1:{port}"
    words = [
        "--backend-store-uri",
        f"sqlite:///{tmp_path}/server.db",
        "--artifacts-destination",
        tmp_path / "artifacts",
    ]
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "mlflow",
            "server",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--workers",
            "1",
            *words,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
        env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        start_new_session=True,
    )
    try:
        until(lambda: urllib.request.urlopen(f"{uri}/health").status == 200, 300)
        yield uri
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def until(condition, seconds: float) -> None:
    """Wait until it holds; what raises does not hold yet."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(OSError, ValueError, StopIteration):
            if condition():
                return
        time.sleep(0.05)
    raise AssertionError("it did not come to that")


def told(store: Path) -> int:
    """The furthest step that TensorBoard was told of."""
    files = store.glob(".track/tensorboard-*/[!.]*.json")
    return max((json.loads(file.read_text())["curves"] for file in files), default=0)


def children(parent: int) -> list[int]:
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(file.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(file.parent.name))
    return found


@pytest.mark.slow
def test_nothing_is_repeated_or_lost_where_a_run_and_what_tells_of_it_are_killed(server, tmp_path):
    pytest.importorskip("tensorboard")
    pytest.importorskip("wandb")
    grid = write_grid(tmp_path, steps=f"steps = {STEPS}", snapshots="snapshots = 4")
    store = tmp_path / "runs" / "toy"
    env = os.environ | {"MLFLOW_TRACKING_URI": server}
    for everybody in (True, False):
        before = told(store)
        process = subprocess.Popen(
            command("run", grid, "--track", TRACKERS),
            cwd=tmp_path,
            env=env,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        until(lambda before=before: told(store) > before, 400)
        (teller,) = (
            pid for pid in children(process.pid) if b"commands.track" in Path(f"/proc/{pid}/cmdline").read_bytes()
        )
        os.killpg(process.pid, signal.SIGKILL)
        if everybody:
            os.kill(teller, signal.SIGKILL)  # else it tells the rest of what is there, and ends
        process.communicate()
    assert told(store) < STEPS
    done = subprocess.run(
        command("run", grid, "--track", TRACKERS), cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Warning: the tracker" not in done.stderr
    expected = of_store(store)
    assert set(expected.states.values()) == {"finished"}
    assert_same(of_tensorboard(store), expected)
    assert_same(of_mlflow(server, "toy"), as_mlflow_names(expected))
    assert_same(of_wandb(store), expected.over_steps())


def test_a_tracker_that_can_not_be_had_is_told_before_anything_trains(tmp_path):
    write_grid(tmp_path)
    said = gan_bench("run", "grid.toml", "--track", "tensorbord", cwd=tmp_path, code=2).output
    assert "no tracker is called 'tensorbord'. Did you mean 'tensorboard'?" in said
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "grid.toml", "--track", ","], "names nothing"),
        (
            ["run", "grid.toml", "--track", "x", "--on", "slurm", "--detach"],
            "--track follows a grid that --detach leaves",
        ),
        (["track", "runs", "--with", "tensorboard"], "runs is no store: it holds no grid.json"),
    ],
)
def test_words_that_mean_nothing_are_refused(tmp_path, words, said):
    write_grid(tmp_path)
    (tmp_path / "runs").mkdir()
    assert said in gan_bench(*words, cwd=tmp_path, code=2).output
