"""Reading a store's files as they lie there: finished, failed, still being written, or damaged."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gan_bench.checksums import checksum, has_its_sum
from gan_bench.diagnosis import Record, as_json
from gan_bench.files import write_json

LARGEST = 1e100  # of a score: the sum of its squares is a number still
MOST_SCORES = 200  # of a snapshot: each is a column of tables and a chart
Whole = Annotated[int, Field(ge=0, lt=2**63)]


class Document(BaseModel):
    """What a file must hold for what reads it; more keys are allowed, and kept."""

    model_config = ConfigDict(extra="allow", strict=True)


class _Dataset(Document):
    name: str
    fingerprint: str


class _Settings(Document):
    tricks: list[dict[str, Any]] = []


class _Layer(Document):
    shape: list[Any] = []
    parameters: Whole | None = None


class _Network(Document):
    parameters: Whole | None = None
    flops: Whole | None = None
    layers: list[_Layer] = []


class _RunSession(Document):
    from_step: Whole = 0


class _Execution(Document):
    log_odds: bool = False


class RunDocument(Document):
    """run.json."""

    seed: Whole | None = None
    settings: _Settings = _Settings()
    dataset: _Dataset | None = None
    networks: dict[str, _Network] = {}
    plugins: list[dict[str, Any]] = []
    execution: _Execution = _Execution()
    sessions: list[_RunSession] = []


class _Diagnosis(Document):
    name: str
    step: Whole
    evidence: str


class ResultDocument(Document):
    """result.json."""

    status: Literal["finished", "failed"]
    steps: Whole | None = None  # none of a run that failed before it trained
    reason: str | None = None
    d_steps: Whole | None = None
    images: Whole | None = None
    seconds: float | None = None
    images_per_second: float | None = None
    share_of_peak: float | None = None
    peak_memory: Whole | None = None
    time: dict[str, float] = {}
    health: str = ""  # "" where it is not known, as of a run trained before there were diagnoses
    diagnoses: list[_Diagnosis] = []
    snapshots: list[Whole] = []
    weights: list[Whole] = []

    @model_validator(mode="after")
    def _complete(self) -> ResultDocument:
        if self.status == "finished" and None in (self.steps, self.d_steps, self.images):
            raise ValueError("a finished run has steps, d_steps and images")
        return self


class _Value(Document):
    value: float | None


class _Score(Document):
    metric: str
    label: str
    value: float | None
    protocol_id: str
    protocol: dict[str, Any] = {}
    better: Literal["lower", "higher"] = "lower"
    scale: Literal["log", "raw"] = "raw"
    unit: str = ""
    error: str | None = None
    generated: Whole | None = None  # where fewer samples were there than the protocol has
    against_training: _Value | None = None


class ScoresDocument(Document):
    """scores.json."""

    d_steps: Whole | None = None
    images: Whole | None = None
    seconds: float | None = None
    diversity: float | None = None
    scores: Annotated[list[_Score], Field(max_length=MOST_SCORES)] = []
    time: dict[str, float] = {}
    again: Annotated[list[_Score], Field(max_length=MOST_SCORES)] = []


class _GridRun(Document):
    label: str
    steps: Whole


class _Level(Document):
    label: str
    reference: bool
    runs: dict[Annotated[str, Field(pattern=r"^\d+$")], str]


class _Look(Document):
    seeds: list[Whole]
    share: Annotated[float, Field(ge=1e-9, le=1)]


class _Comparison(Document):
    title: str
    axes: list[str] = []
    budget: str = "steps"
    levels: Annotated[list[_Level], Field(min_length=1)]
    looks: list[_Look] = []


class _Session(Document):
    started: str
    seconds: float
    processes: Whole
    images: Whole
    images_per_second: float
    share_of_peak: float
    time: dict[str, float]


class SpeedDocument(Document):
    """speed.json."""

    sessions: list[_Session]


class GridDocument(Document):
    """grid.json."""

    name: str = ""
    arguments: list[str] = []
    runs: dict[str, _GridRun] = {}
    comparisons: list[_Comparison] = []


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
    diversity: list[float | None] = field(default_factory=list)  # of each snapshot (`gan_bench.diversity`)
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


def write_object(path: Path, value: dict[str, Any], *, flushed: bool = True) -> None:
    """Write a JSON object of a store, with the checksum that `read_object` holds it against."""
    value = json.loads(json.dumps(value, allow_nan=False))  # as it will be read
    write_json(path, {**value, "checksum": checksum(value)}, flushed=flushed)


def read_object(path: Path, model: type[Document]) -> dict[str, Any] | None:
    """A JSON object of this form, None where there is no such file. ValueError: it is damaged, and where."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        given = value.pop("checksum", None) if isinstance(value, dict) else None
        if given is not None and given != checksum(value):
            raise ValueError("it does not have its checksum")
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path.name} is damaged: {error}") from error
    except RecursionError:
        raise ValueError(f"{path.name} is damaged: its values are nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path.name} is damaged: it holds no JSON object")
    try:
        model.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) + (": " if first["loc"] else "")
        rule = first["msg"].removeprefix("Value error, ").split(" or instance of")[0]
        raise ValueError(f"{path.name} is damaged: {place}{rule}") from error
    return value


def read_curves(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a curves.jsonl; the line that is being written is left out."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return []
    lines = text[: text.rfind(b"\n") + 1].splitlines()
    if not all(map(has_its_sum, lines)):
        raise ValueError(f"{path.name} is damaged: a line does not have its checksum")
    try:
        rows = json.loads(b"[" + b",".join(lines) + b"]")  # one call: several times faster than one a line
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} is damaged: {error}") from error
    if not all(isinstance(row, dict) and type(row.get("step")) is int for row in rows):
        raise ValueError(f"{path.name} is damaged: a line is no object with a step")
    if not set(map(type, chain.from_iterable(row.values() for row in rows))) <= {int, float, NoneType}:
        raise ValueError(f"{path.name} is damaged: a value is no number")
    for row in rows:
        row.pop("crc", None)
    return rows


def scores_in(document: dict[str, Any], key: str = "scores") -> list[dict[str, Any]]:
    """The scores of a scores.json, or those of other samples.

    A value that is no finite number, or beyond all use, counts as one not computed."""
    scores: list[dict[str, Any]] = document.get(key, [])
    for score in scores:
        for entry in (score, score.get("against_training") or {}):
            if entry.get("value") is not None and not abs(entry["value"]) < LARGEST:
                entry["value"] = None
    return scores
