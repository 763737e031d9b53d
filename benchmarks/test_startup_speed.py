"""What is not training: starting the command, planning large grids, scheduling, opening and closing many tiny runs.

pytest benchmarks/test_startup_speed.py -s
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from sleepers import SleepingHost

from gan_bench.commands import run as engine
from gan_bench.grid import load_grid

GRID = """
name = "tiny"
dataset = {{ name = "gaussians", training = 1000, held_out = 500 }}
architecture = {{ name = "fcgan", depth = 1, width = 16, latent = 4 }}
seeds = "0-{last}"
steps = 50
batch_size = 64

[evaluate]
snapshots = 1
samples = 100
features = "random"

[[compare]]
title = "Which rate?"
"optimizer.lr" = [{rates}]
"""
COMMAND = "from gan_bench.cli import main; main()"


def write(folder: Path, cells: int, seeds: int) -> Path:
    """A grid of so many runs on points in the plane."""
    file = folder / "grid.toml"
    file.write_text(GRID.format(last=seeds - 1, rates=", ".join(f"{(i + 1) * 1e-5:.5f}" for i in range(cells))))
    return file


def processor_seconds(folder: Path, code: str, *arguments: object) -> float:
    """Processor seconds of a Python process and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], check=True, cwd=folder, stdout=subprocess.DEVNULL
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def test_help(benchmark, tmp_path):
    benchmark.pedantic(processor_seconds, args=(tmp_path, COMMAND, "--help"), rounds=10, warmup_rounds=2)
    assert benchmark.stats.stats.median < 0.15


def test_planning_grows_with_the_runs_and_no_faster(tmp_path):
    torch = min(processor_seconds(tmp_path, "import torch") for _ in range(3))
    seconds = {}
    for cells, seeds in ((10, 1), (10, 100), (100, 100), (1000, 10)):
        grid = write(tmp_path, cells, seeds)
        seconds[cells, seeds] = min(processor_seconds(tmp_path, COMMAND, "plan", "--no-pilot", grid) for _ in range(3))
        beyond = seconds[cells, seeds] - torch
        print(f"\n{cells} cells x {seeds} seeds: {beyond:.2f} s beyond torch's {torch:.2f} s", end="")
    few, some, many = (seconds[size] - torch for size in ((10, 1), (10, 100), (100, 100)))
    assert many < 3
    assert seconds[1000, 10] - torch < 3
    assert many - few < 1.5 * 10 * max(some - few, 0.05)  # ten times the runs, ten times the time; 50 ms are noise


def finish(run: Path, seed: int) -> None:
    snapshot = run / "snapshots" / "step-00000050"
    snapshot.mkdir(parents=True)
    row = {"step": 50, "d_steps": 50, "images": 3200, "seconds": 0.1, "loss_d": 1.0, "loss_g": 1.0}
    score = {"metric": "fid", "label": "FD", "value": 1.0 + seed, "protocol_id": "0"}
    (snapshot / "scores.json").write_text(json.dumps({**row, "scores": [score]}))
    (run / "curves.jsonl").write_text(json.dumps(row) + "\n")
    (run / "run.json").write_text(json.dumps({"seed": seed, "settings": {}}))
    (run / "result.json").write_text(json.dumps({"status": "finished", **row, "steps": 50}))


def test_the_parents_share_grows_with_the_runs_and_no_faster(tmp_path, monkeypatch):
    """All that the command's own process does but the report: expanding, scheduling, telling, tables."""
    monkeypatch.setenv("GAN_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        "gan_bench.workers.engine.LocalHost",
        lambda devices: SleepingHost(2, finish=lambda job, setup: finish(setup.run_path(job.run), job.seed)),
    )
    monkeypatch.setattr("gan_bench_reports.page.write_report", lambda stores, output: "")
    seconds = {}
    for runs in (10, 10, 100, 1000, 10_000):  # the first also decodes the data
        grid = load_grid(write(tmp_path, 10, runs // 10))
        began = time.process_time()
        out, execution = tmp_path / f"{runs}-{time.monotonic_ns()}", engine.Execution(devices="cpu", slots=2)
        engine.run_grid(grid, out=out, execution=execution)
        seconds[runs] = time.process_time() - began
    before, last = (seconds[1000] - seconds[10]) / 990, (seconds[10_000] - seconds[1000]) / 9000
    print(f"\n{seconds}; a run up to 1000: {before * 1000:.1f} ms, from there to 10,000: {last * 1000:.1f} ms")
    assert last < 2 * before
    assert last < 0.01 * 10  # 1 % of a run of 10 s


@pytest.mark.parametrize("seeds", [2, 20])
def test_a_tiny_run_costs_little_beside_its_training(tmp_path, seeds):
    began = time.perf_counter()
    processor_seconds(tmp_path, COMMAND, "run", write(tmp_path, 10, seeds), "--devices", "cpu")
    wall = time.perf_counter() - began
    runs = pd.read_csv(tmp_path / "runs" / "tiny" / "results.csv")
    parts = runs[["evaluation_seconds", "checkpoints_seconds", "waiting_seconds"]].median() * 1000
    training = runs["seconds"].median() * 1000
    print(f"\n{len(runs)} runs in {wall:.0f} s; of each, ms: {parts.round(1).to_dict()}, training {training:.0f}")
    assert parts.sum() < 20
