"""A store's run folders: what is written where, and what is done where a file is damaged."""

from __future__ import annotations

import os
import re
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_bench.errors import GanBenchError
from gan_bench.files import flush, move, read_tensors, replace_file, serialized
from gan_bench.store.curves import curve_line, curve_step
from gan_bench.store.documents import Document, ResultDocument, ScoresDocument, read_object, write_object

if TYPE_CHECKING:
    from torch import nn


Columns = set[tuple[str, str]]  # label and protocol of scores; each is one column of a table
SNAPSHOT = re.compile(r"step-(\d{8,18})")  # a snapshot's folder
CHECKPOINT_HOLDS = {"steps", "d_steps", "generator", "discriminator", "streams"}  # at least
WEIGHTS = "weights.pt"  # of the sampled network, in a snapshot's folder


class DamageWarning(UserWarning):
    """A file of the store can't be read; what is done without it."""


def read_or_warn(path: Path, without: str, form: type[Document] = Document) -> dict[str, Any] | None:
    """The JSON object of a file, None where there is none. If it is damaged, a DamageWarning says what happens `without` it."""
    try:
        return read_object(path, form)
    except ValueError as error:
        warnings.warn(f"{path.parent}: {error}; {without}", DamageWarning, stacklevel=2)
        return None


def _check(state: Any, of: str) -> None:
    """ValueError: this is no checkpoint, or another run's. (Earlier versions did not write whose it is.)"""
    if not isinstance(state, dict) or not state.keys() >= CHECKPOINT_HOLDS:
        raise ValueError("it is no checkpoint")
    if state.get("of", of) != of:
        raise ValueError("it is another run's")


class RunFolder:
    """One run's folder (docs/run-folder.md)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run_file = path / "run.json"
        self.result_file = path / "result.json"
        self.curves_file = path / "curves.jsonl"
        self.checkpoint_file = path / "checkpoint.pt"
        self.previous_file = path / "checkpoint.previous.pt"
        self.output_file = path / "output.txt"
        self.hang_file = path / ".hang"  # where a run hung, as long as it trains
        self.snapshots = path / "snapshots"

    def snapshot(self, step: int) -> Path:
        """The folder of the snapshot after so many G steps."""
        return self.snapshots / f"step-{step:08d}"

    def snapshot_steps(self) -> list[int]:
        """Steps of the complete snapshots, in order."""
        names = [SNAPSHOT.fullmatch(folder.name) for folder in self.snapshots.glob("step-*")]
        return sorted(int(name[1]) for name in names if name)

    @contextmanager
    def new_snapshot(self, step: int) -> Iterator[Path]:
        """A folder to fill with files that are flushed, and that becomes the snapshot once it is complete."""
        final = self.snapshot(step)
        beside = final.with_name(f".{final.name}")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        yield beside
        shutil.rmtree(final, ignore_errors=True)
        move(beside, final)

    def has_weights(self, step: int) -> bool:
        """Whether a snapshot's weights were kept."""
        return (self.snapshot(step) / WEIGHTS).exists()

    def forget_weights(self, step: int) -> None:
        """Set a snapshot's weights aside, which can't be read."""
        file = self.snapshot(step) / WEIGHTS
        file.replace(file.with_name("weights.damaged.pt"))

    def scores(self, step: int) -> dict[str, Any]:
        """A snapshot's scores.json; without scores where it is damaged."""
        file = self.snapshot(step) / "scores.json"
        return {
            "step": step,
            "scores": [],
            **(read_or_warn(file, "its scores are computed again", ScoresDocument) or {}),
        }

    def score_columns(self, step: int) -> Columns:
        """Label and protocol of the scores that a snapshot has."""
        return {(score["label"], score["protocol_id"]) for score in self.scores(step)["scores"]}

    def append_curve(self, row: dict[str, Any]) -> None:
        """Append a window's means."""
        with self.curves_file.open("ab") as file:  # closing it writes all, or raises
            file.write(curve_line(row))

    def cut_curves(self, step: int) -> int:
        """Drop windows that ended after this step, training from there writes them again; and lines that can't be read.

        Returns the step at which the last one that is left ended, 0 where there is none.
        """
        if not self.curves_file.exists():
            return 0
        lines = self.curves_file.read_bytes().splitlines(keepends=True)
        kept, damaged, last = [], 0, 0
        for line in lines:
            ended = curve_step(line)
            if ended is None:
                damaged += line.endswith(b"\n")  # the last line of a killed process is just not complete
            elif ended <= step:
                kept.append(line)
                last = ended
        if damaged:
            warnings.warn(
                f"{damaged} lines of {self.curves_file} are damaged; they are left out", DamageWarning, stacklevel=2
            )
        if len(kept) < len(lines):
            replace_file(self.curves_file, lambda beside: beside.write_bytes(b"".join(kept)))
        return last

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        """Write the state of training, after the curves that lead to it. The one before is kept beside it."""
        if self.curves_file.exists():
            flush(self.curves_file)
        content = serialized(state)
        new = self.path / ".checkpoint.new.pt"
        try:
            new.write_bytes(content)
            flush(new)
            if self.checkpoint_file.exists():
                os.replace(self.checkpoint_file, self.previous_file)
            move(new, self.checkpoint_file)
        finally:
            new.unlink(missing_ok=True)

    def load_checkpoint(self, of: str | None = None) -> dict[str, Any] | None:
        """The saved state, None where there is none.

        One that can't be read, or is not `of` the run of this name, is set aside with a DamageWarning, and the one before it is
        taken.
        """
        for file in (self.checkpoint_file, self.previous_file):
            try:
                state: dict[str, Any] = read_tensors(file)
                if of is not None:
                    _check(state, of)
            except FileNotFoundError:
                continue
            except ValueError as error:
                aside = self.path / "checkpoint.damaged.pt"
                os.replace(file, aside)
                what = "; it is set aside as checkpoint.damaged.pt, and the run goes on from the one before, if there is one"
                warnings.warn(f"{file} can't be used ({error}){what}", DamageWarning, stacklevel=2)
            else:
                return state
        return None

    def drop_previous_checkpoint(self) -> None:
        """Delete the last but one, if the last one is readable."""
        if self.previous_file.exists() and self.checkpoint_file.exists():
            with suppress(ValueError):
                read_tensors(self.checkpoint_file)
                self.previous_file.unlink()

    def saved(self) -> dict[str, Any]:
        """What the checkpoint holds, its tensors left on the disk; `steps` is 0 where there is none. Changes nothing."""
        import torch

        for file in (self.checkpoint_file, self.previous_file):
            with suppress(Exception):  # there is none, or it is damaged: whoever goes on from here will say so
                state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
                return {**state, "steps": int(state["steps"])}
        return {"steps": 0}

    def trained_steps(self) -> int:
        """G steps that the checkpoint stands at; 0 where there is none."""
        steps: int = self.saved()["steps"]
        return steps

    def result(self) -> dict[str, Any] | None:
        """How the run ended; None while it is unfinished."""
        return read_or_warn(self.result_file, "the run goes on from its checkpoint", ResultDocument)

    def write_failure(self, reason: str, traceback: str | None = None, **counters: Any) -> str:
        """Write result.json of a run that failed; returns the reason. If that can't be written, the run stays unfinished."""
        reason = reason.encode("utf-8", "backslashreplace").decode()  # it may hold a file name that is no text
        traceback = traceback and traceback.encode("utf-8", "backslashreplace").decode()
        try:
            write_object(self.result_file, {"status": "failed", "reason": reason, "traceback": traceback, **counters})
        except OSError as error:
            return f"{reason} (which could not be recorded: {error})"
        return reason

    def finished(self) -> dict[str, Any] | None:
        """result.json of a run that finished; None where it did not."""
        result = self.result()
        return result if result and result["status"] == "finished" else None

    def finished_steps(self) -> int:
        """G steps of a run that finished; 0 where it did not."""
        result = self.finished()
        return int(result["steps"]) if result else 0

    def kept_files(self) -> dict[str, list[int]]:
        """Steps of the complete snapshots, and of those whose weights are there; result.json tells what there was."""
        steps = self.snapshot_steps()
        return {"snapshots": steps, "weights": [step for step in steps if self.has_weights(step)]}


def load_sampled(folder: RunFolder, step: int, network: nn.Module) -> nn.Module:
    """Load a snapshot's weights into a generator of the run's architecture; returns it in evaluation mode.

    GanBenchError: the file is damaged.
    """
    file = folder.snapshot(step) / WEIGHTS
    try:
        network.load_state_dict(read_tensors(file))
    except (ValueError, TypeError, RuntimeError) as error:  # the last two: it holds something else than these weights
        why = str(error).partition("\n")[0]
        raise GanBenchError(
            f"{file} can't be read ({why}). Delete it, or its run's folder to train the run again"
        ) from error
    return network.eval().requires_grad_(False)
