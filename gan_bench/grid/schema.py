"""The core's own keys of a grid file: their types, bounds, defaults and descriptions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from gan_bench.api.tables import fault, plugin_table, usual_features, with_features

MAX_RUNS = 100_000
MAX_SEED = 2**63 - 1
NETWORKS = ("generator", "discriminator")
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # Windows has no such folders


class Keys(BaseModel):
    """A table of the grid file: unknown keys, NaN and infinity are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


OPTION = re.compile(r"[a-z][a-z0-9-]+")  # a long option of sbatch, without its dashes
OWN_OPTIONS = {
    "array",
    "dependency",
    "signal",
    "requeue",
    "no-requeue",
    "output",
    "error",
    "open-mode",
    "parsable",
    "wrap",
    "chdir",
    "job-name",
    "kill-on-invalid-dep",
}
UNFIT_OPTIONS = {"wait", "test-only", "clusters", "uid", "gid", "input"}  # by which no job of our own is submitted here

PluginTable = Annotated[dict[str, Any], BeforeValidator(plugin_table, json_schema_input_type=str | dict[str, Any])]


def _metric_table(value: Any) -> dict[str, Any]:
    """As `plugin_table`; the features that a metric names for itself are a plugin too."""
    return with_features(plugin_table(value))


MetricTable = Annotated[dict[str, Any], BeforeValidator(_metric_table, json_schema_input_type=str | dict[str, Any])]


def without_features(metric: dict[str, Any]) -> dict[str, Any]:
    """A metric's table as the plugin takes it."""
    return {key: value for key, value in metric.items() if key != "features"}


def parse_seeds(text: str) -> list[int]:
    """The seeds of "0-9" (both ends included) or "0-4,7". ValueError: not of this form, or too many."""
    ranges = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,19})\s*(?:-\s*([0-9]{1,19})\s*)?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise ValueError('must be a list of whole numbers, or text such as "0-9" or "0-4,7"')
        ranges.append(range(first, last + 1))
    if sum(map(len, ranges)) > MAX_RUNS:
        raise ValueError(f"these are {sum(map(len, ranges)):,} seeds, and a grid has at most {MAX_RUNS:,} runs")
    return [seed for part in ranges for seed in part]


def _seeds(value: Any) -> Any:
    if isinstance(value, str):
        value = parse_seeds(value)
    if type(value) is int:
        raise fault("must be a list", cure=f'Write seeds = [{value}] or "0-7".')
    if value == []:
        raise fault("needs at least one seed")
    return tuple(value) if isinstance(value, list) else value


def _unique(values: tuple[Any, ...]) -> tuple[Any, ...]:
    seen = set()
    for index, value in enumerate(values):
        if value in seen:
            raise fault("stands there twice", index)
        seen.add(value)
    return values


def _ascending(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(sorted(_unique(values)))


def _folder(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9 ._-]+", name):
        raise ValueError("becomes a folder's name, so it may hold only letters, digits, spaces, '.', '_' and '-'")
    if not re.fullmatch(r"[A-Za-z0-9](.*[^ .])?", name):
        rule = "becomes a folder's name, so it must begin with a letter or digit and not end with a space or '.'"
        raise ValueError(rule)
    if RESERVED.fullmatch(name):
        raise ValueError("becomes a folder's name, and Windows reserves this one")
    return name


def _line(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise ValueError("must be one line of readable text")
    return text


Headline = Annotated[str, AfterValidator(_line)]
Text = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_line)]  # one line
Count = Annotated[int, Field(ge=1, le=10**9)]
BatchSize = Annotated[int, Field(ge=1, le=2**20)]
Precision = Literal["fp32", "tf32", "bf16", "fp16"]
Length = Annotated[float, Field(gt=0, le=10**9)]


# What a grid gets that names no metrics, by which number sees which fault of samples (docs/metric.md): through a network that
# has learnt the classes where there are any, else through a random one; points are seen as they are.
LABELLED = {
    "metrics": (
        {"name": "kid"},
        {"name": "precision_recall", "features": {"name": "random"}},
        {"name": "precision_recall"},
    ),
    "headline": ("kid", "precision[random]", "recall[classifier]"),
}
UNLABELLED = {
    "metrics": ({"name": "kid"}, {"name": "precision_recall"}, {"name": "density_coverage"}),
    "headline": ("kid", "precision", "coverage"),
}
SEEN = ({"name": "kid"}, {"name": "precision_recall"})  # through features that the grid names
# Beside any of these where samples are asked for by class. They are not tested: levels without labels have none.
CONDITIONAL = ({"name": "class_accuracy", "features": {"name": "classifier"}}, {"name": "class_fd"})


class Evaluate(Keys):
    """When and how the generator is scored."""

    snapshots: int = Field(8, ge=1, le=10_000, description="snapshots, evenly spread over the run")
    at_epochs: Annotated[tuple[Length, ...], Field(min_length=1), AfterValidator(_ascending)] | None = Field(
        None, description="or: the epochs after which a snapshot is taken"
    )
    at_steps: Annotated[tuple[Count, ...], Field(min_length=1), AfterValidator(_ascending)] | None = Field(
        None, description="or: the generator steps after which a snapshot is taken"
    )
    metrics: Annotated[tuple[MetricTable, ...], Field(min_length=1)] | None = Field(
        None, description="metrics: names or tables, which may name features of their own; default: see docs/metric.md"
    )
    headline: Annotated[tuple[Headline, ...], Field(min_length=1), AfterValidator(_unique)] | None = Field(
        None, description="the numbers that are tested, chosen beforehand; default: the first of each side"
    )
    samples: int = Field(10_000, ge=2, le=10**7, description="generated samples that are scored at each snapshot")
    features: PluginTable | None = Field(
        None, description="feature extractor that metrics look through; default: see docs/metric.md"
    )
    against_training: bool = Field(True, description="scores against training data beside those against held-out data")
    keep: Literal["all", "best+last", "last"] = Field("all", description="snapshots whose weights are kept")
    stop_hopeless: int = Field(
        0, ge=0, le=10**9, description="generator steps of a hopeless diagnosis after which a run fails; 0: never"
    )

    def of(self, kind: str, labelled: bool, conditional: bool = False) -> Asked:
        """What is asked of pictures with labels or without, or of points: each key that the grid leaves out is filled in.

        `conditional`: a level's networks take these labels.
        """
        conditional, labelled = conditional and labelled, labelled and kind == "image"
        defaults: dict[str, Any] = LABELLED if labelled else UNLABELLED
        if self.features:
            defaults = {"metrics": SEEN, "headline": None}
        if conditional:
            defaults = {**defaults, "metrics": (*defaults["metrics"], *CONDITIONAL)}
        if self.metrics:
            defaults = {"metrics": self.metrics, "headline": None}
        return Asked(
            defaults["metrics"], self.features or usual_features(kind, labelled), self.headline or defaults["headline"]
        )

    @model_validator(mode="after")
    def _one_rhythm(self) -> Evaluate:
        given = [key for key in ("snapshots", "at_epochs", "at_steps") if key in self.model_fields_set]
        if len(given) > 1:
            raise fault(f"{given[0]} and {given[1]} can't both say when snapshots are taken", given[1])
        return self


@dataclass(frozen=True)
class Asked:
    """Which scores are asked of a dataset."""

    metrics: tuple[dict[str, Any], ...]
    features: dict[str, Any]  # that metrics look through which name none of their own
    headline: tuple[str, ...] | None


class Compare(BaseModel):
    """One question. Every further key is an axis: a setting's path and the list of its levels."""

    model_config = ConfigDict(frozen=True, extra="allow")
    title: Annotated[str, AfterValidator(_line)] = Field(min_length=1, max_length=200, description="the question")
    reference: Any = Field(
        None, description="the level that others are compared with: a level, or a table of path and level"
    )
    exclude: tuple[dict[str, Any], ...] = Field((), description="combinations left out: tables of path and level")
    budget: Literal["steps", "images"] = Field(
        "steps", description="what levels have equally much of: generator steps, or real images that D sees"
    )


Seeds = Annotated[
    tuple[Annotated[int, Field(ge=0, le=MAX_SEED)], ...], BeforeValidator(_seeds), AfterValidator(_unique)
]


class Sampler(Keys):
    """What draws hyperparameters."""

    name: Literal["random", "optuna"] = Field("random", description="draws that know of no other, or Optuna's TPE")
    batch: int = Field(
        5, ge=1, le=1000, description="of optuna: draws that are asked for at a time, and train beside each other"
    )


def _sampler(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class Search(Keys):
    """Hyperparameters drawn for every level, so that levels are compared when each has been tuned equally."""

    draws: int = Field(20, ge=1, le=1000, description="draws of hyperparameters a level")
    seed: int = Field(0, ge=0, le=MAX_SEED, description="of the draws: draw i is a function of it and i")
    seeds: Seeds = Field((1000,), min_length=1, max_length=100, description="one run each of every draw")
    sampler: Annotated[Sampler, BeforeValidator(_sampler, json_schema_input_type=str | Sampler)] = Field(
        Sampler(), description="what draws: a name, or a table"
    )
    space: dict[str, Any] = Field(
        min_length=1,
        description="settings' paths, each with { log_uniform = [low, high] }, { uniform = [low, high] } or { choice = [...] }",
    )


class Cluster(Keys):
    """Where runs train, if not on this machine. Nothing here changes what they compute: it is no part of their identity."""

    on: Literal["local", "ray", "slurm"] = Field("local", description="this machine, a Ray cluster, or Slurm")
    address: Text = Field(
        "auto", description='of ray: "HOST:PORT", "local" to start one here, "auto" for the one at hand'
    )
    most: int = Field(64, ge=1, le=100_000, description="workers, or tasks of an array, at a time")
    minutes: float = Field(60, gt=0, le=60 * 24 * 365, description="of slurm: aimed at for a task of the array")
    sbatch: dict[str, str | int | bool] = Field(
        {},
        description='of slurm: options of sbatch without their dashes, such as { partition = "gpu", gres = "gpu:1" }',
    )
    setup: tuple[Text, ...] = Field(
        (), description='of slurm: shell lines before each task, such as "source .venv/bin/activate"'
    )
    signal_seconds: int = Field(
        120,
        ge=10,
        le=65_535,
        description="of slurm: before its time limit, when a task saves its runs and asks for more time",
    )

    @model_validator(mode="after")
    def _no_options_of_ours(self) -> Cluster:
        for name, value in self.sbatch.items():
            if not OPTION.fullmatch(name):
                raise fault(
                    "must be the long name of an option of sbatch", "sbatch", name, cure='Such as partition = "gpu".'
                )
            if name in OWN_OPTIONS:
                raise fault("gan-bench gives this option to sbatch itself", "sbatch", name, cure="Leave it out.")
            if name in UNFIT_OPTIONS:
                raise fault("gan-bench can't submit its jobs so", "sbatch", name, cure="Leave it out.")
            if not str(value).isprintable():
                raise fault("must be one line of readable text", "sbatch", name)
        return self


class GridFile(Keys):
    """A grid of GAN trainings: the baseline's settings, and comparisons that replace some of them."""

    name: Annotated[str, AfterValidator(_folder)] = Field(
        max_length=100, description="the store's folder and the report's title"
    )
    dataset: PluginTable = Field(description="dataset: a name, or a table of name and parameters")
    architecture: PluginTable = Field(description="architecture: a name, or a table of name and parameters")
    tricks: tuple[PluginTable, ...] = Field((), description="tricks, in the order in which they edit the recipe")
    seeds: Seeds = Field(
        tuple(range(8)), min_length=1, max_length=MAX_RUNS, description='one run each: a list, or "0-9", or "0-4,7"'
    )
    epochs: Length | None = Field(None, description="length of a run in epochs of the baseline")
    steps: Count | None = Field(None, description="or: length of a run in generator steps")
    batch_size: BatchSize = Field(256, description="samples a batch")
    precision: Precision = Field(
        "fp32",
        description="arithmetic of the networks: float32, TF32 in products on a GPU, or bfloat16 or float16 by autocast",
    )
    optimizer: dict[str, Any] = Field({}, description="optimiser of both networks, with overrides for one")
    evaluate: Evaluate = Field(Evaluate(), description="when and how the generator is scored")
    plugins: tuple[Text, ...] = Field((), description="plugin files, beside this file unless the path is absolute")
    search: Search | None = Field(
        None, description="hyperparameters that are tuned for every level before it is compared"
    )
    cluster: Cluster = Field(Cluster(), description="where runs train, if not on this machine")
    compare: tuple[Compare, ...] = Field((), description="the comparisons")

    @model_validator(mode="after")
    def _consistent(self) -> GridFile:
        if self.epochs is None and self.steps is None:
            raise fault("needs a length", cure="Write epochs = ... or steps = ...")
        if self.epochs is not None and self.steps is not None:
            raise fault("epochs and steps can't both be given", "steps", cure="Leave one out.")
        if self.search and (both := sorted({*self.search.seeds} & {*self.seeds})):
            rule = f"the grid trains with seed {both[0]} too, and what is found must be tested on fresh seeds"
            raise fault(rule, "search", "seeds", cure="Take others, such as seeds = [1000].")
        titles = [compare.title for compare in self.compare]
        for index, title in enumerate(titles):
            if title in titles[:index]:
                raise fault("two comparisons have this title", "compare", index, "title")
        for key, end in (("at_epochs", self.epochs), ("at_steps", self.steps)):
            moments = getattr(self.evaluate, key)
            if moments and end is not None and moments[-1] > end:
                raise fault(f"{moments[-1]:g} lies behind the end of training at {end:g}", "evaluate", key)
        given = "snapshots" in self.evaluate.model_fields_set
        if given and self.steps is not None and self.evaluate.snapshots > self.steps:
            rule = f"there can't be more snapshots than steps, and this grid trains for {self.steps}"
            raise fault(rule, "evaluate", "snapshots", cure="Ask for fewer snapshots, or for more steps.")
        return self
