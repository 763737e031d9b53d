"""Training one run in its folder: step by step, with curves, snapshots and checkpoints."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gan_bench.api.randomness import Streams
from gan_bench.data.batches import Batches
from gan_bench.errors import message, shortened
from gan_bench.files import write_tensors
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.scoring.neighbours import save_neighbours
from gan_bench.scoring.sample_grid import save_grid
from gan_bench.scoring.samples import GRID_SAMPLES, draw, shown
from gan_bench.store.curves import WINDOW, read_windows
from gan_bench.store.documents import FileFault, write_object
from gan_bench.store.folder import RunFolder
from gan_bench.store.places import WEIGHTS
from gan_bench.training.build import build_loop
from gan_bench.training.diagnosis import Diagnosis, Record, as_json, diagnose, hopeless
from gan_bench.training.global_state import tf32_products
from gan_bench.training.meters import Clock, PeakMemory
from gan_bench.training.networks import build_networks, memory_format
from gan_bench.training.snapshots import best_columns
from gan_bench.training.steps import BLOCK, CudaCapture, Steps
from gan_bench.training.watchdog import time_limit

if TYPE_CHECKING:
    from gan_bench.api.samples import PreparedData
    from gan_bench.grid import Cell

LOOK_STEPS = 20 * WINDOW  # G steps between two looks for trouble, at first
CHECKPOINT_SECONDS = 60.0  # of training between two checkpoints


class Diverged(Exception):
    """A loss, an output of D, a gradient's norm or what a trick reports is not a finite number any more."""

    def __init__(self, step: int, names: Sequence[str]) -> None:
        super().__init__(f"not a finite number in the steps up to {step}: {', '.join(names)}")
        self.where = step, ", ".join(names)


class Hopeless(Exception):
    """A diagnosis has held for so long that the run is not to go on."""


class Training:
    """A run on one device. `for event in training: ...` trains it to its end, a block of steps an iteration.

    Several of them may be advanced in turn in one process, each under its own `turn()`: each has its own random streams
    and, on a GPU, its own stream of work, so that none notices the others.
    """

    def __init__(
        self,
        cell: Cell,
        seed: int,
        snapshot_steps: Sequence[int],
        folder: RunFolder,
        data: PreparedData,
        evaluator: Evaluator,
        device: torch.device,
        keep: str = "all",
        stream: torch.cuda.Stream | None = None,
        graphs: bool = True,
        limit: float | None = None,
        step_seconds: float | None = None,
        stop_hopeless: int = 0,
    ) -> None:
        self.stop_hopeless = stop_hopeless  # G steps after which a hopeless run ends; 0: none does
        self.limit = limit  # images a second at the device's peak, if it is known
        self.step_seconds = step_seconds  # that a step may take before its process is ended
        self.seed, self.latent, self.device, self.folder = seed, cell.architecture.latent, device, folder
        self.snapshot_steps, self.total_steps = set(snapshot_steps), max(snapshot_steps)
        self.evaluator, self.keep = evaluator, keep
        self.cell, self.batch_size = cell, cell.batch_size
        self.clock = Clock()
        self.stream = stream or torch.cuda.Stream(device) if device.type == "cuda" else None
        self.memory = PeakMemory(device)
        self._saved_at = 0.0
        self.saved_step = 0  # that the checkpoint stands at
        self.interruptible = False  # whether what is being done may be broken off: it changes nothing of the run
        self.means: dict[str, float | None] = {}  # of the latest window that was looked at
        self.diagnoses: list[Diagnosis] = []  # when they were last looked for
        self.faults: list[FileFault] = []  # of the run's files, that nobody has been told of
        self._rows: list[dict[str, Any]] = []  # of curves.jsonl
        self._open_window: tuple[dict[str, Any], Callable[[], dict[str, float | None]]] | None = None
        with self.turn():
            self.streams = Streams(seed, device)
            networks = build_networks(cell.architecture, data.spec, self.streams)
            self.batches = Batches(data.training.to(device), cell.batch_size, seed, memory_format(networks[1]))
            self.loop = build_loop(cell, data.spec, self.streams, self.total_steps, self.batches, networks)
            self.recipe = self.loop.recipe
            self.steps = Steps(
                self.loop, self.batches, CudaCapture(self.loop, self.stream) if self.stream and graphs else None
            )
            state = folder.read()
            # What result.json says of a run that needs no more training.
            self.ended = state.finished if state.finished_steps >= self.total_steps else None
            if self.ended:
                # Its networks are not the trained ones: nothing of them may be saved or sampled.
                self.loop.steps = self.saved_step = state.finished_steps
                self.loop.d_steps = self.ended.d_steps or 0
                self._row_is_missing = False
                self._rows = read_windows(folder.curves_file)
                return
            folder.result_file.unlink(missing_ok=True)  # before anything of what it tells of changes
            saved, faults = folder.load_checkpoint(self.name)
            if saved is not None:
                self.load_state_dict(saved)
            ends = self.loop.steps >= self.total_steps
            kept, cut = folder.cut_curves(self.loop.steps - (0 if ends else self.loop.steps % WINDOW))
            self.faults += [*faults, *cut]
            with suppress(ValueError):  # what is damaged there is told by whoever reads the store
                self._rows = read_windows(folder.curves_file)
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
            self._end_window()
        if self.loop.steps in self.snapshot_steps and not self.folder.snapshot(self.loop.steps).exists():
            self._take_snapshot()  # it was broken off
            yield "snapshot"
        self._look_for_trouble()
        while self.loop.steps < self.total_steps:
            now = self.loop.steps
            window_ends = min(now - now % WINDOW + WINDOW, self.total_steps)
            next_snapshot = min(step for step in self.snapshot_steps if step > now)
            most = 1 if self.steps.reason else BLOCK
            limit = time_limit(self.step_seconds and most * self.step_seconds, self.folder.hang_file)
            with self.turn(), tf32_products(self.cell.precision == "tf32"), limit:
                self.steps.advance(min(window_ends, next_snapshot) - now)
            if self.loop.steps == window_ends:
                with self.turn():
                    self._end_window()
            if self.loop.steps == next_snapshot:
                self.save()  # first, so that nothing is lost if the snapshot, which may take long, is broken off
                yield "step"
                self._take_snapshot()
                yield "snapshot"
            elif self.clock.training - self._saved_at > CHECKPOINT_SECONDS:
                self.save()
            if self._looks():
                self._look_for_trouble()
            yield "window" if self.loop.steps == window_ends else "step"

    def save(self) -> None:
        """Write the checkpoint, unless it stands here already."""
        self._settle_window()
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
            "recipe": {n: v if isinstance(v, Tensor) else v.state_dict() for n, v in self.recipe.state.items()},
            "streams": self.streams.state_dict(),
            "data": self.batches.state_dict(),
            "window": self.loop.window.state_dict(),
        }

    def finish(self) -> None:
        """Write result.json: the run is finished. Drops weights of snapshots that are not to be kept."""
        self._drop_weights()
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
        """What diagnoses are made from: windows that have been looked at, and snapshots, up to where the run stands."""
        steps = [step for step in self.folder.snapshot_steps() if step <= self.loop.steps]
        shots = [{"step": step, "scores": [], **self.folder.scores(step).as_json()} for step in steps]
        return Record(self._rows, shots, self.recipe.loss.log_odds)

    def _looks(self) -> bool:
        """Whether a run, interrupted or not, is looked at for trouble where it stands."""
        step = self.loop.steps
        return step in self.snapshot_steps or step % look_every(step) == 0

    def _look_for_trouble(self) -> None:
        """Bring the diagnoses up to date. Hopeless: one ends the run, whose checkpoint stands here then."""
        self._settle_window()
        self.diagnoses = diagnose(self.record())
        may_end = self.stop_hopeless and self._looks() and self.loop.steps < self.total_steps
        if may_end and (found := hopeless(self.diagnoses, self.loop.steps, self.stop_hopeless)):
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
        self.loop.g_optimizer.load_state_dict(state["g_optimizer"])
        self.loop.d_optimizer.load_state_dict(state["d_optimizer"])
        for name, value in self.recipe.state.items():
            if isinstance(value, Tensor):
                value.copy_(state["recipe"][name])
            else:
                value.load_state_dict(state["recipe"][name])
        self.streams.load_state_dict(state["streams"])
        self.batches.load_state_dict(state["data"])
        self.loop.window.load_state_dict(state["window"])

    def _end_window(self) -> None:
        """Begin a new window; one cut short by the run's end stays open for longer training.

        A GPU's means are looked at only when the next window has ended, so that it is never waited for with nothing to do.
        """
        self._settle_window()
        self._open_window = self.counters(), self.loop.window.read()
        if self.loop.steps % WINDOW == 0:
            self.loop.window.clear()
        if self.stream is None:
            self._settle_window()

    def _settle_window(self) -> None:
        """Append the means of a window that has ended to the curves. Diverged: one of them is no finite number."""
        if self._open_window is None:
            return
        counters, read = self._open_window
        self._open_window, self.means = None, read()
        step = counters.pop("steps")
        bad = [name for name, mean in self.means.items() if mean is not None and not math.isfinite(mean)]
        if bad:
            raise Diverged(step, bad)
        row = {"step": step, **counters, **self.means}
        self.folder.append_curve(row)
        self._rows.append(row)

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
        self._settle_window()
        with self.evaluating(), self.folder.new_snapshot(self.loop.steps) as place:
            count = max(self.evaluator.count, GRID_SAMPLES)
            samples = draw(self.recipe.sampled, self.latent, count, self.seed, self.device)
            save_grid(shown(samples), place / "samples.png")
            write_tensors(place / WEIGHTS, self.recipe.sampled.state_dict())
            counters = self.counters()
            facts = {"step": counters.pop("steps"), **counters, "precision": self.cell.precision}
            facts["diversity"] = self.evaluator.diversity(samples)
            scores = self.evaluator.score(samples[: self.evaluator.count])
            save_neighbours(place, samples, self.evaluator)
            write_object(place / "scores.json", {**facts, "scores": scores, "time": self.evaluator.seconds})

    def _drop_weights(self) -> None:
        steps = self.folder.snapshot_steps()
        kept = set(steps) if self.keep == "all" else {steps[-1]}
        if self.keep == "best+last":
            kept |= best_columns(self.folder).keys()
        for step in set(steps) - kept:
            (self.folder.snapshot(step) / WEIGHTS).unlink(missing_ok=True)


def look_every(step: int) -> int:
    """G steps between two looks for trouble: fewer and further between in long runs, for each goes through all curves."""
    return LOOK_STEPS * max(1, step // (40 * LOOK_STEPS))


def ending(training: Training) -> dict[str, Any]:
    """What result.json says of time and of how the steps were taken."""
    counters, seconds = training.counters(), training.clock.seconds()
    rate = counters["images"] / seconds["training"] if seconds["training"] else None
    return {
        "images_per_second": rate,
        "share_of_peak": rate / training.limit if rate and training.limit else None,
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
    reason = str(error) if isinstance(error, Diverged | Hopeless) else message(error)
    trace = (
        None if isinstance(error, Hopeless) else shortened("".join(traceback.format_exception(error)), 50_000)
    )  # that is no fault
    return folder.write_failure(reason, trace, **facts)
