"""Grids that tests run, and the comparison of two stores bit for bit."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import torch
from click.testing import CliRunner, Result

from gan_bench.checks.trials import difference
from gan_bench.cli import main

GRID = """
name = "toy"
dataset = { name = "digits", size = 8 }
architecture = { name = "dcgan", depth = 1, width = 4, latent = 8 }
seeds = [0]
steps = 60
batch_size = 16

[optimizer]
lr = 1e-3

[evaluate]
snapshots = 2
samples = 64
metrics = ["fid"]
features = "random"

[[compare]]
title = "Which tricks?"
tricks = [[], ["ema", "spectral_norm"]]
"""


def write_grid(folder: Path, text: str = GRID, **replaced: str) -> Path:
    """A grid file with some of its lines replaced: `steps="steps = 10"`."""
    lines = [
        next((new for key, new in replaced.items() if line.startswith(f"{key} =")), line) for line in text.split("\n")
    ]
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "grid.toml"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def command(*arguments: object) -> list[str]:
    """The command line of gan-bench as a process of its own."""
    return [sys.executable, "-c", "from gan_bench.cli import main; main()", *map(str, arguments)]


def gan_bench(*arguments: object, cwd: Path, code: int = 0) -> Result:
    """Run a gan-bench command in this process to its end (its workers are processes) and check its exit code."""
    with contextlib.chdir(cwd):
        done = CliRunner(env={"COLUMNS": "160"}).invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == code, f"exit code {done.exit_code}\n{done.output}\n{done.exception!r}"
    return done


def assert_equal(a: Any, b: Any, place: str = "") -> None:
    """Equal to the last bit, timings excepted, whatever containers and tensors it is made of."""
    assert not (where := difference(a, b, place)), where


def run_folders(store: Path) -> list[Path]:
    """The run folders of a store, by name."""
    return sorted((store / "runs").glob("[!.]*"))


def assert_equal_runs(a: Path, b: Path) -> None:
    """Every tensor, curve, score and picture of two run folders."""
    files, others = (sorted(str(f.relative_to(run)) for f in run.rglob("*") if f.is_file()) for run in (a, b))
    assert files == others, set(files) ^ set(others)
    for file in files:
        one, two = a / file, b / file
        if file.endswith(".pt") and not file.endswith(".damaged.pt"):
            assert_equal(torch.load(one, weights_only=True), torch.load(two, weights_only=True), file)
        elif file.endswith(".json"):
            assert_equal(json.loads(one.read_text()), json.loads(two.read_text()), file)
        elif file.endswith(".jsonl"):
            rows = [[json.loads(line) for line in path.read_text().splitlines()] for path in (one, two)]
            assert_equal(*rows, file)
        else:
            assert one.read_bytes() == two.read_bytes(), file


def assert_equal_stores(a: Path, b: Path) -> None:
    """All runs of two stores."""
    assert [f.name for f in run_folders(a)] == [f.name for f in run_folders(b)]
    for one, two in zip(run_folders(a), run_folders(b), strict=True):
        assert_equal_runs(one, two)
