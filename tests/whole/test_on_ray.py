"""The same grids on a real Ray cluster of several nodes, all of whose processes are killed: the bits of a local run."""

from __future__ import annotations

import importlib.util
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from stores import assert_equal_runs, assert_equal_stores, command, gan_bench, run_folders

from gan_bench.store.attempt import read

MISSING = importlib.util.find_spec("ray") is None

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(MISSING, reason="Ray is not installed: pip install 'gan-bench[ray]'"),
]

# Unlabelled points, through networks of a plugin file that lies beside the grid.
POINTS = """
name = "points"
plugins = ["mine.py"]
dataset = { name = "ring", training = 2000 }
architecture = { name = "mine", width = 16 }
seeds = [0, 1, 2]
steps = 300
batch_size = 32
[evaluate]
metrics = ["fid"]
features = "pixels"
samples = 300
snapshots = 3
[[compare]]
title = "Penalties"
tricks = [[], ["r1"]]
"""
MINE = '''
import os, signal, time
from pathlib import Path

from torch import nn
from gan_bench import Architecture, Field, hookimpl


class Pace(nn.Module):
    """As the data are; slowly, while a file says so, and never again if another says so of such networks."""

    def __init__(self, deadly):
        super().__init__()
        self.deadly = deadly

    def forward(self, samples):
        if self.deadly and Path("deadly").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        if Path("slow").exists():
            time.sleep(0.02)
        return samples.flatten(1)


class Mine(Architecture):
    """Small perceptrons."""

    name = "mine"
    latent: int = Field(4, ge=1, description="size of z")
    width: int = Field(8, ge=1, description="hidden units")
    deadly: bool = Field(False, description="whether they may end their process")

    def generator(self, data):
        return nn.Sequential(
            nn.Linear(self.latent, self.width), nn.ReLU(), nn.Linear(self.width, data.numel), nn.Unflatten(1, data.shape)
        )

    def discriminator(self, data):
        return nn.Sequential(Pace(self.deadly), nn.Linear(data.numel, self.width), nn.LeakyReLU(0.2), nn.Linear(self.width, 1))


@hookimpl
def gan_bench_architectures():
    return [Mine]
'''
# Labels that networks take, in a search of two stages, by a classifier that one node trains.
SEARCH = """
name = "search"
dataset = { name = "digits", size = 8 }
architecture = { name = "dcgan", depth = 1, width = 4, latent = 8, conditional = "projection" }
seeds = [0]
steps = 30
batch_size = 16
[evaluate]
snapshots = 2
samples = 64
metrics = ["fid"]
features = { name = "classifier", steps = 30 }
[search]
draws = 2
[search.space]
"optimizer.lr" = { log_uniform = [1e-4, 1e-2] }
[[compare]]
title = "Moving averages?"
tricks = [[], ["ema"]]
"""


def write(folder: Path, text: str, **replaced: str) -> Path:
    """A grid file, with some of its lines replaced, and the plugin file."""
    (folder / "mine.py").write_text(MINE)
    lines = text.split("\n")
    for key, new in replaced.items():
        lines = [new if line.startswith(f"{key} =") else line for line in lines]
    (folder / "grid.toml").write_text("\n".join(lines))
    return folder / "grid.toml"


@pytest.fixture(scope="module")
def nodes():
    from ray_nodes import Nodes

    nodes = Nodes()
    try:
        yield nodes
    finally:
        nodes.end()


@pytest.fixture(scope="module")
def pair(nodes):
    """Two nodes of one core; a test that loses one starts another."""
    return [nodes.join(), nodes.join()]


@pytest.fixture(scope="module")
def grid(tmp_path_factory) -> Path:
    """The points' grid file."""
    return write(tmp_path_factory.mktemp("code"), POINTS)


@pytest.fixture(scope="module")
def whole(grid) -> Path:
    """Their store, trained on this machine."""
    gan_bench("run", grid, "--out", "whole", cwd=grid.parent)
    return grid.parent / "whole"


def start(grid: Path, folder: Path, nodes) -> subprocess.Popen[str]:
    """The command, in a process of its own."""
    return subprocess.Popen(
        command("run", grid, "--allow-plugins", "--out", "store", "--on", "ray", "--address", nodes.address),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(process: subprocess.Popen[str], code: int = 0) -> str:
    """What it has told, when it has ended."""
    told = process.communicate(timeout=600)[1]
    assert process.returncode == code, told
    assert "Traceback" not in told
    return " ".join(told.split())  # lines are broken where the terminal ends


def at_work(folder: Path) -> dict[str, object]:
    """By run that is trained: the process that does so."""
    tokens = {token.name: read(token) for token in (folder / "store" / "runs").glob(".*.attempt")}
    return {name: found["process"] for name, found in tokens.items() if found}


def train(folder: Path, nodes, node) -> bool:
    """Whether a worker of a node trains a run."""
    return not set(nodes.workers(node)).isdisjoint(at_work(folder).values())


def test_a_search_with_labels(nodes, pair, tmp_path, monkeypatch):
    """This process sees no GPU, knows nothing of Ray, and computes no features; the terminal has nothing of Ray's."""
    grid = write(tmp_path, SEARCH)
    gan_bench("run", grid, "--out", "local", cwd=tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("GAN_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("gan_bench.data.embedding.Embedding.extract", None)
    before = set(sys.modules)
    done = gan_bench("run", grid, "--out", "store", "--on", "ray", "--address", nodes.address, cwd=tmp_path)
    assert not [name for name in set(sys.modules) - before if name.partition(".")[0] == "ray"]
    assert "raylet" not in done.output
    assert "pid=" not in done.output
    assert "Ray: 2 nodes, 2 workers at a time." in done.output
    assert_equal_stores(tmp_path / "local", tmp_path / "store")


def test_nodes_are_lost_drained_and_join(nodes, pair, grid, whole, tmp_path):
    """A worker, an actor and a raylet are killed, at random instants; nodes join, one drains, one is frozen until its runs
    have been given to others, and wakes up: no run fails.
    """
    from ray_nodes import eventually, kill

    (tmp_path / "slow").touch()
    chance = random.Random(0)
    process = start(grid, tmp_path, nodes)
    try:
        first, second = pair
        for pids in (nodes.workers, nodes.actors):
            eventually(lambda: train(tmp_path, nodes, first))
            time.sleep(chance.uniform(0, 1))
            assert kill(pids(first))
        third = nodes.join()
        eventually(lambda: train(tmp_path, nodes, second))
        nodes.drain(second)
        eventually(lambda: train(tmp_path, nodes, third))
        eventually(lambda: not nodes.actors(second))
        eventually(lambda: train(tmp_path, nodes, first))
        time.sleep(chance.uniform(0, 1))
        nodes.lose(first)
        fourth = nodes.join()
        eventually(lambda: train(tmp_path, nodes, third))
        frozen = nodes.freeze(third)
        its_runs = [name for name, process in at_work(tmp_path).items() if process in frozen]
        fifth = nodes.join()
        eventually(lambda: all(at_work(tmp_path).get(run, frozen[0]) not in frozen for run in its_runs))
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
        pair[:] = [fourth, fifth]
    finally:
        (tmp_path / "slow").unlink()
        told = ended(process)
    for why in ("(signal SIGKILL; the system may have run out of memory)", "killed", "being drained", "lost"):
        assert f"{why}; it is tried again from its checkpoint" in told
    assert_equal_stores(whole, tmp_path / "store")


def test_the_command_is_killed_and_stopped(nodes, pair, grid, whole, tmp_path):
    """Its workers save their runs and end. The same command goes on, and after Ctrl-C this machine does the rest."""
    from ray_nodes import eventually

    (tmp_path / "slow").touch()
    for stop in (signal.SIGKILL, signal.SIGINT):
        process = start(grid, tmp_path, nodes)
        eventually(lambda: all(train(tmp_path, nodes, node) for node in pair))
        process.send_signal(stop)
        told = ended(process, 130 if stop == signal.SIGINT else -stop)
        eventually(lambda: not any(nodes.actors(node) for node in pair))
    assert re.search("from step [1-9]", told)
    assert "Stopped. The same command goes on from here." in told
    (tmp_path / "slow").unlink()
    gan_bench("run", grid, "--allow-plugins", "--out", "store", cwd=tmp_path)
    assert_equal_stores(whole, tmp_path / "store")


def test_lost_places_fail_no_run_and_a_crash_does(nodes, pair, tmp_path):
    """Ten places are lost, with one try more for a run: it is not spent. Networks that kill their process have two."""
    from ray_nodes import eventually, kill

    grid = write(tmp_path, POINTS, seeds="seeds = [0]", tricks='"architecture.deadly" = [false, true]')
    gan_bench("run", grid, "--out", "local", cwd=tmp_path)
    (tmp_path / "slow").touch()
    process = start(grid, tmp_path, nodes)
    try:
        for _ in range(5):
            for node in pair:
                eventually(lambda node=node: train(tmp_path, nodes, node))
                assert kill(nodes.actors(node))
        for node in pair:
            eventually(lambda node=node: train(tmp_path, nodes, node))
        (tmp_path / "deadly").touch()
    finally:
        (tmp_path / "slow").unlink()
        told = ended(process, 1)
    assert told.count(" was killed; it is tried again from its checkpoint") == 10
    assert told.count("(signal SIGKILL; the system may have run out of memory)") == 2
    assert "1 of 2 runs failed" in told
    (good,) = [run for run in run_folders(tmp_path / "store") if "finished" in (run / "result.json").read_text()]
    assert_equal_runs(tmp_path / "local" / "runs" / good.name, good)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root's rights")
def test_private_disks_and_plugins_are_refused(nodes, pair, tmp_path):
    """Of a node whose disk is its own the name is told, before anything is trained."""
    from ray_nodes import eventually

    for name in ("disk", "code"):
        (tmp_path / name).mkdir()
    grid = write(tmp_path / "code", POINTS)
    joins = f"{sys.executable} -m ray.scripts.scripts start --address {nodes.address} --num-cpus 1 --block"
    other = f"mount -t tmpfs none {tmp_path}/disk; mount -t tmpfs none {tmp_path}/code; echo '# mine' > {grid.parent}/mine.py"
    with (tmp_path / "log").open("w") as log:
        node = subprocess.Popen(
            ["unshare", "-m", "sh", "-c", f"{other}; {joins}"], stdout=log, stderr=log, start_new_session=True
        )
    try:
        eventually(lambda: "Ray runtime started" in (tmp_path / "log").read_text())
        for store, fault in (
            ("shared", f"the plugin file {grid.parent}/mine.py on "),
            ("disk/store", f"does not see {tmp_path}/disk/store/.cluster, or can't write there"),
        ):
            options = ["--allow-plugins", "--out", store, "--on", "ray", "--address", nodes.address]
            done = gan_bench("run", grid, *options, cwd=tmp_path, code=2)
            assert f"Error: Ray's node {os.uname().nodename} (" in done.stderr
            assert fault in done.stderr
            assert not run_folders(tmp_path / store)
    finally:
        os.killpg(node.pid, signal.SIGTERM)
        node.wait()


def test_the_head_is_lost(nodes, pair, grid, whole, tmp_path):
    """The command ends with tables and a message, and this machine does the rest. (It is the cluster's last test.)"""
    from ray_nodes import eventually

    (tmp_path / "slow").touch()
    process = start(grid, tmp_path, nodes)
    eventually(lambda: any(run.joinpath("checkpoint.pt").exists() for run in run_folders(tmp_path / "store")))
    nodes.kill_head()
    told = ended(process, 130)
    assert "Ray's cluster is gone: its head no longer answers" in told
    assert "Stopped. The same command goes on from here." in told
    assert (tmp_path / "store" / "results.csv").exists()
    assert (tmp_path / "store" / "report.html").exists()
    (tmp_path / "slow").unlink()
    gan_bench("run", grid, "--allow-plugins", "--out", "store", cwd=tmp_path)
    assert_equal_stores(whole, tmp_path / "store")
