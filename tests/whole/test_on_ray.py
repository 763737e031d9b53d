"""The same grids on a real Ray cluster of several nodes, all of whose processes are killed: the bits of a local run."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from stores import assert_equal_stores, command, gan_bench, run_folders

pytest.importorskip("ray", reason="Ray is not installed: pip install 'gan-bench[ray]'")

pytestmark = pytest.mark.slow

# Unlabelled points, through networks of a plugin file that lies beside the grid.
POINTS = """
name = "points"
plugins = ["mine.py"]
dataset = { name = "ring", training = 2000 }
architecture = { name = "mine", width = 16 }
seeds = [0, 1, 2]
steps = 600
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
from torch import nn
from gan_bench import Architecture, Field, hookimpl


class Mine(Architecture):
    """Small perceptrons."""

    name = "mine"
    latent: int = Field(4, ge=1, description="size of z")
    width: int = Field(8, ge=1, description="hidden units")

    def generator(self, data):
        return nn.Sequential(
            nn.Linear(self.latent, self.width), nn.ReLU(), nn.Linear(self.width, data.numel), nn.Unflatten(1, data.shape)
        )

    def discriminator(self, data):
        return nn.Sequential(nn.Flatten(), nn.Linear(data.numel, self.width), nn.LeakyReLU(0.2), nn.Linear(self.width, 1))


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
metrics = ["fid", "class_accuracy"]
[search]
draws = 2
[search.space]
"optimizer.lr" = { log_uniform = [1e-4, 1e-2] }
[[compare]]
title = "Moving averages?"
tricks = [[], ["ema"]]
"""


def write(folder: Path, text: str = POINTS, **replaced: str) -> Path:
    """A grid file, with some of its lines replaced."""
    folder.mkdir(parents=True, exist_ok=True)
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
def whole(tmp_path_factory) -> Path:
    """The store of the points, trained on this machine."""
    folder = tmp_path_factory.mktemp("whole")
    gan_bench("run", write(folder), "--out", "store", cwd=folder)
    return folder / "store"


def start(folder: Path, nodes, *options: object) -> subprocess.Popen[str]:
    """The command, in a process of its own."""
    return subprocess.Popen(
        command("run", folder / "grid.toml", "--out", "store", "--on", "ray", "--address", nodes.address, *options),
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
    return told


def test_a_search_with_labels(nodes, pair, tmp_path, monkeypatch):
    """This process sees no GPU, knows nothing of Ray, and computes no features; the terminal has nothing of Ray's."""
    grid = write(tmp_path, SEARCH)
    gan_bench("run", grid, "--out", "local", cwd=tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("GAN_BENCH_CACHE", str(tmp_path / "cache"))
    before = set(sys.modules)
    done = gan_bench("run", grid, "--out", "store", "--on", "ray", "--address", nodes.address, cwd=tmp_path)
    assert not [name for name in set(sys.modules) - before if name.partition(".")[0] == "ray"]
    assert "raylet" not in done.output
    assert "pid=" not in done.output
    assert "Ray: 2 nodes, 2 workers at a time." in done.output
    assert_equal_stores(tmp_path / "local", tmp_path / "store")
