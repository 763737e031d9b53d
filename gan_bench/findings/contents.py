"""What ended runs' folders hold, in the store's index: tables of thousands of runs without opening their files.

A file of the index holds up to `RUNS` runs: a line of JSON, in which what runs share stands once, and their curves' columns as
they are in memory.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from gan_bench.findings.run_folders import PICTURES, RunFiles, SnapshotFiles
from gan_bench.store.documents import (
    Dataset,
    Document,
    Execution,
    Network,
    Plugin,
    ResultDocument,
    RunDocument,
    ScoresDocument,
)
from gan_bench.store.index import FEWEST, FOLDER, LIES, read_part, still_so, write_part
from gan_bench.store.places import snapshot_name
from gan_bench.store.trust import check_document, check_name
from gan_bench.store.windows import Windows, count, joined

HEAD = b"gan-bench runs 1"
RUNS = 2_000  # of a file
NAME = re.compile(r"runs-\d{6,}")
MOST_FILES = 64  # above which all are written anew, as few as can be
MOST_ALIKE = 50  # dictionaries of one size that another is compared with
SHARED: dict[str, Callable[[Any], Any]] = {  # parts of run.json that runs of a cell share
    "settings": dict,
    "dataset": Dataset.model_validate,
    "networks": TypeAdapter(dict[str, Network]).validate_python,
    "plugins": TypeAdapter(list[Plugin]).validate_python,
    "execution": Execution.model_validate,
}
KINDS = {"<i8", "<f8"}  # of columns
HEADS = ("metric", "label", "protocol_id", "protocol", "treatment", "better", "scale", "unit", "side")  # of a score


class Contents:
    """The index of one store, as it was when it was first asked."""

    def __init__(self, store: Path) -> None:
        self.folder, self.runs = store / FOLDER, store / "runs"

    @cached_property
    def files(self) -> list[Path]:
        """Its files, the latest last."""
        found = [] if self.folder.is_symlink() else self.folder.glob("runs-*")
        return sorted(file for file in found if NAME.fullmatch(file.name))

    @cached_property
    def _known(self) -> dict[str, tuple[_Segment, dict[str, Any]]]:
        """What is known of each run folder that has not changed since."""
        segments = [one for file in self.files if (one := read_part(file, HEAD, _Segment))]
        every = {name: (segment, entry) for segment in segments for name, entry in segment.runs.items()}
        with suppress(*LIES):
            stamps = {
                os.fspath(self.runs / name): (entry["stamp"], [int(shot["step"]) for shot in entry["snapshots"]])
                for name, (_, entry) in every.items()
            }
            return {(name := os.path.basename(path)): every[name] for path in still_so(stamps)}
        return {}

    def fill(self, files: RunFiles, length: float) -> bool:
        """Fill in what a run folder holds; False where that is not known, or the run has another length than is asked."""
        with suppress(*LIES):
            segment, entry = self._known.pop(files.folder.name)  # so that its memory is free
            result = ResultDocument.model_validate(entry["result"])
            whole = result.status == "failed" or length in (result.steps, math.inf)
            if whole and entry["steps"] <= length:
                segment.fill(files, entry, result)
                return True
        return False

    def keep(self, found: Iterable[RunFiles]) -> None:
        """Write what was read of runs that have ended, if these are many. What can't be written is read again another time."""
        every = [run for run in found if run.stamp]
        new = [run for run in every if not run.known]
        if not new or len(every) < FEWEST:
            return
        old = self.files if len(self.files) >= MOST_FILES or len(new) == len(every) else []
        last = int(self.files[-1].name.partition("-")[2]) if self.files else 0
        runs = every if old else new
        with suppress(OSError):
            for number, start in enumerate(range(0, len(runs), RUNS), last + 1):
                write_part(self.folder / f"runs-{number:06d}", HEAD, _written(runs[start : start + RUNS]))
            for file in old:
                file.unlink()


class Sharing:
    """Lets runs that are alike hold one object of what they share: thousands of descriptions of a network fill the memory."""

    def __init__(self) -> None:
        self._documents: dict[str, RunDocument] = {}
        self._values: dict[int, list[dict[str, Any]]] = {}  # by size

    def share(self, files: RunFiles) -> RunFiles:
        """The same run."""
        if not files.known and files.document.settings:
            own = files.document
            known = self._documents.setdefault(own.model_dump_json(include=set(SHARED)), own)
            for name in SHARED.keys() & known.model_fields_set:
                setattr(own, name, getattr(known, name))
        for session in files.document.sessions:
            self._share(session, "versions")
            self._share(session, "hardware")
        for score in chain.from_iterable((*shot.scores.scores, *shot.scores.again) for shot in files.snapshots):
            self._share(score, "protocol")
        return files

    def _share(self, document: Document, name: str) -> None:
        """Put the first of the equal dictionaries that there were in this one's place, if there is one."""
        if name in document.model_fields_set:
            value = getattr(document, name)
            alike = self._values.setdefault(len(value), [])
            first = next((one for one in alike[-MOST_ALIKE:] if one == value), None)
            if first is None:
                alike.append(value)
            else:
                setattr(document, name, first)


class _Segment:
    """One file of the index."""

    def __init__(self, content: bytes) -> None:
        head, _, self._raw = content.partition(b"\n")
        value = json.loads(head)
        for part in (*value["runs"].values(), {"heads": value["heads"]}, {"parts": value["parts"]}):
            check_document(part)
        self.runs: dict[str, dict[str, Any]] = {check_name(name): entry for name, entry in value["runs"].items()}
        self._groups: list[list[tuple[str, str, int]]] = value["groups"]  # name, type and place of each column
        if {kind for group in self._groups for _, kind, _ in group} - KINDS:
            raise ValueError("a column is of another type than curves are")
        self._heads: list[dict[str, Any]] = value["heads"]
        self._parts = [SHARED[name](part) for name, part in value["parts"]]  # one object for all runs that share it

    def fill(self, files: RunFiles, entry: dict[str, Any], result: ResultDocument) -> None:
        document = {**entry["document"], **{name: self._parts[number] for name, number in entry["parts"].items()}}
        snapshots = []
        for shot in entry["snapshots"]:
            place = f"{files.folder}/snapshots/{snapshot_name(shot['step'])}"
            there = zip(PICTURES, shot["pictures"], strict=True)
            picture, near = (Path(f"{place}/{name}") if one else None for name, one in there)
            scores = {name: self._scores(own) for name, own in shot["scores"].items()}
            read = ScoresDocument.model_validate({**shot["document"], **scores})
            snapshots.append(SnapshotFiles(shot["step"], picture, near, read))
        group, start, rows = entry["curves"]
        if min(start, rows) < 0:
            raise ValueError("a run has fewer windows than none")
        curves = {
            name: np.frombuffer(self._raw, kind, rows, place + 8 * start) for name, kind, place in self._groups[group]
        }
        files.document, files.result, files.curves, files.snapshots = (
            RunDocument.model_validate(document),
            result,
            curves,
            snapshots,
        )
        files.seed = files.seed if files.document.seed is None else files.document.seed
        files.status, files.reason = result.status, result.reason or ""
        files.health, files.diagnoses = result.health, result.diagnoses
        files.stamp, files.known = entry["stamp"], True

    def _scores(self, own: list[tuple[int, dict[str, Any]]]) -> list[dict[str, Any]]:
        return [{**self._heads[head], **rest} for head, rest in own]


class _Numbers:
    """Numbers things as they come; equal ones have one number."""

    def __init__(self) -> None:
        self.things: list[Any] = []
        self._numbers: dict[str, int] = {}

    def of(self, thing: Any) -> int:
        """Its number."""
        number = self._numbers.setdefault(json.dumps(thing), len(self.things))
        if number == len(self.things):
            self.things.append(thing)
        return number


def _written(runs: Sequence[RunFiles]) -> bytes:
    """A file's content."""
    heads, parts, groups = _Numbers(), _Numbers(), _Numbers()
    curves: list[list[Windows]] = []  # by group: runs whose curves have equal columns
    places: list[int] = []  # where a group's next run begins, in windows
    entries = {}
    for run in runs:
        group = groups.of([(name, values.dtype.str) for name, values in run.curves.items()])
        if group == len(curves):
            curves.append([])
            places.append(0)
        document = run.document.as_json()
        entries[run.folder.name] = {
            "stamp": run.stamp,
            "parts": {name: parts.of([name, document.pop(name)]) for name in SHARED if name in document},
            "document": document,
            "result": run.result.as_json() if run.result else {},
            "snapshots": [_snapshot(shot, heads) for shot in run.snapshots],
            "steps": _reach(run),
            "curves": [group, places[group], count(run.curves)],
        }
        curves[group].append(run.curves)
        places[group] += count(run.curves)
    raw: list[bytes] = []
    laid: list[list[tuple[str, str, int]]] = []
    place = 0
    for one, names in zip(curves, groups.things, strict=True):
        table = joined(one)
        laid.append([(name, kind, place + 8 * i * places[len(laid)]) for i, (name, kind) in enumerate(names)])
        place += 8 * len(names) * places[len(laid) - 1]
        raw += [table[name].tobytes() for name, _ in names if name in table]
    head = {"runs": entries, "groups": laid, "heads": heads.things, "parts": parts.things}
    return b"".join([json.dumps(head, separators=(",", ":")).encode(), b"\n", *raw])


def _reach(run: RunFiles) -> int:
    """How far anything goes that is known of a run, in steps."""
    last = run.curves["step"][-1:].tolist() if count(run.curves) else []
    return max([(run.result and run.result.steps) or 0, *last, *(shot.step for shot in run.snapshots)])


def _snapshot(shot: SnapshotFiles, heads: _Numbers) -> dict[str, Any]:
    document = shot.scores.as_json()
    scores = {name: document.pop(name) for name in ("scores", "again") if name in document}
    return {
        "step": shot.step,
        "pictures": [shot.picture is not None, shot.neighbours is not None],
        "document": document,
        "scores": {name: [_parted(score, heads) for score in own] for name, own in scores.items()},
    }


def _parted(score: dict[str, Any], heads: _Numbers) -> tuple[int, dict[str, Any]]:
    head = {name: score.pop(name) for name in HEADS if name in score}
    return heads.of(head), score
