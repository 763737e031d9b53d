"""What checkpoints take of a run's time: below 3 %, at the interval and at the snapshots of ordinary grids.

pytest benchmarks/test_checkpoint_speed.py -s
"""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import torch

from gan_bench.api.registry import Registry
from gan_bench.data.prepare import prepare
from gan_bench.grid import Evaluate, cell_from_settings
from gan_bench.store.folder import RunFolder
from gan_bench.training.training import CHECKPOINT_SECONDS, Slot, Task, Training

ADAM = {"name": "adam", "lr": 5e-4, "betas": [0.5, 0.999], "eps": 1e-8, "weight_decay": 0.0}
SAVES, STEPS = 9, 20
# Architecture, size of pictures, steps and snapshots of a run. The origin's 1000 epochs of 60,000 pictures are cut to 50.
CASES: dict[str, tuple[dict[str, Any], int, int, int]] = {
    "dcgan 28x28, width 64 (the origin's)": ({"name": "dcgan"}, 28, 50 * 60_000 // 64, 8),
    "dcgan 16x16, width 16 (quickstart)": ({"name": "dcgan", "width": 16, "dropout": 0.0}, 16, 1200, 6),
    "fcgan 16x16 (quickstart)": ({"name": "fcgan"}, 16, 1200, 6),
}


@pytest.mark.parametrize("title", CASES)
def test_checkpoints_take_less_than_three_percent(title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_BENCH_CACHE", str(tmp_path / "cache"))
    architecture, size, length, snapshots = CASES[title]
    settings = {
        "dataset": {"name": "digits", "size": size},
        "architecture": architecture,
        "tricks": [],
        "batch_size": 64,
    }
    settings["optimizer"] = {"generator": ADAM, "discriminator": ADAM}
    registry = Registry.load()
    cell = cell_from_settings(settings, registry)
    data, folder = prepare(registry.create("dataset", settings["dataset"])), RunFolder(tmp_path)
    no_evaluator: Any = None  # no snapshot is reached
    task, slot = Task(cell, 0, (length,), folder), Slot(torch.device("cpu"))
    training = Training(task, data, no_evaluator, slot, Evaluate())
    steps, saves = [], []  # seconds of a step and of a save
    processor: tuple[list[float], list[float]] = ([], [])  # the same, of the processor: other work hardly changes those
    training.loop.step()  # makes the optimisers' moments
    for _ in range(SAVES):
        began, used = time.perf_counter(), time.process_time()
        for _ in range(STEPS):
            training.loop.step()
        trained, between = time.perf_counter(), time.process_time()
        training.save()
        processor[0].append((between - used) / STEPS)
        processor[1].append(time.process_time() - between)
        steps.append((trained - began) / STEPS)
        saves.append(time.perf_counter() - trained)
    save, run = median(saves), median(steps) * length
    at_interval = save / CHECKPOINT_SECONDS
    count = run // CHECKPOINT_SECONDS + snapshots
    of_run, of_processor = save * count / run, median(processor[1]) * count / (median(processor[0]) * length)
    megabytes = folder.checkpoint_file.stat().st_size / 1e6
    print(
        f"\n{title}: {megabytes:.1f} MB in {1000 * save:.0f} ms ({1000 * min(saves):.0f} to {1000 * max(saves):.0f}; "
        f"{1000 * median(processor[1]):.0f} ms of the processor), "
        f"a step {1000 * median(steps):.1f} ms; every {CHECKPOINT_SECONDS:.0f} s {at_interval:.2%}, "
        f"of a run of {length} steps with {snapshots} snapshots {of_run:.2%}, of its processor's time {of_processor:.2%}"
    )
    assert at_interval < 0.03
    assert of_run < 0.03
