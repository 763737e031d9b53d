"""A store's run folders: how they are written, and what is done where a file is damaged."""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_bench.errors import GanBenchError
from gan_bench.files import beside, flush, move, read_tensors, rename, serialized, take_away, twin
from gan_bench.store.checksums import checksum
from gan_bench.store.curves import CurvesFile, cut_windows
from gan_bench.store.documents import Document, FileFault, ScoresDocument, read_object, write_object
from gan_bench.store.places import WEIGHTS, Places
from gan_bench.store.state import RunState, read_state

if TYPE_CHECKING:
    from torch import nn

CHECKPOINT_HOLDS = {"steps", "d_steps", "generator", "discriminator", "streams"}  # at least


def _check(state: Any, of: str) -> None:
    """ValueError: this is no checkpoint, or another run's. (Earlier versions did not write whose it is.)"""
    if not isinstance(state, dict) or not state.keys() >= CHECKPOINT_HOLDS:
        raise ValueError("it is no checkpoint")
    if state.get("of", of) != of:
        raise ValueError("it is another run's")


def _alike(a: Path, b: Path) -> bool:
    """Whether two files hold the same, timings excepted."""
    if b.suffix != ".json":
        return a.exists() and filecmp.cmp(a, b, shallow=False)
    with suppress(ValueError):  # else it is damaged
        one, two = (read_object(file, Document) for file in (a, b))
        return one is not None and two is not None and checksum(one.as_json()) == checksum(two.as_json())
    return False


class RunFolder(Places):
    """One run's folder (docs/run-folder.md). Where several processes may write, what is done here is `checked`."""

    _curves: CurvesFile | None = None  # while they are written

    def read(self) -> RunState:
        """How the run stands now."""
        return read_state(self)

    @contextmanager
    def new_snapshot(self, step: int) -> Iterator[Path]:
        """A folder to fill with files that are flushed, and that becomes the snapshot once it is complete."""
        final = self.snapshot(step)
        new = beside(final)
        try:
            new.mkdir(parents=True)
            yield new
            if final.exists():
                if all(_alike(final / file.name, file) for file in new.iterdir()):
                    return
                take_away(final)
            move(new, final)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def clear(self) -> None:
        """Delete what the run is so far, its result first: a half-deleted run is none that has ended.

        Never the whole folder at once, which may be another process's by then: of single files each is looked after, and what
        comes late is put back. run.json goes last: who is killed before finds again why it is to be cleared.
        """
        if self._curves is not None:
            self._curves.close()
        first = (self.result_file, self.checkpoint_file, self.previous_file)
        others = sorted(self.path.iterdir(), key=lambda entry: entry == self.run_file) if self.path.exists() else []
        snapshots = map(self.snapshot, self.snapshot_steps())
        for entry in dict.fromkeys((*first, *snapshots, *others)):
            if entry != self.snapshots:
                with suppress(FileNotFoundError):
                    take_away(entry)

    def forget_weights(self, step: int) -> None:
        """Set a snapshot's weights aside, which can't be read."""
        file = self.snapshot(step) / WEIGHTS
        take_away(file, file.with_name("weights.damaged.pt"))

    def drop_weights(self, step: int) -> None:
        """Delete a snapshot's weights, if there are any."""
        with suppress(FileNotFoundError):
            take_away(self.snapshot(step) / WEIGHTS)

    def forget_result(self) -> None:
        """Delete result.json: the run goes on."""
        with suppress(FileNotFoundError):
            take_away(self.result_file)

    def scores(self, step: int) -> ScoresDocument:
        """A snapshot's scores.json; without scores where that is lost or damaged."""
        with suppress(ValueError):
            if found := read_object(self.snapshot(step) / "scores.json", ScoresDocument):
                return found
        return ScoresDocument(step=step)

    def append_curve(self, row: dict[str, Any]) -> None:
        """Append a window's means, after `cut_curves`."""
        assert self._curves is not None
        self._curves.append(row)

    def cut_curves(self, step: int) -> tuple[int, list[FileFault]]:
        """Begin to write curves: drop windows that ended after this step, training from there writes them again; and lines that
        can't be read.

        Returns the step at which the last one that is left ended, 0 where there is none.
        """
        self._curves, last, damaged = cut_windows(self.curves_file, step)
        wrong = f"{damaged} lines of {self.curves_file} are damaged"
        return last, [FileFault(self.curves_file, wrong, "they are left out")] if damaged else []

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        """Write the state of training, after the curves that lead to it. The one before is kept beside it."""
        if self._curves is not None:
            self._curves.settle()
        content = serialized(state)
        new, before = beside(self.checkpoint_file), beside(self.previous_file)
        try:
            new.write_bytes(content)
            flush(new)
            if self.checkpoint_file.exists():
                twin(self.checkpoint_file, before)
                rename(before, self.previous_file)
            move(new, self.checkpoint_file)
        finally:
            new.unlink(missing_ok=True)
            before.unlink(missing_ok=True)

    def load_checkpoint(self, of: str | None = None) -> tuple[dict[str, Any] | None, list[FileFault]]:
        """The saved state, None where there is none.

        One that can't be read, or is not `of` the run of this name, is a fault: it is set aside, and the one before it taken.
        """
        faults: list[FileFault] = []
        for file in (self.checkpoint_file, self.previous_file):
            try:
                state: dict[str, Any] = read_tensors(file)
                if of is not None:
                    _check(state, of)
            except FileNotFoundError:
                continue
            except ValueError as error:
                take_away(file, self.path / "checkpoint.damaged.pt")
                without = (
                    "it is set aside as checkpoint.damaged.pt, and the run goes on from the one before, if there is one"
                )
                faults.append(FileFault(file, f"{file} can't be used ({error})", without))
            else:
                return state, faults
        return None, faults

    def drop_previous_checkpoint(self) -> None:
        """Delete the last but one, if the last one is readable."""
        if self.previous_file.exists() and self.checkpoint_file.exists():
            with suppress(ValueError):
                read_tensors(self.checkpoint_file)
                take_away(self.previous_file)

    def write_failure(self, reason: str, traceback: str | None = None, **counters: Any) -> str:
        """Write result.json of a run that failed; returns the reason. If that can't be written, the run stays unfinished.

        One that has finished has: what fails is then some work on its files.
        """
        reason = reason.encode("utf-8", "backslashreplace").decode()  # it may hold a file name that is no text
        traceback = traceback and traceback.encode("utf-8", "backslashreplace").decode()
        if self.read().finished:
            return reason
        try:
            write_object(self.result_file, {"status": "failed", "reason": reason, "traceback": traceback, **counters})
        except OSError as error:
            return f"{reason} (which could not be recorded: {error})"
        return reason

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
