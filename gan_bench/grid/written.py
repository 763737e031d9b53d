"""Grids written in Python, key by key as in a grid file, with names that an editor completes.

Each class is a table of a grid file, and a mapping of the keys that were given. What a key means is said once, in
`gan_bench.grid.schema`; these docstrings get it from there.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel

from gan_bench.errors import GridError
from gan_bench.grid import schema
from gan_bench.grid.core import read_core

Plugin = str | Mapping[str, Any]  # a name, or a table of name and parameters
Written = TypeVar("Written", bound="type[Table]")


class Table(Mapping[str, Any]):
    """A table of a grid: the keys that were given. None takes a key's default."""

    def _given(self) -> dict[str, Any]:
        own = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return {key: value for key, value in own.items() if value is not None}

    def __getitem__(self, key: str) -> Any:
        return self._given()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._given())

    def __len__(self) -> int:
        return len(self._given())


def _documented(model: type[BaseModel]) -> Callable[[Written], Written]:
    """Adds what the keys of a table mean to its class."""

    def add(cls: Written) -> Written:
        keys = [f"{name}: {field.description}" for name, field in model.model_fields.items()]
        cls.__doc__ = "\n".join([f"{inspect.cleandoc(cls.__doc__ or '')}\n", *keys])
        return cls

    return add


@_documented(schema.Compare)
@dataclass(frozen=True)
class Compare(Table):
    """One question: a `[[compare]]` of a grid file. `axes` has the path of each setting that varies, and its levels."""

    title: str
    axes: Mapping[str, Sequence[Any]]
    _: KW_ONLY
    reference: Any = None
    exclude: Sequence[Mapping[str, Any]] | None = None
    budget: Literal["steps", "images"] | None = None

    def _given(self) -> dict[str, Any]:
        own = super()._given()
        axes = own.pop("axes")
        if not isinstance(axes, Mapping):
            raise GridError("must be a dictionary of a setting's path and its levels", path="compare.axes")
        if taken := set(axes) & {one.name for one in fields(self)}:
            raise GridError("is no setting that can vary", path=f"compare.axes.{min(taken)}")
        return {**own, **axes}


@_documented(schema.Evaluate)
@dataclass(frozen=True, kw_only=True)
class Evaluate(Table):
    """When and how generators are scored: `[evaluate]` of a grid file."""

    snapshots: int | None = None
    at_epochs: Sequence[float] | None = None
    at_steps: Sequence[int] | None = None
    metrics: Sequence[Plugin] | None = None
    headline: Sequence[str] | None = None
    samples: int | None = None
    features: Plugin | None = None
    against_training: bool | None = None
    keep: Literal["all", "best+last", "last"] | None = None
    stop_hopeless: int | None = None


@_documented(schema.Search)
@dataclass(frozen=True, kw_only=True)
class Search(Table):
    """Hyperparameters that are tuned for every level before it is compared: `[search]` of a grid file."""

    space: Mapping[str, Mapping[str, Any]]
    draws: int | None = None
    seed: int | None = None
    seeds: str | Sequence[int] | None = None
    sampler: Plugin | None = None


@_documented(schema.Cluster)
@dataclass(frozen=True, kw_only=True)
class Cluster(Table):
    """Where `gan-bench run` trains, if not on one machine: `[cluster]` of a grid file."""

    on: Literal["local", "ray", "slurm"] | None = None
    address: str | None = None
    most: int | None = None
    minutes: float | None = None
    sbatch: Mapping[str, str | int | bool] | None = None
    setup: Sequence[str] | None = None
    signal_seconds: int | None = None


@_documented(schema.GridFile)
@dataclass(frozen=True, kw_only=True)
class Grid(Table):
    """A grid of GAN trainings, with the keys of a grid file: the baseline's settings, and comparisons that replace some.

    GanBenchError: a mistake in one of them, which is named by its path, such as `compare[0].title`. Plugins and their
    parameters are checked when it runs.
    """

    name: str
    dataset: Plugin
    architecture: Plugin
    tricks: Sequence[Plugin] | None = None
    seeds: str | Sequence[int] | None = None
    epochs: float | None = None
    steps: int | None = None
    batch_size: int | None = None
    precision: Literal["fp32", "tf32", "bf16", "fp16"] | None = None
    optimizer: Mapping[str, Any] | None = None
    evaluate: Evaluate | Mapping[str, Any] | None = None
    plugins: Sequence[str | Path] | None = None
    search: Search | Mapping[str, Any] | None = None
    cluster: Cluster | Mapping[str, Any] | None = None
    compare: Sequence[Compare | Mapping[str, Any]] | None = None

    def __post_init__(self) -> None:
        read_core(self)
