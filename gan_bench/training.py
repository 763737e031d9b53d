"""Training one run in its folder: step by step, with curves, snapshots and checkpoints."""

from __future__ import annotations

import copy
import math
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gan_bench.evaluation import GRID_SAMPLES, Evaluator, draw, shown
from gan_bench.loop import Loop
from gan_bench.networks import build_networks, memory_format
from gan_bench.recipe import Recipe
from gan_bench.sample_grid import save_grid
from gan_bench.store import RunFolder, load_sampled, read_json, write_json
from gan_bench.streams import Stream, Streams

if TYPE_CHECKING:
    from gan_bench.data import PreparedData, Samples
    from gan_bench.grid import Cell
    from gan_bench.plugin import DataSpec

WINDOW = 25  # G steps whose means make one line of the curves
CHECKPOINT_SECONDS = 60.0  # of training between two checkpoints


class Diverged(Exception):
    """A loss or an output of D is not a finite number any more."""


def build_loop(
    cell: Cell,
    data: DataSpec,
    streams: Streams,
    total_steps: int,
    next_real: Callable[[], Tensor],
    networks: tuple[nn.Module, nn.Module] | None = None,
) -> Loop:
    """The training loop of a cell, its networks fresh unless given, its recipe as the tricks left it."""
    generator, discriminator = networks or build_networks(cell.architecture, data, streams)
    recipe = Recipe(
        data,
        generator,
        discriminator,
        {
            "generator": cell.optimizer["generator"].model_dump(),
            "discriminator": cell.optimizer["discriminator"].model_dump(),
        },
        batch_size=cell.batch_size,
        total_steps=total_steps,
        streams=streams,
    )
    recipe.apply(cell.tricks)
    return Loop(recipe, streams, next_real, cell.batch_size, cell.architecture.latent, cell.precision)


class Batches:
    """Batches of real samples without end: one shuffle of the data after the other, in an order of its own stream."""

    def __init__(self, samples: Samples, batch_size: int, seed: int, memory: torch.memory_format) -> None:
        self.samples, self.batch_size, self.memory = samples, batch_size, memory
        self.order = Stream(seed, "data order", torch.device("cpu"))
        self.left = torch.empty(0, dtype=torch.int64)  # indices of this shuffle that are still to come

    def __call__(self) -> Tensor:
        """The next batch (batch_size, *shape)."""
        while len(self.left) < self.batch_size:
            with self.order:
                self.left = torch.cat((self.left, torch.randperm(len(self.samples))))
        batch = self.samples.batch(self.left[: self.batch_size].to(self.samples.device))
        self.left = self.left[self.batch_size :]
        return batch.contiguous(memory_format=self.memory) if batch.dim() == 4 else batch

    def state_dict(self) -> dict[str, Tensor]:
        """The position in the data."""
        return {"order": self.order.state, "left": self.left.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from a position."""
        self.order.state, self.left = state["order"].clone(), state["left"].clone()


class Training:
    """A run on one device. `for event in training: ...` trains it to its end, one step an iteration.

    Several of them may be advanced in turn in one process; each has its own random streams.
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
    ) -> None:
        self.seed, self.latent, self.device, self.folder = seed, cell.architecture.latent, device, folder
        self.snapshot_steps, self.total_steps = set(snapshot_steps), max(snapshot_steps)
        self.evaluator, self.keep = evaluator, keep
        self.streams = Streams(seed, device)
        networks = build_networks(cell.architecture, data.spec, self.streams)
        self.batches = Batches(data.training.to(device), cell.batch_size, seed, memory_format(networks[1]))
        self.loop = build_loop(cell, data.spec, self.streams, self.total_steps, self.batches, networks)
        self.recipe = self.loop.recipe
        self.batch_size = cell.batch_size
        self.seconds = 0.0
        self._saved_at = 0.0
        self.means: dict[str, float | None] = {}  # of the latest window
        state = folder.load_checkpoint()
        if state is not None:
            self._load_state(state)

    def __iter__(self) -> Iterator[str]:
        """Train to the end; yields what was just done: "step" or "snapshot"."""
        self.folder.cut_curves(self.loop.steps - self.loop.steps % WINDOW)
        while self.loop.steps < self.total_steps:
            began = time.perf_counter()
            self.loop.step()
            steps = self.loop.steps
            if steps % WINDOW == 0 or steps == self.total_steps:
                means = self.recipe.window.means()  # waits for the device, where it works by itself
                self.seconds += time.perf_counter() - began
                self._end_window(means)
            else:
                self.seconds += time.perf_counter() - began
            if steps in self.snapshot_steps:
                self._take_snapshot()
                self.save()
                yield "snapshot"
            elif self.seconds - self._saved_at > CHECKPOINT_SECONDS:
                self.save()
            yield "step"

    def save(self) -> None:
        """Write the checkpoint."""
        self.folder.save_checkpoint(
            {
                "steps": self.loop.steps,
                "d_steps": self.loop.d_steps,
                "seconds": self.seconds,
                "generator": self.recipe.generator.state_dict(),
                "discriminator": self.recipe.discriminator.state_dict(),
                "g_optimizer": self.loop.g_optimizer.state_dict(),
                "d_optimizer": self.loop.d_optimizer.state_dict(),
                "recipe": {n: v if isinstance(v, Tensor) else v.state_dict() for n, v in self.recipe.state.items()},
                "streams": self.streams.state_dict(),
                "data": self.batches.state_dict(),
                "window": self.recipe.window.state_dict(),
            }
        )
        self._saved_at = self.seconds

    def finish(self) -> None:
        """Write result.json: the run is finished. Drops weights of snapshots that are not to be kept."""
        self._drop_weights()
        write_json(
            self.folder.result_file,
            {"status": "finished", "reason": None, "traceback": None, **self.counters(), **ending(self)},
        )

    def counters(self) -> dict[str, Any]:
        """How far training has come."""
        return {
            "steps": self.loop.steps,
            "d_steps": self.loop.d_steps,
            "images": self.loop.d_steps * self.batch_size,
            "seconds": self.seconds,
        }

    def rescore(self) -> None:
        """Score again, from their weights, the snapshots whose scores follow another protocol than is wanted now."""
        network = copy.deepcopy(self.recipe.sampled)
        for step in self.snapshot_steps & set(self.folder.snapshot_steps()):
            place = self.folder.snapshot(step)
            if self.folder.score_columns(step) != self.evaluator.columns() and self.folder.has_weights(step):
                sampled = load_sampled(self.folder, step, network)
                samples = draw(sampled, self.latent, self.evaluator.count, self.seed, self.device)
                write_json(
                    place / "scores.json", read_json(place / "scores.json") | {"scores": self.evaluator.score(samples)}
                )

    def _load_state(self, state: dict[str, Any]) -> None:
        self.loop.steps, self.loop.d_steps = state["steps"], state["d_steps"]
        self.seconds = self._saved_at = state["seconds"]
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
        self.recipe.window.load_state_dict(state["window"])

    def _end_window(self, means: dict[str, float | None]) -> None:
        """Append the window's means to the curves; a window cut short by the run's end stays open for longer training."""
        self.means = means
        bad = [name for name, mean in self.means.items() if mean is not None and not math.isfinite(mean)]
        if bad:
            raise Diverged(f"not a finite number in the steps up to {self.loop.steps}: {', '.join(bad)}")
        counters = self.counters()
        self.folder.append_curve({"step": counters.pop("steps"), **counters, **self.means})
        if self.loop.steps % WINDOW == 0:
            self.recipe.window.clear()

    def _take_snapshot(self) -> None:
        samples = draw(
            self.recipe.sampled, self.latent, max(self.evaluator.count, GRID_SAMPLES), self.seed, self.device
        )
        counters = self.counters()
        with self.folder.new_snapshot(self.loop.steps) as place:
            save_grid(shown(samples), place / "samples.png")
            torch.save(self.recipe.sampled.state_dict(), place / "weights.pt")
            scores = self.evaluator.score(samples[: self.evaluator.count])
            write_json(place / "scores.json", {"step": counters.pop("steps"), **counters, "scores": scores})

    def _drop_weights(self) -> None:
        steps = self.folder.snapshot_steps()
        kept = set(steps) if self.keep == "all" else {steps[-1]}
        if self.keep == "best+last":
            kept |= best_steps(self.folder)
        for step in set(steps) - kept:
            (self.folder.snapshot(step) / "weights.pt").unlink(missing_ok=True)


def best_steps(folder: RunFolder) -> set[int]:
    """The snapshot with the best value of each score."""
    best: dict[str, tuple[float, int]] = {}
    for step in folder.snapshot_steps():
        for score in read_json(folder.snapshot(step) / "scores.json")["scores"]:
            if score["value"] is not None:
                badness, column = score["value"] * (1 if score["better"] == "lower" else -1), score["protocol_id"]
                best[column] = min(best.get(column, (math.inf, step)), (badness, step))
    return {step for _, step in best.values()}


def ending(training: Training) -> dict[str, Any]:
    """What result.json says of time."""
    images = training.counters()["images"]
    return {
        "images_per_second": images / training.seconds if training.seconds else None,
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def record_failure(folder: RunFolder, error: BaseException, training: Training | None) -> str:
    """Write result.json of a run that failed, with its reason and traceback; returns the reason."""
    counters = training.counters() | ending(training) if training else {}
    reason = str(error) if isinstance(error, Diverged) else f"{type(error).__name__}: {error}"
    text = "".join(traceback.format_exception(error))
    write_json(folder.result_file, {"status": "failed", "reason": reason, "traceback": text, **counters})
    return reason
