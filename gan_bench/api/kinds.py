"""What a plugin author writes: an architecture, a dataset, a trick, a metric or a feature extractor.

A plugin is a frozen pydantic model: its fields are its parameters. The same declaration validates the grid file, prints
``gan-bench plugins NAME`` and makes the JSON Schema for editors.
"""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gan_bench.api.data_spec import DataSpec, Modes
from gan_bench.api.dataset_fields import Crop, Selection, Subset
from gan_bench.api.reading import Reading
from gan_bench.api.tables import fault
from gan_bench.errors import GanBenchError, ParameterError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

    from gan_bench.api.recipe import Recipe
    from gan_bench.api.samples import PreparedData, RealData


class Plugin(BaseModel, ABC):
    """A named thing with typed, bounded, described parameters."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: ClassVar[str]
    # Tables of parameters that `gan_bench.checks` tries beside the defaults, in 7 steps on 8x8 pictures.
    checked_with: ClassVar[Sequence[Mapping[str, Any]]] = ()

    @classmethod
    def summary(cls) -> str:
        """The first line of the docstring."""
        return (cls.__doc__ or "").strip().split("\n")[0]

    def settings(self) -> dict[str, Any]:
        """Name and every parameter, as JSON values."""
        return {"name": self.name, **self.model_dump(mode="json")}


class Architecture(Plugin):
    """A generator and a discriminator for given data.

    Both methods build a fresh network each time they are called, and draw its initial weights from PyTorch's default
    generator, which the core seeds.

    One whose parameter `conditional` is not "none" is told the classes: its networks take labels (B,) int64 below
    `len(data.classes)` as a second argument. Where it is "auxiliary", D returns logits and class logits (B, classes).
    """

    latent: int = Field(100, ge=1, description="size of the latent vector z")

    @property
    def takes_labels(self) -> bool:
        """Whether its networks are called with labels: `(z, y)` and `(x, y)`."""
        return getattr(self, "conditional", "none") != "none"

    def settings(self) -> dict[str, Any]:
        """Name and parameters, as JSON values. `conditional` is unsaid at its default, "none", as in stores from before."""
        parameter = type(self).model_fields.get("conditional")
        unsaid = parameter is not None and parameter.default == "none" and not self.takes_labels
        return {key: value for key, value in super().settings().items() if not (unsaid and key == "conditional")}

    @abstractmethod
    def generator(self, data: DataSpec) -> nn.Module:
        """A network (B, latent) -> (B, *data.shape); images have values in [-1, 1]. ValueError: data it can't make."""

    @abstractmethod
    def discriminator(self, data: DataSpec) -> nn.Module:
        """A network (B, *data.shape) -> logits (B, k), k mostly 1. ValueError: data it can't judge."""


class Part(Protocol):
    """Samples and labels by index: `part[i]` is `(sample, label)`, as torchvision's datasets give them.

    An image is uint8 of the dataset's shape, 0 to 255 (an array or tensor); points are float32. The label is an int,
    -1 where there is none. A third element, if there is one, has facts on how the sample was found, by kind: texts are
    counted and numbers give a range, as in `{"mode": "RGB", "width": 640}`, which every command tells of the data. A part
    whose attribute `parallel` is True is read by several processes at once, forked ones, or threads.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> tuple[Any, int] | tuple[Any, int, Mapping[str, str | float]]: ...


class SkipSample(Exception):
    """Raised by `part[i]`: sample i is unreadable. Its text names the sample and the reason.

    The core leaves it out and counts it; more than half unreadable is an error.
    """


@dataclass(frozen=True, kw_only=True)
class _Source:
    """What is told of where samples come from."""

    left_out: Mapping[str, Sequence[str]] = field(default_factory=dict)  # names of what is no sample, by the reason
    notes: Sequence[
        str
    ] = ()  # sentences on how the source was taken: which folders are the parts, what gave the labels
    treatment: str = ""  # what is done to each sample, in words


@dataclass(frozen=True)
class Parts(_Source):
    """A dataset's two parts; no sample stands in both. Scores are against the held-out one."""

    training: Part
    held_out: Part


@dataclass(frozen=True)
class Undivided(_Source):
    """All of a dataset's samples, for the core to divide: by what they decode to, and each class in proportion.

    Samples that decode to equal bits stand in one part, whatever they are called, and a sample that is added moves few of the
    others. `held_out` is the share of different samples to hold out.
    """

    samples: Part
    held_out: float


DECODED = frozenset({"crop"})  # of the parameters of every dataset, those that say what a sample is


class Dataset(Plugin):
    """Real samples, in a training and a held-out part.

    The core decodes every sample once into a memory-mapped cache, scales uint8 images from [0, 255] to [-1, 1] and takes
    batches from there. Which of the training samples are trained on is the core's affair too, and no `load` knows of it: the
    parameters declared here, which every dataset has, say it (`gan_bench.data.training_set`), each after those before it.
    But `crop` says what is decoded (`gan_bench.data.centre`).
    """

    subset: Subset = Field(
        1.0,
        description="what is trained on: a share of the training samples, or their number; the smaller is part of the larger",
    )
    select: Selection = Field(
        1.0,
        description="share of the training samples that is kept, the likeliest; or a table of keep and features to judge by",
    )
    balance: bool = Field(
        False, description="training samples are repeated until every class has as many as the largest"
    )
    flip: bool = Field(False, description="training pictures are taken twice, once mirrored left to right")
    crop: Crop = Field(
        1.0,
        description="what is taken of each picture, from its centre: a share of its sides, or a square of so many pixels",
    )

    kind: ClassVar[Literal["image", "points"]] = "image"
    location_fields: ClassVar[frozenset[str]] = frozenset({"root", "download"})  # say where data lies, not what it is

    if TYPE_CHECKING:

        @property
        def shape(self) -> tuple[int, ...]:
            """Shape of one sample, known without reading data: (C, H, W) for images, (D,) for points."""
    else:  # so that both `shape = (2,)` and a property will do; pydantic would take the former for a parameter
        shape: ClassVar[tuple[int, ...]]

    def settings(self) -> dict[str, Any]:
        """Name and parameters, as JSON values. Those of every dataset are unsaid at their defaults, as in stores from before."""
        unsaid = shared(type(self)) - said(self).keys()
        return {name: value for name, value in super().settings().items() if name not in unsaid}

    def classes(self) -> tuple[str, ...] | None:
        """Names of the classes that labels count from 0, or None. GanBenchError: the data that tells is missing."""
        return None

    def known_modes(self) -> Modes | None:
        """The mixture that the samples are drawn from, where that is known: the truth that the metric `modes` counts by."""
        return None

    def files(self) -> Iterable[str | Path]:
        """The files whose bytes determine the samples (none: parameters and code do). GanBenchError: they are missing."""
        return ()

    @model_validator(mode="after")
    def _of_pictures(self) -> Self:
        for name in ("flip", "crop"):
            if self.kind == "points" and name in said(self):
                rule = f"changes pictures, and the samples of {self.name} are points"
                raise fault(rule, name, cure="Leave it out.")
        return self

    def left_out(self) -> Mapping[str, Sequence[str]]:
        """Names of what lies where samples are read and is none, by the reason.

        It is asked for each time the data are used: files that nobody reads may come and go. What is known of the samples
        alone can stand in what `load` returns.
        """
        return {}

    @abstractmethod
    def load(self) -> Parts | Undivided:
        """The samples, decoded one by one as they are indexed. GanBenchError: missing or damaged data, and the cure."""

    def check_reading(self, reading: Reading) -> None:
        """Called when all samples are decoded, with what was found. GanBenchError: it can't be as it was taken."""

    def spec(self) -> DataSpec:
        """What networks must know of this dataset. GanBenchError: its shape or classes are wrong."""
        classes = self.classes()
        try:
            shape = check_shape(self.shape, self.kind)
        except ValueError as error:
            raise GanBenchError(f"dataset {self.name}: {error}") from None
        if (crop := said(self).get("crop", 1.0)) > min(shape[1:], default=1):
            rule = f"dataset {self.name}: samples of {shape[1]}x{shape[2]} pixels have no square of {crop}x{crop}"
            raise ParameterError(rule, "crop")
        modes = self.known_modes()
        if not isinstance(modes, Modes | None):
            raise GanBenchError(
                f"dataset {self.name}: known_modes() must return gan_bench.Modes or None (found: {modes!r})"
            )
        return DataSpec(shape, self.kind, None if classes is None else tuple(map(str, classes)), modes)


def shared(cls: type[Dataset]) -> set[str]:
    """The parameters of every dataset: those declared in `Dataset`. One that a plugin declares anew is its own."""
    above = cls.__mro__[: cls.__mro__.index(Dataset)]
    return Dataset.model_fields.keys() - {name for one in above for name in inspect.get_annotations(one)}


def said(dataset: Dataset) -> dict[str, Any]:
    """Those of them that are not at their defaults, which leave all samples as they are."""
    values = {name: getattr(dataset, name) for name in sorted(shared(type(dataset)))}
    return {name: value for name, value in values.items() if value != Dataset.model_fields[name].default}


def choice(dataset: Dataset) -> dict[str, Any]:
    """Those of these that say what is trained on of the decoded samples."""
    return {name: value for name, value in said(dataset).items() if name not in DECODED}


def check_shape(shape: Any, kind: str) -> tuple[int, ...]:
    """The shape of a sample. ValueError: samples of this kind can't have it."""
    wanted = "(channels, height, width)" if kind == "image" else "(numbers in a point,)"
    numbers = isinstance(shape, tuple | list) and all(type(size) is int and size > 0 for size in shape)
    if not numbers or len(shape) != (3 if kind == "image" else 1):
        raise ValueError(f"`shape` must be {wanted} where kind is {kind!r} (found: {shape!r})")
    return tuple(shape)


RECIPE_PARTS = {  # what a trick can say that it replaces or needs
    "loss": "recipe.loss",
    "targets": "the targets of that loss",
    "schedule": "recipe.d_steps and recipe.g_per_d",
    "discriminator": "recipe.discriminator, made anew",
    "sampled": "recipe.sampled",
    "networks": "the networks as they are trained",
    "prior": "the distribution of latents, N(0, I)",
}


class Trick(Plugin):
    """A change of the training recipe, made once, before training."""

    replaces: ClassVar[frozenset[str] | set[str]] = frozenset()  # words of RECIPE_PARTS
    wraps: ClassVar[frozenset[str] | set[str]] = (
        frozenset()
    )  # what it makes anew of what is there, once others replaced it
    needs: ClassVar[frozenset[str] | set[str]] = frozenset()  # what another trick of the same run must not replace
    needs_length: ClassVar[bool] = False  # True: reads recipe.total_steps, so longer training is another run
    # Tables of architectures that `gan_bench.checks` tries it on, beside small perceptrons and convolutions.
    checked_on: ClassVar[Sequence[Mapping[str, Any]]] = ()

    @abstractmethod
    def edit(self, recipe: Recipe) -> None:
        """Change the recipe in place. ValueError: these networks or settings don't allow the trick, and why."""


class Features(Protocol):
    """A feature extractor that is ready: trained or loaded, on its device.

    One that tells classes apart has a method `logits` as well, from features (N, d) on the CPU to logits (N, classes):
    metrics that read logits need it. One may have `remarks`, sentences that whoever reads scores of these features should
    know; unlike the protocol they make no other score of it.
    """

    label: str  # short name of the feature space, shown with every score: "classifier", "inception-2048"
    protocol: dict[str, Any]  # everything a score rests on: weights' hash, resize, accuracy, ...

    def __call__(self, samples: torch.Tensor) -> torch.Tensor:
        """(B, *shape) values in [-1, 1] -> features (B, d), float32."""
        ...


class FeatureExtractor(Plugin):
    """Turns samples into the features that metrics compare."""

    @abstractmethod
    def prepare(self, data: PreparedData, cache: Path, device: torch.device) -> Features:
        """The extractor for this dataset, made once and kept in the folder `cache`; deterministic.

        GanBenchError: what it needs (labels, weights) is missing, and the cure.
        """


@dataclass(frozen=True)
class Alarm:
    """The diagnosis of a run whose number has reached a threshold, at its last two snapshots at least.

    It stands with each score in scores.json, as `Metric.alarm_of` has made it for the data, so that a run's files alone tell its
    diagnoses. ValueError: words that mean nothing, or thresholds that are no finite numbers.
    """

    name: str  # in one or two words: "memorising"
    sentence: str  # what it means, as docs/diagnosis.md says it
    evidence: str  # what follows the value, a share in percent; {label}, {real} and {usual} stand for these
    threshold: float
    source: str  # whose threshold or test it is
    side: Literal["above", "below"] = "above"  # of the threshold, on which it holds
    usual: float | None = None  # a value that means nothing: 3 standard errors from there the number must be as well
    of_real: bool = False  # whether the threshold is a share of what real training data score

    def __post_init__(self) -> None:
        if self.side not in ("above", "below"):
            raise ValueError(f"an Alarm is 'above' or 'below' its threshold (found: {self.side!r})")
        if not all(map(math.isfinite, (self.threshold, self.usual or 0.0))):
            raise ValueError(f"an Alarm has finite thresholds (found: {self.threshold!r}, {self.usual!r})")
        if not (self.name and self.name.isprintable() and "," not in self.name):
            raise ValueError(f"an Alarm has a name without commas (found: {self.name!r})")


Side = Literal["distance", "quality", "diversity"]


@dataclass(frozen=True)
class Number:
    """How one of a metric's numbers is compared and shown. ValueError: words that mean nothing."""

    better: Literal["lower", "higher"] = "lower"
    scale: Literal["log", "raw"] = "raw"  # log: strictly positive, differences are told in percent
    unit: str = ""  # such as "share" or "nats"; "": a bare number
    alarm: Alarm | None = None  # what is wrong with a run that has reached such values
    side: Side | None = None  # how good samples are, how varied, or both in one; None: neither

    def __post_init__(self) -> None:
        words = (self.better, ("lower", "higher")), (self.scale, ("log", "raw")), (self.side, (None, *get_args(Side)))
        for word, known in words:
            if word not in known:
                raise ValueError(f"a Number is {' or '.join(map(repr, known))} (found: {word!r})")

    def facts(self) -> dict[str, Any]:
        """What stands with each of its scores, whatever the data: JSON values."""
        return {name: value for name, value in asdict(self).items() if value is not None and name != "alarm"}


class Estimate(NamedTuple):
    """A number and the standard error that its finite samples leave: no interval over training runs.

    NaN is no standard error. A metric that reads labels can tell its number of each class, None where it has none.
    """

    value: float
    standard_error: float
    by_class: Sequence[float | None] = ()


class Metric(Plugin):
    """One number, or several, from generated and held-out real samples, or from features of them.

    `reads` says what they are given as: features (N, d), the classifier's logits (N, classes) or the samples themselves
    (N, *shape) in [-1, 1], pictures quantised to 8 bits as if they had been saved.

    With `reads_labels`, `score` is also given `labels=`, (N,) int64: the classes that the samples were asked for. Runs whose
    networks take no labels have no such score. Labels of real samples stand in `data.data` of `reference_of`.
    """

    reads_labels: ClassVar[bool] = False
    reads: ClassVar[Literal["features", "logits", "samples"]] = "features"
    better: ClassVar[Literal["lower", "higher"]] = "lower"
    scale: ClassVar[Literal["log", "raw"]] = "raw"  # log: strictly positive, differences are told in percent
    unit: ClassVar[str] = ""
    alarm: ClassVar[Alarm | None] = None
    side: ClassVar[Side | None] = None  # of an answer: quality, diversity, or a distance that adds both
    numbers: ClassVar[Mapping[str, Number]] = {}  # by name, where `score` returns several, in place of the five above

    @classmethod
    def every_number(cls) -> Mapping[str, Number]:
        """Its numbers by name, "" where there is but one."""
        return cls.numbers or {"": Number(cls.better, cls.scale, cls.unit, cls.alarm, cls.side)}

    def label(self, features: Features) -> str:
        """The name under which the score is shown; it names the features. Several numbers have their own names."""
        return named(self.name, self, features)

    def reference(self, real: torch.Tensor) -> torch.Tensor | dict[str, torch.Tensor]:
        """What `score` needs of the real (M, ...), made once and kept in a file: by default the features themselves.

        ValueError: it can't be made of these, and why.
        """
        return real

    def reference_of(self, data: RealData) -> torch.Tensor | dict[str, torch.Tensor]:
        """As `reference`, for a metric that needs more than the held-out part: training data, labels, modes."""
        return self.reference(data.held_out)

    def remarks(self, data: RealData, generated: int) -> Iterable[str]:
        """What whoever reads its scores of these data should know, a sentence each: that samples are few for it, say.

        `generated` samples will be scored. They are told before training, and stand in the report.
        """
        return ()

    def standardised(self, features: Features) -> bool:
        """Whether a metric that reads features gets them divided by one number, the root mean square of the held-out data's.

        So a kernel of a fixed width means the same for every extractor. The protocol says so.
        """
        return False

    def alarm_of(self, name: str, real: float | None, data: PreparedData, features: Features) -> Alarm | None:
        """The alarm of one of its numbers on these data, read from these features; None: it has none that would mean anything.

        `real` is what real training samples score, as many as are generated if there are so many, chosen at random; None: it
        can't be computed, or the number's alarm is not `of_real`.
        """
        alarm = self.every_number()[name].alarm
        if alarm is None or not alarm.of_real:
            return alarm
        return replace(alarm, threshold=alarm.threshold * real) if real else None  # of 0 there is no share

    @abstractmethod
    def score(
        self, generated: torch.Tensor, reference: Any
    ) -> float | Estimate | Mapping[str, float] | Mapping[str, Estimate]:
        """The number, or those in `numbers` by name, from generated (N, ...) and the reference.

        ValueError: it can't be computed, and why.
        """


def named(name: str, metric: Metric, features: Features) -> str:
    """A number's name with that of the features that it is read from, if any."""
    return name if metric.reads == "samples" else f"{name}[{features.label}]"


KINDS: dict[str, type[Plugin]] = {
    "architecture": Architecture,
    "dataset": Dataset,
    "trick": Trick,
    "metric": Metric,
    "features": FeatureExtractor,
}


class ArrayPart:
    """A part held in memory: samples (N, *shape) and labels (N,), both indexable."""

    def __init__(self, samples: Any, labels: Any = None) -> None:
        self.samples, self.labels = samples, None if labels is None else _whole_numbers(labels)
        if self.labels is not None and len(self.labels) != len(samples):
            raise ValueError(f"{len(samples)} samples but {len(self.labels)} labels")

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.samples[index], -1 if self.labels is None else int(self.labels[index])


def _whole_numbers(labels: Any) -> np.ndarray:
    """Labels (N,) as int64. ValueError: text, fractions, or another shape."""
    import numpy as np

    found = np.asarray(labels)
    if found.ndim != 1:
        raise ValueError(f"labels must have shape (N,), one whole number a sample (found: shape {found.shape})")
    if found.dtype.kind not in "biuf" or (found != np.trunc(found)).any():
        wrong = next(label for label in found.tolist() if not isinstance(label, int | float) or label % 1)
        rule = f"labels must be whole numbers that count the classes from 0, -1 for none (found: {wrong!r})"
        raise ValueError(f"{rule}. names, labels = np.unique(labels, return_inverse=True) makes them")
    return found.astype(np.int64)
