"""Small real trainings that tests share."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.kinds import Architecture, Trick
from gan_bench.api.randomness import Streams
from gan_bench.api.registry import Registry
from gan_bench.api.samples import PreparedData
from gan_bench.data.prepare import prepare
from gan_bench.grid import Cell, Evaluate
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.store.folder import RunFolder
from gan_bench.training.build import build_loop
from gan_bench.training.loop import Loop
from gan_bench.training.training import Slot, Task, Training

ADAM = {"name": "adam", "lr": 2e-3, "betas": (0.5, 0.999), "eps": 1e-8, "weight_decay": 0.0}
CPU = torch.device("cpu")
SLOT = Slot(CPU)


def some_data(shape: tuple[int, ...], batch_size: int) -> Callable[[], Tensor]:
    """Batches of smooth noise in [-1, 1], the same ones every time."""
    batches = torch.tanh(torch.randn(8, batch_size, *shape, generator=torch.Generator().manual_seed(1)))
    return itertools.cycle(batches).__next__


def make_loop(
    architecture: Architecture,
    tricks: Sequence[Trick] = (),
    *,
    shape: tuple[int, ...] = (1, 8, 8),
    batch_size: int = 8,
    seed: int = 0,
    networks: tuple[nn.Module, nn.Module] | None = None,
    precision: str = "fp32",
) -> Loop:
    """A training loop outside any run folder."""
    return build_loop(
        architecture,
        DataSpec(shape, "image" if len(shape) == 3 else "points"),
        Streams(seed, CPU),
        lambda memory: some_data(shape, batch_size),
        tricks=tricks,
        optimizer={"generator": ADAM, "discriminator": ADAM},
        batch_size=batch_size,
        total_steps=100,
        precision=precision,
        networks=networks,
    )


def small_parts() -> tuple[Registry, PreparedData, Evaluator]:
    """A registry, digits of 8x8, and what scores 20 samples of them."""
    registry = Registry.load()
    data = prepare(registry.create("dataset", {"name": "digits", "size": 8}))
    evaluator = Evaluator(data, [registry.create("metric", "fid")], registry.create("features", "random"), 20, CPU)
    return registry, data, evaluator


def open_run(
    cell: Cell,
    steps: Sequence[int],
    folder: Path,
    data: PreparedData,
    evaluator: Evaluator,
    *,
    seed: int = 0,
    slot: Slot = SLOT,
    **evaluate: Any,
) -> Training:
    """A run in its folder, with snapshots after these steps; `evaluate` are further keys of `[evaluate]`."""
    folder.mkdir(exist_ok=True)
    return Training(Task(cell, seed, steps, RunFolder(folder)), data, evaluator, slot, Evaluate(**evaluate))


def finish(training: Training) -> Path:
    """Train a run to its end; returns its folder."""
    for _ in training:
        pass
    training.finish()
    return training.folder.path


def interrupt(training: Training, at: int, *, saved: bool = True) -> None:
    """Train to a step and stop there, saving or, as a killed process, not."""
    for _ in training:
        if training.loop.steps == at:
            break
    if saved:
        training.save()
