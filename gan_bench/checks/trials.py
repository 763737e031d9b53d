"""Short trainings of a plugin on toys, and how two of them differ."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_bench.api.kinds import Architecture, Trick
from gan_bench.api.randomness import Stream, derive
from gan_bench.canonical import canonical
from gan_bench.checks.toys import Blobs, Flat
from gan_bench.grid import Cell, Evaluate
from gan_bench.grid.optimizer import resolve_optimizer
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.scoring.samples import evaluating
from gan_bench.store.checksums import TIMES
from gan_bench.store.folder import RunFolder
from gan_bench.training.global_state import preserved
from gan_bench.training.training import Slot, Task, Training

CPU = torch.device("cpu")
SLOT, PICTURES = Slot(CPU), Blobs()
BATCH, STEPS, STOPS = (
    8,
    7,
    (2, 5),
)  # samples of a step; G steps of a trial; after which of them it is stopped and goes on
OPTIMIZER = {"name": "adam", "lr": 2e-3, "betas": [0.5, 0.999]}
SAMPLED = 16


@dataclass(frozen=True)
class Trained:
    """What a training has come to."""

    state: dict[str, Any]  # as in a checkpoint
    means: dict[str, float | None]  # of losses, D's outputs and all that is reported
    samples: Tensor  # (N, *shape) of the network that is sampled
    changed: tuple[str, ...]  # what of the process's state was not as before
    seeded: tuple[str, ...]  # random streams that somebody has begun anew from another seed


@dataclass(frozen=True)
class Trial:
    """A plugin's training: an architecture with tricks on blobs."""

    architecture: Architecture
    tricks: tuple[Trick, ...] = ()
    data: Blobs = PICTURES

    @cached_property
    def cell(self) -> Cell:
        """What is trained."""
        settings: dict[str, Any] = {
            "dataset": self.data.settings(),
            "architecture": self.architecture.settings(),
            "tricks": [trick.settings() for trick in self.tricks],
            "optimizer": OPTIMIZER,
            "batch_size": BATCH,
            "precision": "fp32",
        }
        optimizer, label = resolve_optimizer(OPTIMIZER), f"{self.architecture.name} on {self.data.name}"
        parts = self.data, self.architecture, self.tricks
        return Cell(*parts, optimizer, BATCH, "fp32", settings, canonical(settings), label)

    def open(self, folder: Path, total: int = STEPS + 1, slot: Slot = SLOT) -> Training:
        """A run of so many steps, where it stands in its folder."""
        data, evaluate = self.data.prepared(), Evaluate()
        evaluator = Evaluator(data, [], Flat(), SAMPLED, CPU, folder.parent / "features")
        return Training(Task(self.cell, 0, (total,), RunFolder(folder)), data, evaluator, slot, evaluate)

    def train(self, stops: Sequence[int] = (), *, steps: int = STEPS, total: int = STEPS + 1) -> Trained:
        """What so many steps of `total` come to, stopped and gone on with in between."""
        with tempfile.TemporaryDirectory() as place, watched() as changed:
            (Path(place) / "run").mkdir()
            for stop in (*stops, steps):
                training = self.open(Path(place) / "run", total)
                advance(training, stop)
                if stop != steps:
                    sampled(training)  # training does not notice
                    training.save()
            state, samples = training.state_dict(), sampled(training)
        return Trained(state, training.loop.window.means(), samples, tuple(changed), tuple(seeded(training)))

    @cached_property
    def whole(self) -> Trained:
        """Trained without a stop."""
        return self.train()

    @cached_property
    def resumed(self) -> Trained:
        """Stopped twice, and gone on with from the checkpoint by a new object."""
        return self.train(STOPS)

    @cached_property
    def again(self) -> Trained:
        """Trained once more; what comes to the same in two pieces need not be."""
        return self.resumed if not difference(self.resumed.state, self.whole.state) else self.train()


def advance(training: Training, steps: int) -> None:
    """Train up to a step. ValueError: a loss, an output of D or what is reported is no finite number."""
    for _ in training:
        if training.loop.steps >= steps:
            break
    bad = [name for name, mean in training.loop.window.means().items() if mean is not None and not np.isfinite(mean)]
    if bad:
        raise ValueError(f"not a finite number in the first {steps} steps: {', '.join(bad)}")


def sampled(training: Training) -> Tensor:
    """Samples (N, *shape) as a snapshot would take them."""
    recipe = training.recipe
    with recipe.ready_to_sample(), Stream(0, "evaluation", CPU), evaluating(recipe.sampler()) as network:
        samples: Tensor = network(*recipe.draw_inputs(SAMPLED))
        return samples.clone()


def seeded(training: Training) -> Iterator[str]:
    """The streams of a run that do not go on from their own seeds."""
    for purpose, state in training.streams.state_dict().items():
        generator = torch.Generator()
        generator.set_state(state)
        if generator.initial_seed() != derive(training.seed, purpose):
            yield purpose


@contextmanager
def watched() -> Iterator[list[str]]:
    """What is done inside is put back; the list then names what of the process's state it has changed."""
    torch.set_num_threads(1)
    states = torch.get_rng_state(), np.random.get_state()[1], random.getstate()
    with preserved() as changed:
        try:
            yield changed
        finally:
            now = torch.get_rng_state(), np.random.get_state()[1], random.getstate()
            names = "PyTorch's generator", "NumPy's generator", "Python's generator"
            drawn = [name for name, a, b in zip(names, states, now, strict=True) if difference(a, b)]
    changed += drawn


def difference(one: Any, other: Any, place: str = "") -> str:
    """Where two values, timings excepted, are not equal to the last bit, whatever containers and tensors they are made of."""
    if type(one) is not type(other):
        return f"{place} ({type(one).__name__} and {type(other).__name__})"
    if isinstance(one, Tensor):
        alike = one.dtype == other.dtype and one.stride() == other.stride() and torch.equal(one, other)
        return "" if alike else place or "numbers"
    if isinstance(one, np.ndarray):
        return "" if np.array_equal(one, other) else place or "numbers"
    if isinstance(one, dict):
        if one.keys() != other.keys():
            return f"{place} (names {', '.join(map(str, sorted(one.keys() ^ other.keys(), key=str)))})"
        keys = one.keys() - TIMES
        found = (
            difference(one[key], other[key], f"{place}.{key}" if place else str(key)) for key in one if key in keys
        )
        return next(filter(None, found), "")
    if isinstance(one, list | tuple):
        if len(one) != len(other):
            return f"{place} ({len(one)} and {len(other)} of them)"
        found = (difference(a, b, f"{place}[{i}]") for i, (a, b) in enumerate(zip(one, other, strict=True)))
        return next(filter(None, found), "")
    same = one == other or (one != one and other != other)
    return "" if same else f"{place} ({one!r} and {other!r})"
