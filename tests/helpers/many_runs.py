"""A store of many finished runs of a real grid, without the training: one real run, copied under the names of all others.

python tests/helpers/many_runs.py FOLDER CELLS SEEDS [WINDOWS]    writes FOLDER/grid.toml and FOLDER/store
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import zlib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gan_bench.commands.run import Execution, GridWork
from gan_bench.grid import load_grid
from gan_bench.grid.load import Grid
from gan_bench.planning.planned import plan_runs
from gan_bench.planning.runs import Run
from gan_bench.store.checksums import checksum
from gan_bench.store.curves import WINDOW
from gan_bench.store.folder import RunFolder

GRID = """
name = "many"
dataset = {{ name = "digits", size = 8 }}
architecture = {{ name = "fcgan", depth = 1, width = 8, latent = 4 }}
seeds = "0-{last}"
steps = {steps}
batch_size = 16

[evaluate]
snapshots = 2
samples = 100
metrics = ["fid", "precision_recall"]
features = "random"

[[compare]]
title = "Which rate, at which decay?"
"optimizer.lr" = [{rates}]
"optimizer.betas" = [{betas}]
"""
EXECUTION = Execution(devices="cpu", slots=1)


def write_grid(folder: Path, cells: int, seeds: int, windows: int = 200) -> Path:
    """A grid of so many cells (an even number) and seeds, with so many windows of curves."""
    folder.mkdir(parents=True, exist_ok=True)
    rates = ", ".join(f"{(i + 1) * 1e-5:.5f}" for i in range(cells // 2))
    text = GRID.format(last=seeds - 1, steps=windows * WINDOW, rates=rates, betas="[0.0, 0.9], [0.5, 0.9]")
    (folder / "grid.toml").write_text(text)
    return folder / "grid.toml"


def write_many(folder: Path, cells: int, seeds: int, windows: int = 200, *, left: int = 0) -> tuple[Grid, Path]:
    """A store in which all runs of such a grid are finished but the `left` last; returns the grid and the store.

    Equal arguments give equal bytes. Files that no run has of its own (weights, pictures) are links to one inode.
    """
    grid, store = load_grid(write_grid(folder, cells, seeds, windows)), folder / "store"
    work = GridWork(grid, out=store, execution=EXECUTION)
    work.run(only=f"-0-{work.prepared.courses[0].identity(0)[:12]}")
    runs, _ = plan_runs(work.prepared, store)
    first = Template(runs[0])
    for number, run in enumerate(runs[1 : len(runs) - left], 1):
        first.copy(run, number)
    return grid, store


class Template:
    """A finished run, from which others are made."""

    def __init__(self, run: Run) -> None:
        self.run, self.folder = run, run.folder
        self.document = _read(self.folder.run_file)
        self.result = _read(self.folder.result_file)
        steps = self.folder.snapshot_steps()
        self.scores = {step: _read(self.folder.snapshot(step) / "scores.json") for step in steps}

    @cached_property
    def curves(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.folder.curves_file.read_text().splitlines()]

    def copy(self, run: Run, number: int) -> None:
        """Write the folder of another run: its own settings, its own luck in curves and scores."""
        rng, folder = np.random.default_rng(number), RunFolder(run.path)
        quality = 1 + 0.3 * (int(run.cell.key.encode()[-1]) % 3) + 0.002 * (zlib.crc32(run.cell.key.encode()) % 100)
        folder.path.mkdir()
        _write(folder.run_file, self.document | {
            "run": run.name, "identity": run.identity, "seed": run.seed, "settings": json.loads(run.cell.key),
        })  # fmt: skip
        shift = rng.normal(0, 0.05, (len(self.curves), 1))
        lines = []
        for row, own in zip(self.curves, shift, strict=True):
            row = row | {name: row[name] + float(own[0]) for name in ("loss_d", "loss_g")}
            times = {"seconds": row.pop("seconds")}
            row.pop("crc")
            head = json.dumps(row)[:-1]
            lines.append(f"{head}, {json.dumps({'crc': zlib.crc32(head.encode())} | times)[1:]}")
        folder.curves_file.write_text("\n".join(lines) + "\n")
        _link(self.folder.checkpoint_file, folder.checkpoint_file)
        for step, document in self.scores.items():
            luck = quality * float(np.exp(rng.normal(0, 0.1)))
            folder.snapshot(step).mkdir(parents=True)
            for file in self.folder.snapshot(step).iterdir():
                if file.name != "scores.json":
                    _link(file, folder.snapshot(step) / file.name)
            _write(folder.snapshot(step) / "scores.json", document | {
                part: [score | {"value": _lucky(score, luck)} for score in document.get(part, [])]
                for part in ("scores", "again") if part in document
            })  # fmt: skip
        _write(folder.result_file, self.result)


def _lucky(score: dict[str, Any], luck: float) -> float:
    """A share gets better as a distance gets smaller."""
    return min(0.6 / luck, 1.0) if score.get("unit") == "share" else float(score["value"] * luck)


def _link(file: Path, to: Path) -> None:
    try:
        os.link(file, to)
    except OSError:  # the file system has no links, or so many have this inode
        shutil.copy(file, to)


def _read(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text())
    value.pop("checksum")
    return value


def _write(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps({**value, "checksum": checksum(value)}, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    shutil.rmtree(sys.argv[1], ignore_errors=True)
    write_many(Path(sys.argv[1]), *map(int, sys.argv[2:]))
