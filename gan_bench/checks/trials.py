"""Short trainings of a plugin on toys, and how two of them differ."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_bench.api.faults import place_of
from gan_bench.api.global_state import preserved
from gan_bench.api.kinds import Architecture, Trick
from gan_bench.api.randomness import Stream, Streams, derive
from gan_bench.canonical import canonical
from gan_bench.checks.check import Failed, Skipped
from gan_bench.checks.toys import Blobs, Flat
from gan_bench.grid import Cell, Evaluate
from gan_bench.grid.optimizer import resolve_optimizer
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.scoring.samples import evaluating
from gan_bench.store.checksums import TIMES
from gan_bench.store.folder import RunFolder
from gan_bench.training.build import loop_on
from gan_bench.training.loop import Loop
from gan_bench.training.training import Slot, Task, Training

CPU = torch.device("cpu")
SLOT, PICTURES = Slot(CPU), Blobs()
BATCH, STEPS = 8, 7  # samples of a step; G steps of a trial
STOPS = (2, 5)  # after which it is stopped and goes on
OPTIMIZER = {"name": "adam", "lr": 2e-3, "betas": [0.5, 0.999]}
SAMPLED = 16
CAPTURED = 60  # G steps, in which each kind of block is captured as a CUDA graph


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
        parts = self.data, self.architecture, self.tricks, resolve_optimizer(OPTIMIZER)
        return Cell(*parts, BATCH, "fp32", settings, canonical(settings))

    def loop(self) -> Loop:
        """Its training loop, outside any folder."""
        return loop_on(self.cell, self.data.prepared(), Streams(0, CPU), STEPS + 1)

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

    @property
    def code(self) -> Callable[..., Any]:
        """What is on trial: the last trick's method, else the architecture."""
        return type(self.tricks[-1]).edit if self.tricks else type(self.architecture)

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


def resumes(trial: Trial) -> None:
    """Stopped and gone on with, it ends as it does without a stop."""
    one, other = trial.resumed, trial.whole
    if where := difference(one.state, other.state) or difference(one.samples, other.samples, "what is sampled"):
        cure = "What changes while it trains must be registered, or a parameter or buffer, and drawn from PyTorch's generator"
        raise Failed(place_of(trial.code), f"it does not resume to the same bits: {where} differs. {cure}")


def reproducible(trial: Trial) -> None:
    """Trained again, it ends as before."""
    if where := difference(trial.again.state, trial.whole.state):
        raise Failed(place_of(trial.code), f"trained again from the same seed, it ends otherwise: {where} differs")


def keeps_out(trial: Trial) -> None:
    """The process's settings and generators are afterwards as they were."""
    not_shared(trial.whole.changed, trial.code)


def not_shared(changed: Iterable[str], code: Callable[..., Any]) -> None:
    """Failed: something of the process's state was changed by code."""
    if names := ", ".join(changed):
        raise Failed(place_of(code), f"it changes what all runs of a process share: {names}")


def captured(trial: Trial) -> None:
    """On a GPU its steps are replayed from graphs."""
    if not torch.cuda.is_available():
        raise Skipped("no CUDA device is here")
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "run").mkdir()
        training = trial.open(Path(place) / "run", CAPTURED + 1, Slot(torch.device("cuda:0")))
        advance(training, CAPTURED)
        if reason := training.steps.reason:
            raise Failed(place_of(trial.code), f"its steps can't be captured as a CUDA graph: {reason}")


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
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    with preserved() as changed:
        try:
            yield changed
        finally:
            now = torch.get_rng_state(), np.random.get_state(), random.getstate()
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
            return f"{place} (names {', '.join(sorted(map(str, one.keys() ^ other.keys())))})"
        pairs = [(f"{place}.{key}".lstrip("."), one[key], other[key]) for key in one if key not in TIMES]
    elif isinstance(one, list | tuple):
        if len(one) != len(other):
            return f"{place} ({len(one)} and {len(other)} of them)"
        pairs = [(f"{place}[{i}]", a, b) for i, (a, b) in enumerate(zip(one, other, strict=True))]
    else:
        same = one == other or (one != one and other != other)  # NaN is itself
        return "" if same else f"{place} ({one!r} and {other!r})"
    return next(filter(None, (difference(a, b, where) for where, a, b in pairs)), "")
