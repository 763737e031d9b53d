"""A store and its run folders: what is written where, and so that a killed process leaves nothing half-written."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_bench.errors import GanBenchError

if TYPE_CHECKING:
    from torch import nn


Columns = set[tuple[str, str]]  # label and protocol of scores; each is one column of a table


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make the file beside its place, and move it there once it is complete and on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        write(beside)
        flush(beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def flush(file: Path) -> None:
    """Wait until a file's content is on the disk."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


def write_json(path: Path, value: Any) -> None:
    """Write JSON by `replace_file`."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    replace_file(path, lambda beside: beside.write_text(text + "\n", encoding="utf-8"))


def read_json(path: Path) -> Any:
    """The JSON of a file, None where there is no such file. GanBenchError: it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise GanBenchError(
            f"{path} is damaged: {error}. Delete it, or its run's folder to train the run again"
        ) from error


class RunFolder:
    """One run's folder (docs/run-folder.md)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run_file = path / "run.json"
        self.result_file = path / "result.json"
        self.curves_file = path / "curves.jsonl"
        self.checkpoint_file = path / "checkpoint.pt"
        self.snapshots = path / "snapshots"

    def snapshot(self, step: int) -> Path:
        """The folder of the snapshot after so many G steps."""
        return self.snapshots / f"step-{step:08d}"

    def snapshot_steps(self) -> list[int]:
        """Steps of the complete snapshots, in order."""
        return sorted(int(folder.name.removeprefix("step-")) for folder in self.snapshots.glob("step-*"))

    @contextmanager
    def new_snapshot(self, step: int) -> Iterator[Path]:
        """A folder to fill, that becomes the snapshot once it is complete."""
        final = self.snapshot(step)
        beside = final.with_name(f".{final.name}")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        yield beside
        for file in beside.iterdir():
            flush(file)
        shutil.rmtree(final, ignore_errors=True)
        beside.rename(final)

    def has_weights(self, step: int) -> bool:
        """Whether a snapshot's weights were kept."""
        return (self.snapshot(step) / "weights.pt").exists()

    def score_columns(self, step: int) -> Columns:
        """Label and protocol of the scores that a snapshot has."""
        file = read_json(self.snapshot(step) / "scores.json") or {"scores": []}
        return {(score["label"], score["protocol_id"]) for score in file["scores"]}

    def append_curve(self, row: dict[str, Any]) -> None:
        """Append a window's means, unbuffered: one write of one line."""
        with self.curves_file.open("ab", buffering=0) as file:
            file.write((json.dumps(row) + "\n").encode())

    def cut_curves(self, step: int) -> None:
        """Drop windows that ended after this step; training from there writes them again."""
        if not self.curves_file.exists():
            return
        kept = []
        for line in self.curves_file.read_bytes().splitlines(keepends=True):
            if not line.endswith(b"\n") or json.loads(line)["step"] > step:
                break
            kept.append(line)
        replace_file(self.curves_file, lambda beside: beside.write_bytes(b"".join(kept)))

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        """Write the state of training (tensors, numbers, text, containers), after the curves that lead to it."""
        import torch

        if self.curves_file.exists():
            flush(self.curves_file)
        replace_file(self.checkpoint_file, lambda beside: torch.save(state, beside))

    def load_checkpoint(self, *, mapped: bool = False) -> dict[str, Any] | None:
        """The saved state, None where there is none. Executes no code from the file; keeps every tensor's strides.

        Mapped, tensors are read only when looked at.
        """
        import torch

        if not self.checkpoint_file.exists():
            return None
        try:
            return torch.load(self.checkpoint_file, map_location="cpu", weights_only=True, mmap=mapped)
        except (RuntimeError, OSError, pickle.UnpicklingError) as error:
            raise GanBenchError(
                f"{self.checkpoint_file} is damaged: {error}. Delete the run's folder to train it again"
            ) from error

    def trained_steps(self) -> int:
        """G steps that the checkpoint stands at; 0 where there is none."""
        state = self.load_checkpoint(mapped=True)
        return state["steps"] if state else 0

    def result(self) -> dict[str, Any] | None:
        """How the run ended; None while it is unfinished."""
        return read_json(self.result_file)

    def finished_steps(self) -> int:
        """G steps of a run that finished; 0 where it did not."""
        result = self.result()
        return result["steps"] if result and result["status"] == "finished" else 0


def load_sampled(folder: RunFolder, step: int, network: nn.Module) -> nn.Module:
    """Load a snapshot's weights into a generator of the run's architecture; returns it in evaluation mode."""
    import torch

    weights = torch.load(folder.snapshot(step) / "weights.pt", map_location="cpu", weights_only=True)
    network.load_state_dict(weights)
    return network.eval().requires_grad_(False)
