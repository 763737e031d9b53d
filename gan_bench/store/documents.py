"""The JSON files of a store: what each must hold, and how they are read and written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gan_bench.files import write_json
from gan_bench.store.checksums import checksum

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


class _Alarm(Document):
    name: str
    evidence: str
    threshold: float
    side: Literal["above", "below"]
    usual: float | None


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
    standard_error: float | None = None
    alarm: _Alarm | None = None  # of a number that declares one
    generated: Whole | None = None  # where fewer samples were there than the protocol has
    against_training: _Value | None = None


class ScoresDocument(Document):
    """scores.json."""

    d_steps: Whole | None = None
    images: Whole | None = None
    seconds: float | None = None
    diversity: float | None = None
    remarks: list[str] = []  # of real data: what whoever reads the scores should know
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


def scores_in(document: dict[str, Any], key: str = "scores") -> list[dict[str, Any]]:
    """The scores of a scores.json, or those of other samples.

    A value that is no finite number, or beyond all use, counts as one not computed."""
    scores: list[dict[str, Any]] = document.get(key, [])
    for score in scores:
        for entry in (score, score.get("against_training") or {}):
            if entry.get("value") is not None and not abs(entry["value"]) < LARGEST:
                entry["value"] = None
    return scores
