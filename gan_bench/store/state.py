"""What a run folder holds, read once: how the run stands, and what of it is damaged or lost.

Reading changes nothing. What takes long is read when it is first asked for.
"""

from __future__ import annotations

import zipfile
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from PIL import Image

from gan_bench.canonical import canonical
from gan_bench.store.curves import holds_windows
from gan_bench.store.documents import (
    FileFault,
    ResultDocument,
    RunDocument,
    ScoresDocument,
    read_object,
    read_or_fault,
)
from gan_bench.store.places import WEIGHTS, Places

Columns = set[tuple[str, str]]  # label and protocol of scores; each is one column of a table


@dataclass(frozen=True)
class Snapshot:
    """A complete snapshot."""

    step: int
    path: Path
    has_weights: bool  # whether they were kept

    @property
    def weights(self) -> Path:
        """The file of its sampled network's weights."""
        return self.path / WEIGHTS

    @cached_property
    def document(self) -> ScoresDocument | None:
        """Its scores.json; None where that is lost or damaged."""
        with suppress(ValueError):
            return read_object(self.path / "scores.json", ScoresDocument)
        return None

    @property
    def columns(self) -> Columns:
        """Of the scores that it has."""
        return {(score.label, score.protocol_id) for score in self.document.scores} if self.document else set()

    @cached_property
    def spoiled(self) -> tuple[str, ...]:
        """Its files, weights excepted, that are lost or can't be what was written."""
        found, names = self.document, []
        if found is None or found.step != self.step or None in (found.d_steps, found.images):
            names.append("scores.json")
        if not is_picture(self.path / "samples.png"):
            names.append("samples.png")
        return tuple(names)


@dataclass(frozen=True)
class Checkpoint:
    """Where a checkpoint stands; at 0 where there is none that can be read."""

    steps: int = 0
    snapshots: tuple[int, ...] = ()  # that had been taken by then


@dataclass(frozen=True)
class RunState:
    """How a run stands."""

    places: Places
    begun: bool = True  # whether there is a folder
    result: ResultDocument | None = None  # None while it is unfinished
    faults: tuple[FileFault, ...] = ()  # of what has been read

    @property
    def finished(self) -> ResultDocument | None:
        """How it finished; None where it did not."""
        return self.result if self.result and self.result.status == "finished" else None

    @property
    def failed(self) -> bool:
        """Whether it ended so."""
        return self.result is not None and self.result.status == "failed"

    @property
    def finished_steps(self) -> int:
        """G steps of a run that finished; 0 where it did not."""
        return (self.finished and self.finished.steps) or 0

    @property
    def steps(self) -> int:
        """G steps that it was trained for, and need not be trained for again."""
        return self.finished_steps or self.checkpoint.steps

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """Where the last checkpoint that can be read stands. Its tensors are left on the disk."""
        if not self.begun:
            return Checkpoint()
        import torch

        for file in (self.places.checkpoint_file, self.places.previous_file):
            with suppress(Exception):  # there is none, or it is damaged: whoever goes on from here will say so
                state = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
                return Checkpoint(int(state["steps"]), tuple(state.get("snapshots", ())))
        return Checkpoint()

    @cached_property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """The complete ones, in order."""
        places = self.places
        return tuple(Snapshot(s, places.snapshot(s), places.has_weights(s)) for s in places.snapshot_steps())

    @cached_property
    def lost(self) -> str:
        """The first fault that only training from the start can mend, in words; "" where there is none.

        Of weights and pictures only the form is looked at: a flipped bit in weights shows when they are read.
        """
        places, result = self.places, self.finished
        if not holds_windows(places.curves_file, self.steps, ended=result is not None):
            return f"{places.curves_file.name} is damaged or has lost lines"
        taken = {snapshot.step for snapshot in self.snapshots}
        for step in result.snapshots if result else self.checkpoint.snapshots:
            if step not in taken:
                return f"snapshots/{places.snapshot(step).name} is lost"
        for step in result.weights if result else ():
            if not zipfile.is_zipfile(places.snapshot(step) / WEIGHTS):
                return f"snapshots/{places.snapshot(step).name}/{WEIGHTS} is damaged or lost"
        for snapshot in self.snapshots:
            if snapshot.step <= self.steps and not snapshot.has_weights and snapshot.spoiled:
                name = f"snapshots/{snapshot.path.name}/{snapshot.spoiled[0]}"
                return f"{name} is damaged or lost, and no weights were kept there"
        return ""

    def is_spoiled(self, identity: str, seed: int, settings: str) -> bool:
        """Whether a finished run of this identity, seed and settings (canonical JSON) has files that need no training to mend."""
        if any(snapshot.spoiled for snapshot in self.snapshots):
            return True
        with suppress(ValueError):
            known = read_object(self.places.run_file, RunDocument)
            return not known or (known.identity, known.seed, canonical(known.settings)) != (identity, seed, settings)
        return True


def read_state(places: Places) -> RunState:
    """How a run stands, from its folder."""
    if not places.path.exists():
        return RunState(places, begun=False)
    result, faults = read_or_fault(places.result_file, ResultDocument, "the run goes on from its checkpoint")
    return RunState(places, result=result, faults=tuple(faults))


def is_picture(path: Path) -> bool:
    """Whether a file is a PNG whose checksums are right."""
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            picture.verify()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False
    return True
