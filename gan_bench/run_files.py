"""Reading one run folder as it lies there: finished, failed, still being written, or damaged."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class RunFiles:
    """What one run folder holds."""

    run: str  # key in the tables
    store: str
    folder: Path
    document: dict[str, Any] = field(default_factory=dict)  # run.json, with result.json as `result`
    curves: list[dict[str, Any]] = field(default_factory=list)
    scores: list[dict[str, Any]] = field(
        default_factory=list
    )  # of all snapshots, with the snapshot's step, images, ...
    pictures: list[tuple[int, Path]] = field(default_factory=list)  # step and sample grid
    status: str = "unfinished"  # finished, failed, unfinished, damaged
    reason: str = ""

    @property
    def progress(self) -> dict[str, Any]:
        """How far a run without result.json has come, from its last complete window."""
        last = self.curves[-1] if self.curves else {}
        return {"steps": last.get("step"), **{name: last.get(name) for name in ("d_steps", "images", "seconds")}}


def read_run(folder: Path, store: str, run: str, length: float = math.inf) -> RunFiles:
    """Read a run folder, as far as `length` steps: an earlier command may have trained further.

    What is damaged is said in `status` and `reason`; what else could be read is kept.
    """
    files = RunFiles(run, store, folder)
    try:
        files.document = read_object(folder / "run.json") or {}
        result = read_object(folder / "result.json")
        files.curves = [row for row in read_curves(folder / "curves.jsonl") if row["step"] <= length]
        for snapshot in sorted((folder / "snapshots").glob("step-*")):
            if int(snapshot.name.removeprefix("step-")) <= length:
                _read_snapshot(snapshot, files)
        if result is not None and not (result["status"] == "finished" and result["steps"] < length < math.inf):
            if result.get("steps", 0) > length and files.scores:
                last = files.scores[-1]
                result |= {name: last[name] for name in ("d_steps", "images", "seconds")} | {"steps": length}
            files.document["result"] = result
            files.status, files.reason = result["status"], result.get("reason") or ""
    except KeyError as error:
        files.status, files.reason = "damaged", f"a file lacks {error}"
    except (ValueError, TypeError, OSError) as error:
        files.status, files.reason = "damaged", str(error)
    return files


def _read_snapshot(snapshot: Path, files: RunFiles) -> None:
    step = int(snapshot.name.removeprefix("step-"))
    if (snapshot / "samples.png").is_file():
        files.pictures.append((step, snapshot / "samples.png"))
    document = read_object(snapshot / "scores.json") or {}
    moment = {"step": step, **{name: document.get(name) for name in ("d_steps", "images", "seconds")}}
    files.scores += [{**score, **moment} for score in scores_in(document)]


def read_object(path: Path) -> dict[str, Any] | None:
    """A JSON object, None where there is no such file. ValueError: it is damaged, and where."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path.name} is damaged: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path.name} is damaged: it holds no JSON object")
    return value


def read_curves(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a curves.jsonl; the line that is being written is left out."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return []
    lines = text[: text.rfind(b"\n") + 1].splitlines()
    try:
        rows = json.loads(b"[" + b",".join(lines) + b"]")  # one call: several times faster than one a line
    except ValueError as error:
        raise ValueError(f"{path.name} is damaged: {error}") from error
    if not all(isinstance(row, dict) and "step" in row for row in rows):
        raise ValueError(f"{path.name} is damaged: a line is no object with a step")
    return rows


def scores_in(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The scores of a scores.json, checked. A value that is no finite number counts as one that could not be computed."""
    scores = document.get("scores", [])
    for score in scores:
        if not isinstance(score, dict) or not {"metric", "label", "value", "protocol_id"} <= score.keys():
            raise ValueError("scores.json is damaged: a score lacks metric, label, value or protocol_id")
        if score["value"] is not None and not math.isfinite(score["value"]):
            score["value"] = None
    return scores
