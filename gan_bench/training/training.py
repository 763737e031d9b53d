"""Training one run in its folder: step by step, with curves, snapshots and checkpoints."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import torch

from gan_bench.api.faults import cause
from gan_bench.api.global_state import tf32_products
from gan_bench.api.randomness import Streams
from gan_bench.errors import shortened
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.store.curves import WINDOW, read_windows
from gan_bench.store.documents import FileFault, write_object
from gan_bench.store.folder import RunFolder
from gan_bench.training.build import loop_on
from gan_bench.training.curve_writer import CurveWriter, Diverged
from gan_bench.training.diagnosis import Diagnosis, Record, as_json, diagnose, hopeless
from gan_bench.training.meters import Clock, PeakMemory
from gan_bench.training.optimizers import load_optimizer
from gan_bench.training.snapshots import draw_samples, drop_weights, unscored, write_snapshot
from gan_bench.training.steps import BLOCK, CudaCapture, Steps
from gan_bench.training.suspects import told
from gan_bench.training.watchdog import time_limit

if TYPE_CHECKING:
    from gan_bench.api.samples import PreparedData
    from gan_bench.grid import Cell, Evaluate

CHECKUP_STEPS = 20 * WINDOW  # G steps between two checkups, which diagnose the run, at first
CHECKPOINT_SECONDS = 60.0  # of training between two checkpoints


class Hopeless(Exception):
    """A diagnosis has held for so long that the run is not to go on."""


@dataclass(frozen=True)
class Task:
    """What is trained: a cell from one seed, in a folder of its own."""

    cell: Cell
    seed: int
    snapshot_steps: Sequence[int]  # G steps after which a snapshot is taken; training ends with the last
    folder: RunFolder


@dataclass(frozen=True)
class Slot:
    """Where it is trained. Nothing here changes what is computed."""

    device: torch.device
    stream: torch.cuda.Stream | None = None  # None: a new one, on a GPU
    graphs: bool = True  # on a GPU
    peak_rate: float | None = None  # images a second at the device's peak, if it is known
    step_seconds: float | None = None  # that a step may take before its process is ended


class Training:
    """A run on one device. `for event in training: ...` trains it to its end, a block of steps an iteration.

    Several of them may be advanced in turn in one process, each under its own `turn()`: each has its own random streams
    and, on a GPU, its own stream of work, so that none notices the others.
    """

    def __init__(self, task: Task, data: PreparedData, evaluator: Evaluator, slot: Slot, evaluate: Evaluate) -> None:
        self.task, self.slot, self.evaluate, self.evaluator = task, slot, evaluate, evaluator
        self.cell, self.seed, self.folder, self.device = task.cell, task.seed, task.folder, slot.device
        self.batch_size, self.latent = task.cell.batch_size, task.cell.architecture.latent
        self.snapshot_steps, self.total_steps = set(task.snapshot_steps), max(task.snapshot_steps)
        self.clock, self.memory = Clock(), PeakMemory(self.device)
        self.stream = slot.stream or torch.cuda.Stream(self.device) if self.device.type == "cuda" else None
        self._saved_at = 0.0
        self.saved_step = 0  # that the checkpoint stands at
        self.interruptible = False  # whether what is being done may be broken off: it changes nothing of the run
        self.diagnoses: list[Diagnosis] = []  # at the latest checkup
        self.warnings: list[FileFault | str] = []  # that nobody has been told yet
        self._unscored: set[str] = set()  # labels of scores of which it was said that they have no value
        with self.turn():
            self.streams = Streams(self.seed, self.device)
            self.loop = loop_on(self.cell, data, self.streams, self.total_steps)
            self.recipe = self.loop.recipe
            self.log_odds = self.recipe.loss.log_odds  # asked once: a trick may take the loss away while it trains
            self.steps = Steps(self.loop, CudaCapture(self.loop, self.stream) if self.stream and slot.graphs else None)
            self.batches = self.steps.batches
            self.curves = CurveWriter(self.folder, self.loop.window, late=self.stream is not None)
            state = self.folder.read()
            # What result.json says of a run that needs no more training.
            self.ended = state.finished if state.finished_steps >= self.total_steps else None
            if self.ended:
                # Its networks are not the trained ones: nothing of them may be saved or sampled.
                self.loop.steps = self.saved_step = state.finished_steps
                self.loop.d_steps = self.ended.d_steps or 0
                self._row_is_missing = False
                self.curves.rows = read_windows(self.folder.curves_file)
                return
            self.folder.forget_result()  # before anything of what it tells of changes
            saved, faults = self.folder.load_checkpoint(self.name)
            if saved is not None:
                self.load_state_dict(saved)
            ends = self.loop.steps >= self.total_steps
            kept, cut = self.curves.cut(self.loop.steps - (0 if ends else self.loop.steps % WINDOW))
            self.warnings += [*faults, *cut]
            self._row_is_missing = self.loop.steps == self.total_steps and 0 <= kept < self.loop.steps

    def turn(self) -> AbstractContextManager[None]:
        """What all of the run's work happens under: on a GPU, its own stream."""
        return nullcontext() if self.stream is None else torch.cuda.stream(self.stream)

    def __iter__(self) -> Iterator[str]:
        """Train to the end; yields what was just done: "step", "window" or "snapshot"."""
        self.clock.start()
        if self.ended:
            return
        if self._row_is_missing and self.loop.steps % WINDOW:
            self.curves.end_window(self.counters())
        if self.loop.steps in self.snapshot_steps and not self.folder.snapshot(self.loop.steps).exists():
            self._take_snapshot()  # it was broken off
            yield "snapshot"
        self._check_up()
        while self.loop.steps < self.total_steps:
            now = self.loop.steps
            window_ends = min(now - now % WINDOW + WINDOW, self.total_steps)
            next_snapshot = min(step for step in self.snapshot_steps if step > now)
            most, seconds = 1 if self.steps.reason else BLOCK, self.slot.step_seconds
            limit = time_limit(seconds and most * seconds, self.folder.hang_file)
            with self.turn(), tf32_products(self.cell.precision == "tf32"), limit:
                self.steps.advance(min(window_ends, next_snapshot) - now)
            if self.loop.steps == window_ends:
                with self.turn():
                    self.curves.end_window(self.counters())
            if self.loop.steps == next_snapshot:
                self.save()  # first, so that nothing is lost if the snapshot, which may take long, is broken off
                yield "step"
                self._take_snapshot()
                yield "snapshot"
            elif self.clock.training - self._saved_at > CHECKPOINT_SECONDS:
                self.save()
            if self._is_checkup():
                self._check_up()
            yield "window" if self.loop.steps == window_ends else "step"

    def save(self) -> None:
        """Write the checkpoint, unless it stands here already."""
        self.curves.settle()
        if self.loop.steps == self.saved_step:
            return
        with self.clock.running("checkpoints"), self.turn():
            self.folder.save_checkpoint(self.state_dict())
        self._saved_at, self.saved_step = self.clock.training, self.loop.steps

    @property
    def name(self) -> str:
        """What tells its checkpoints from those of other runs."""
        return f"seed {self.seed} of {self.cell.key}"

    def state_dict(self) -> dict[str, Any]:
        """All that changes during training, and of which run it is."""
        return {
            "of": self.name,
            "steps": self.loop.steps,
            "d_steps": self.loop.d_steps,
            "seconds": self.clock.seconds(),
            "snapshots": [step for step in self.folder.snapshot_steps() if step < self.loop.steps],
            "generator": self.recipe.generator.state_dict(),
            "discriminator": self.recipe.discriminator.state_dict(),
            "g_optimizer": self.loop.g_optimizer.state_dict(),
            "d_optimizer": self.loop.d_optimizer.state_dict(),
            "recipe": self.recipe.state_dict(),
            "streams": self.streams.state_dict(),
            "data": self.batches.state_dict(),
            "window": self.loop.window.state_dict(),
        }

    def finish(self) -> None:
        """Write result.json: the run is finished. Drops weights of snapshots that are not to be kept."""
        drop_weights(self.folder, self.evaluate.keep)
        snapshots = len(self.folder.snapshot_steps())
        for label, count in unscored(self.folder).items():
            if count > 1 or label not in self._unscored:
                self.warnings.append(f"{label} has no value at {count} of {snapshots} snapshots")
        if self.ended:
            # Its health too, for it may have been scored by another metric since.
            write_object(
                self.folder.result_file, self.ended.as_json() | as_json(self.record()) | self.folder.kept_files()
            )
            return
        self.folder.drop_previous_checkpoint()
        result = {"status": "finished", "reason": None, "traceback": None, **self.counters(), **as_json(self.record())}
        write_object(self.folder.result_file, result | ending(self) | self.folder.kept_files())

    def counters(self) -> dict[str, Any]:
        """How far training has come."""
        return {
            "steps": self.loop.steps,
            "d_steps": self.loop.d_steps,
            "images": self.loop.d_steps * self.batch_size,
            "seconds": self.clock.training,
        }

    def record(self) -> Record:
        """What diagnoses are made from: windows that have been written, and snapshots, up to where the run stands."""
        steps = [step for step in self.folder.snapshot_steps() if step <= self.loop.steps]
        shots = [{"step": step, "scores": [], **self.folder.scores(step).as_json()} for step in steps]
        return Record(self.curves.rows, shots, self.log_odds)

    def _is_checkup(self) -> bool:
        """Whether a run, interrupted or not, is diagnosed where it stands."""
        step = self.loop.steps
        return step in self.snapshot_steps or step % checkup_every(step) == 0

    def _check_up(self) -> None:
        """Bring the diagnoses up to date. Hopeless: one ends the run, whose checkpoint stands here then."""
        self.curves.settle()
        self.diagnoses = diagnose(self.record())
        length = self.evaluate.stop_hopeless
        may_end = length and self._is_checkup() and self.loop.steps < self.total_steps
        if may_end and (found := hopeless(self.diagnoses, self.loop.steps, length)):
            self.save()
            self.folder.drop_previous_checkpoint()
            raise Hopeless(f"hopeless: {found.name} since step {found.step}: {found.evidence}")

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.loop.steps, self.loop.d_steps = state["steps"], state["d_steps"]
        self.clock = Clock(state["seconds"])
        self._saved_at, self.saved_step = self.clock.training, self.loop.steps
        self.recipe.generator.load_state_dict(state["generator"])
        self.recipe.discriminator.load_state_dict(state["discriminator"])
        load_optimizer(self.loop.g_optimizer, state["g_optimizer"])
        load_optimizer(self.loop.d_optimizer, state["d_optimizer"])
        self.recipe.load_state_dict(state["recipe"])
        self.streams.load_state_dict(state["streams"])
        self.batches.load_state_dict(state["data"])
        self.loop.window.load_state_dict(state["window"])

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """What happens inside may be broken off: it changes nothing of the run."""
        with self.clock.running("evaluation"), self.turn():
            self.interruptible = True
            try:
                yield
            finally:
                self.interruptible = False

    def _take_snapshot(self) -> None:
        self.curves.settle()
        step = self.loop.steps
        with self.evaluating(), self.folder.new_snapshot(step) as place, self.recipe.ready_to_sample():
            counters = self.counters()
            facts = {"step": counters.pop("steps"), **counters, "precision": self.cell.precision}
            asked = (self.latent, self.seed, self.evaluator, self.recipe.draw_labels)
            samples = draw_samples(self.recipe.sampler(), *asked)
            for score in write_snapshot(place, self.recipe.sampled, samples, self.evaluator, facts):
                if score["value"] is None and score["label"] not in self._unscored:
                    self._unscored.add(score["label"])
                    why = " ".join(score["error"].split())
                    self.warnings.append(f"{score['label']} has no value at step {step:,}: {why}")


def checkup_every(step: int) -> int:
    """G steps between two checkups: fewer and further between in long runs, for each goes through all curves."""
    return CHECKUP_STEPS * max(1, step // (40 * CHECKUP_STEPS))


def ending(training: Training) -> dict[str, Any]:
    """What result.json says of time and of how the steps were taken."""
    counters, seconds, peak = training.counters(), training.clock.seconds(), training.slot.peak_rate
    rate = counters["images"] / seconds["training"] if seconds["training"] else None
    return {
        "images_per_second": rate,
        "share_of_peak": rate / peak if rate and peak else None,
        "time": seconds,
        "peak_memory": training.memory.end(),
        "graphs": {"captured": training.steps.reason is None, "reason": training.steps.reason},
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def record_failure(folder: RunFolder, error: BaseException, training: Training | None) -> str:
    """Write result.json of a run that failed, with its reason and traceback; returns the reason."""
    facts: dict[str, Any] = {}
    if training:
        record = training.record()
        record.failed, record.not_finite = True, error.where if isinstance(error, Diverged) else None
        facts = training.counters() | as_json(record) | ending(training)
    if isinstance(error, Diverged | Hopeless):
        reason = str(error)
    else:
        reason = told(error, training.cell) if training else cause(error)
    trace = (
        None if isinstance(error, Hopeless) else shortened("".join(traceback.format_exception(error)), 50_000)
    )  # that is no fault
    return folder.write_failure(reason, trace, **facts)
