"""Reading a store's files as they lie there: finished, failed, still being written, or damaged."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gan_bench.store.curves import read_curves
from gan_bench.store.documents import ResultDocument, RunDocument, ScoresDocument, read_object, scores_in
from gan_bench.training.diagnosis import Record, as_json


@dataclass
class RunFiles:
    """What one run folder holds."""

    run: str  # key in the tables
    store: str
    folder: Path
    label: str = ""  # of its cell
    seed: int | None = None
    document: dict[str, Any] = field(default_factory=dict)  # run.json, with result.json as `result`
    curves: list[dict[str, Any]] = field(default_factory=list)
    snapshots: list[int] = field(default_factory=list)  # their steps, in order
    scores: list[dict[str, Any]] = field(
        default_factory=list
    )  # of all snapshots, with the snapshot's step, images, ...
    again: list[dict[str, Any]] = field(default_factory=list)  # of best snapshots, on other samples, with the step
    diversity: list[float | None] = field(default_factory=list)  # of each snapshot (`gan_bench.scoring.diversity`)
    pictures: list[tuple[int, Path]] = field(default_factory=list)  # step and sample grid
    neighbours: list[tuple[int, Path]] = field(default_factory=list)  # step and picture of nearest training samples
    status: str = "unfinished"  # finished, failed, unfinished, damaged
    reason: str = ""
    health: str = ""  # names of its diagnoses, "healthy", or "" where that is not known
    diagnoses: list[dict[str, Any]] = field(default_factory=list)  # name, step, evidence

    @property
    def progress(self) -> dict[str, Any]:
        """How far a run without result.json has come, from its last complete window."""
        last = self.curves[-1] if self.curves else {}
        return {"steps": last.get("step"), **{name: last.get(name) for name in ("d_steps", "images", "seconds")}}

    @property
    def dataset(self) -> dict[str, Any]:
        """Name, fingerprint and so on of the dataset; empty before the run has begun."""
        return self.document.get("dataset") or {}


def read_run(files: RunFiles, length: float = math.inf) -> RunFiles:
    """Read a run folder, as far as `length` steps: an earlier command may have trained further.

    What is damaged is said in `status` and `reason`; what else could be read is kept. A folder that is not there yet is an
    unfinished run.
    """
    folder = files.folder
    try:
        files.document = read_object(folder / "run.json", RunDocument) or {}
        files.seed = files.document.get("seed", files.seed)
        # Before all else, for it is written after all else: a finished run is then read whole.
        result = read_object(folder / "result.json", ResultDocument)
        files.curves = [row for row in read_curves(folder / "curves.jsonl") if row["step"] <= length]
        for snapshot in sorted((folder / "snapshots").glob("step-*")):
            if int(snapshot.name.removeprefix("step-")) <= length:
                _read_snapshot(snapshot, files)
        steps = (result and result.get("steps")) or 0
        if result is not None and not (result["status"] == "finished" and steps < length < math.inf):
            if steps > length and files.scores:
                last = files.scores[-1]
                result |= {name: last[name] for name in ("d_steps", "images", "seconds")} | {"steps": length}
            files.document["result"] = result
            files.status, files.reason = result["status"], result.get("reason") or ""
        whole = files.status != "unfinished" and steps <= length
        known = result if result and whole else as_json(_record(files))
        files.health, files.diagnoses = known.get("health", ""), known.get("diagnoses", [])
    except (ValueError, OSError) as error:
        files.status, files.reason = "damaged", str(error)
    return files


def _read_snapshot(snapshot: Path, files: RunFiles) -> None:
    step = int(snapshot.name.removeprefix("step-"))
    files.snapshots.append(step)
    if (snapshot / "samples.png").is_file():
        files.pictures.append((step, snapshot / "samples.png"))
    if (snapshot / "neighbours.png").is_file():
        files.neighbours.append((step, snapshot / "neighbours.png"))
    document = read_object(snapshot / "scores.json", ScoresDocument) or {}
    costs = document.get("time") or {}
    files.diversity.append(document.get("diversity"))
    moment = {"step": step, **{name: document.get(name) for name in ("d_steps", "images", "seconds")}}
    files.scores += [{**score, **moment, "cost": costs.get(score["metric"])} for score in scores_in(document)]
    files.again += [{**score, "step": step} for score in scores_in(document, "again")]


def _record(files: RunFiles) -> Record:
    """What diagnoses are made from, of a run that has not said them itself, or that has trained further than is asked."""
    shots = [
        {"step": step, "diversity": diversity, "scores": [score for score in files.scores if score["step"] == step]}
        for step, diversity in zip(files.snapshots, files.diversity, strict=True)
    ]
    return Record(
        files.curves,
        shots,
        log_odds=bool((files.document.get("execution") or {}).get("log_odds")),
        failed=files.status == "failed",
    )
