"""The JSON files of a store: what each must hold, and how they are read and written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_serializer, model_validator
from typing_extensions import TypedDict

from gan_bench.api.kinds import Side
from gan_bench.api.reading import Reading
from gan_bench.files import write_json
from gan_bench.store.checksums import checksum
from gan_bench.store.trust import check_document

LARGEST = 1e100  # of a score: the sum of its squares is a number still
MOST_SCORES = 200  # of a snapshot: each is a column of tables and a chart
Whole = Annotated[int, Field(ge=0, lt=2**63)]


class Document(BaseModel):
    """What a file must hold for what reads it; more keys are allowed, and kept."""

    model_config = ConfigDict(extra="allow", strict=True)

    def as_json(self) -> dict[str, Any]:
        """What the file held: no key that it had not."""
        return self.model_dump(exclude_unset=True)


D = TypeVar("D", bound=Document)


class ClassCounts(Document):
    """How many samples of each class there are, in the classes' order."""

    training: list[Whole]
    held_out: list[Whole]


class Dataset(Document):
    """A run's dataset."""

    name: str
    fingerprint: str
    shape: list[Whole] = Field(default_factory=list)
    kind: Literal["image", "points"] = "image"
    classes: list[str] | None = None
    training: Whole | None = None  # samples that are trained on
    held_out: Whole | None = None
    class_counts: ClassCounts | None = None
    chosen: list[str] = Field(default_factory=list)  # how the training samples were chosen, in sentences
    chosen_of: Whole | None = None  # of how many, where not all are trained on as they are
    reading: Reading | None = None  # what it was found to be; None: trained before that was kept

    @field_serializer("reading")
    def _as_lists(self, reading: Reading | None) -> dict[str, Any] | None:
        return None if reading is None else reading.model_dump(mode="json", exclude_unset=True)


class Settings(TypedDict, total=False):
    """A cell's settings: JSON, in which plugins have parameters of their own."""

    __pydantic_config__ = ConfigDict(extra="allow", strict=True)  # type: ignore[misc]

    dataset: Any
    architecture: Any
    tricks: list[dict[str, Any]]
    optimizer: Any
    batch_size: Any
    precision: Any


class Layer(Document):
    """A module of a network."""

    name: str = ""
    type: str = ""
    shape: list[Any] = Field(default_factory=list)
    parameters: Whole | None = None


class Network(Document):
    """A generator or a discriminator."""

    parameters: Whole | None = None
    trainable: Whole | None = None
    flops: Whole | None = None
    layers: list[Layer] = Field(default_factory=list)


class Plugin(Document):
    """A plugin that a run was trained with."""

    kind: str
    name: str
    origin: str = ""
    instead_of: list[str] = Field(
        default_factory=list
    )  # origins of installed plugins of its name, whose place it takes
    source: str = ""  # hash
    file: str | None = None  # where it is one given by path


class RunSession(Document):
    """A time that a run was started or gone on with."""

    from_step: Whole = 0
    started: str = ""
    device: str = ""
    kind: str = ""  # of device; "" where nothing was trained, and in runs of before that was kept
    threads: Whole | None = None
    versions: dict[str, Any] = Field(default_factory=dict)
    hardware: dict[str, Any] = Field(default_factory=dict)


class Execution(Document):
    """How a run's steps are taken."""

    memory_format: str = ""
    joined_pass: bool = False
    log_odds: bool = False


class RunDocument(Document):
    """run.json."""

    run: str = ""
    identity: str = ""
    seed: Whole | None = None
    settings: Settings = Field(default_factory=Settings)
    total_steps: Whole | None = None
    dataset: Dataset | None = None
    plugins: list[Plugin] = Field(default_factory=list)
    networks: dict[str, Network] = Field(default_factory=dict)
    execution: Execution = Field(default_factory=Execution)
    sessions: list[RunSession] = Field(default_factory=list)

    @property
    def kinds(self) -> list[str]:
        """The kinds of devices that it was trained on, the latest last; as far as they are known."""
        return list(dict.fromkeys(session.kind for session in reversed(self.sessions) if session.kind))[::-1]


class Diagnosis(Document):
    """A diagnosis of a run."""

    name: str
    step: Whole
    evidence: str


class ResultDocument(Document):
    """result.json."""

    status: Literal["finished", "failed"]
    reason: str | None = None
    traceback: str | None = None
    steps: Whole | None = None  # none of a run that failed before it trained
    d_steps: Whole | None = None
    images: Whole | None = None
    seconds: float | None = None
    health: str = ""  # "" where it is not known, as of a run trained before there were diagnoses
    diagnoses: list[Diagnosis] = Field(default_factory=list)
    images_per_second: float | None = None
    share_of_peak: float | None = None
    time: dict[str, float] = Field(default_factory=dict)
    peak_memory: Whole | None = None
    graphs: Any = None
    ended: str = ""
    snapshots: list[Whole] = Field(default_factory=list)
    weights: list[Whole] = Field(default_factory=list)

    @model_validator(mode="after")
    def _complete(self) -> ResultDocument:
        if self.status == "finished" and None in (self.steps, self.d_steps, self.images):
            raise ValueError("a finished run has steps, d_steps and images")
        return self


def _usable(value: float | None) -> float | None:
    """A value that is no finite number, or beyond all use, counts as one not computed."""
    return value if value is not None and abs(value) < LARGEST else None


Value = Annotated[float | None, AfterValidator(_usable)]


class AgainstTraining(Document):
    """The same score with training samples in the place of the held-out ones."""

    value: Value


class Alarm(Document):
    """What a number's alarm said of a value."""

    name: str
    evidence: str
    threshold: float
    side: Literal["above", "below"]
    usual: float | None
    real: float | None = None  # what real training data score, where the threshold rests on it


class Score(Document):
    """One score of a snapshot, or of real data."""

    metric: str
    label: str
    value: Value
    protocol_id: str
    protocol: dict[str, Any] = Field(default_factory=dict)
    treatment: str = (
        ""  # of each real sample, in words; no part of the protocol, whose fingerprint tells what became of it
    )
    better: Literal["lower", "higher"] = "lower"
    scale: Literal["log", "raw"] = "raw"
    unit: str = ""
    error: str | None = None
    standard_error: float | None = None
    side: Side | None = None  # of an answer
    by_class: list[Value] = Field(default_factory=list)  # of each class alone, in their order, where it is asked for
    alarm: Alarm | None = None  # of a number that declares one
    generated: Whole | None = None  # where fewer samples were there than the protocol has
    against_training: AgainstTraining | None = None


class ScoresDocument(Document):
    """scores.json."""

    step: Whole | None = None
    d_steps: Whole | None = None
    images: Whole | None = None
    seconds: float | None = None
    diversity: float | None = None
    remarks: list[str] = Field(default_factory=list)  # of real data: what whoever reads the scores should know
    scores: list[Score] = Field(default_factory=list, max_length=MOST_SCORES)
    time: dict[str, float] = Field(default_factory=dict)
    again: list[Score] = Field(default_factory=list, max_length=MOST_SCORES)


class Session(Document):
    """A session of a grid's training."""

    started: str
    seconds: float
    processes: Whole
    images: Whole
    images_per_second: float
    share_of_peak: float
    time: dict[str, float]


class SpeedDocument(Document):
    """speed.json."""

    sessions: list[Session]


@dataclass(frozen=True)
class FileFault:
    """A file of a store that can't be used as it is. As text: for a person."""

    file: Path
    wrong: str  # where and what
    without: str  # what is done without it

    def __str__(self) -> str:
        return f"{self.wrong}; {self.without}"


def write_object(path: Path, value: dict[str, Any], *, flushed: bool = True) -> None:
    """Write a JSON object of a store, with the checksum that `read_object` holds it against."""
    value = json.loads(json.dumps(value, allow_nan=False))  # as it will be read
    write_json(path, {**value, "checksum": checksum(value)}, flushed=flushed)


def read_object(path: Path, form: type[D]) -> D | None:
    """A JSON object of this form, None where there is no such file.

    ValueError: it is damaged, and where; or holds what no table or page could.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        given = value.pop("checksum", None) if isinstance(value, dict) else None
        if given is not None and given != checksum(value):
            raise ValueError("it does not have its checksum")
        if not isinstance(value, dict):
            raise ValueError("it holds no JSON object")
        document = form.model_validate(value)
        check_document(value)
    except FileNotFoundError:
        return None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) + (": " if first["loc"] else "")
        rule = first["msg"].removeprefix("Value error, ").split(" or instance of")[0]
        raise ValueError(f"{path.name} is damaged: {place}{rule}") from error
    except ValueError as error:
        raise ValueError(f"{path.name} is damaged: {error}") from error
    except RecursionError:
        raise ValueError(f"{path.name} is damaged: its values are nested too deeply") from None
    return document


def read_or_fault(path: Path, form: type[D], without: str) -> tuple[D | None, list[FileFault]]:
    """As `read_object`, None also where it is damaged, which the fault says, and what is done `without` it."""
    try:
        return read_object(path, form), []
    except ValueError as error:
        return None, [FileFault(path, f"{path.parent}: {error}", without)]
