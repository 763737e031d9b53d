"""Reading a store's files as they lie there: finished, failed, still being written, or damaged."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gan_bench.store.curves import read_windows
from gan_bench.store.documents import Diagnosis, ResultDocument, RunDocument, ScoresDocument, read_object
from gan_bench.store.index import stamp
from gan_bench.store.places import Places
from gan_bench.store.trust import strange
from gan_bench.store.windows import Windows, columns, count
from gan_bench.training.diagnosis import Record, diagnose, health

PICTURES = ("samples.png", "neighbours.png")


@dataclass
class SnapshotFiles:
    """What one snapshot's folder holds."""

    step: int
    picture: Path | None  # sample grid
    neighbours: Path | None  # picture of nearest training samples
    scores: ScoresDocument = field(default_factory=ScoresDocument)


@dataclass
class RunFiles:
    """What one run folder holds."""

    run: str  # key in the tables
    store: str
    folder: Path
    label: str = ""  # of its cell
    seed: int | None = None
    document: RunDocument = field(default_factory=RunDocument)  # empty before the run has begun
    result: ResultDocument | None = None  # of a run that has ended
    curves: Windows = field(default_factory=dict)
    snapshots: list[SnapshotFiles] = field(default_factory=list)  # in order of their steps
    status: str = "unfinished"  # finished, failed, unfinished, damaged
    reason: str = ""
    health: str = ""  # names of its diagnoses, "healthy", or "" where that is not known
    diagnoses: list[Diagnosis] = field(default_factory=list)
    stamp: str = (
        ""  # of a run that has ended and is read whole: the folder's before it was read, where it was asked for
    )
    known: bool = False  # whether this is from the store's index

    @property
    def outcome(self) -> dict[str, Any]:
        """What result.json says; without one, how far the run has come, from its last complete window."""
        if self.result:
            return self.result.as_json()
        last = {name: values[-1].item() for name, values in self.curves.items()} if count(self.curves) else {}
        return {"steps": last.get("step"), **{name: last.get(name) for name in ("d_steps", "images", "seconds")}}

    @property
    def dataset(self) -> str:
        """The dataset's name; "" before the run has begun."""
        return self.document.dataset.name if self.document.dataset else ""


Fill = Callable[[RunFiles, float], bool]  # fills in what an index knows of a run folder, as far as so many steps


def unknown(files: RunFiles, length: float) -> bool:
    """No index has it."""
    return False


def read_run(files: RunFiles, length: float = math.inf, fill: Fill = unknown) -> RunFiles:
    """Read a run folder, as far as `length` steps: an earlier command may have trained further. `fill` is asked first.

    What is damaged is said in `status` and `reason`; what else could be read is kept. A folder that is not there yet is an
    unfinished run; one that holds anything but files and folders of its own is not read.
    """
    if fill(files, length):
        return files
    places, before = Places(files.folder), ""
    with suppress(OSError, ValueError):
        before = stamp(os.fspath(files.folder), places.snapshot_steps())
    try:
        if why := strange(files.folder):
            raise ValueError(why)
        files.document = read_object(places.run_file, RunDocument) or files.document
        files.seed = files.seed if files.document.seed is None else files.document.seed
        # Before all else, for it is written after all else: a finished run is then read whole.
        result = read_object(places.result_file, ResultDocument)
        every = read_windows(places.curves_file)
        rows = [row for row in every if row["step"] <= length]
        files.curves = columns(rows)
        for step in places.snapshot_steps():
            if step <= length:
                place = places.snapshot(step)
                picture, near = (place / name if (place / name).is_file() else None for name in PICTURES)
                files.snapshots.append(SnapshotFiles(step, picture, near))
                files.snapshots[-1].scores = read_object(place / "scores.json", ScoresDocument) or ScoresDocument()
        steps = (result and result.steps) or 0
        if result is not None and not (result.status == "finished" and steps < length < math.inf):
            files.result = result if steps <= length else _cut(result, files, length)
            files.status, files.reason = result.status, result.reason or ""
        if result and files.status != "unfinished" and steps <= length:
            files.health, files.diagnoses = result.health, result.diagnoses
            files.stamp = before if len(rows) == len(every) else ""
        else:
            files.health, files.diagnoses = _diagnosed(files, rows)
    except (ValueError, OSError) as error:
        files.status, files.reason = "damaged", str(error)
    return files


def _cut(result: ResultDocument, files: RunFiles, length: float) -> ResultDocument:
    """The result of a run that was trained further, as it would be at its last snapshot up to `length` steps."""
    scored = [shot.scores for shot in files.snapshots if shot.scores.scores]
    if not scored:
        return result
    last = scored[-1]
    facts = {"steps": int(length), "d_steps": last.d_steps, "images": last.images, "seconds": last.seconds}
    return result.model_copy(update=facts)


def _diagnosed(files: RunFiles, rows: list[dict[str, Any]]) -> tuple[str, list[Diagnosis]]:
    """Health and diagnoses of a run that has not said them itself, or that has trained further than is asked."""
    shots = [{"scores": [], **shot.scores.as_json(), "step": shot.step} for shot in files.snapshots]
    record = Record(rows, shots, files.document.execution.log_odds, failed=files.status == "failed")
    found = diagnose(record)
    return health(record, found), [Diagnosis(name=one.name, step=one.step, evidence=one.evidence) for one in found]
