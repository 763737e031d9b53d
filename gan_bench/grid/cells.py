"""Cells: settings with their plugins, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gan_bench.api.kinds import Architecture, Dataset, Trick, choice
from gan_bench.api.registry import PluginError, Registry
from gan_bench.canonical import canonical, equal_form
from gan_bench.errors import GanBenchError
from gan_bench.grid.axes import Axis, Settings, place
from gan_bench.grid.beside import beside
from gan_bench.grid.optimizer import OptimizerSettings, optimizer_settings, resolve_optimizer
from gan_bench.grid.schema import BatchSize, GridFile, Precision
from gan_bench.grid.source import Fault, fault_of
from gan_bench.grid.toml import DocPath

Choices = list[tuple[Axis, int]]
_plain: dict[str, TypeAdapter[Any]] = {"batch_size": TypeAdapter(BatchSize), "precision": TypeAdapter(Precision)}


@dataclass(frozen=True, eq=False)
class Cell:
    """One combination of levels, without a seed. Cells of equal settings are equal, whatever they are called."""

    dataset: Dataset
    architecture: Architecture
    tricks: tuple[Trick, ...]
    optimizer: Mapping[str, OptimizerSettings]  # of "generator" and "discriminator"
    batch_size: int
    precision: Precision
    settings: dict[str, Any]  # all of it as JSON values
    key: str  # canonical JSON of the settings
    label: str = ""  # short; no two cells of a grid have the same
    differs: Mapping[str, Any] = field(default_factory=dict)  # path -> value, of what varies over the grid's cells

    @property
    def plugins(self) -> tuple[tuple[str, str], ...]:
        """Kind and name of each plugin that it is made of; the dataset's stands first."""
        own = ("dataset", self.dataset.name), ("architecture", self.architecture.name)
        return *own, *(("trick", trick.name) for trick in self.tricks)

    @property
    def networks(self) -> str:
        """Equal for cells whose steps take equally long: all but the optimisers' and the tricks' numbers are equal."""
        tricks, optimizer = [trick.name for trick in self.tricks], self.optimizer["generator"].name
        return canonical({**self.settings, "tricks": tricks, "optimizer": optimizer})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cell) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


def check_core(settings: Settings) -> Mapping[str, OptimizerSettings]:
    """The optimisers, after a check of all that needs no plugin. Fault: its path is one into the settings."""
    if type(settings["batch_size"]) is not int:
        raise Fault("must be a whole number", ("batch_size",), value=settings["batch_size"])
    for key, adapter in _plain.items():
        try:
            adapter.validate_python(settings[key])
        except ValidationError as error:
            raise fault_of(error, GridFile, settings[key], (key,)) from None
    names = [trick["name"] for trick in settings["tricks"]]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise Fault(f"the trick {name!r} stands there twice", ("tricks", index))
    return resolve_optimizer(settings["optimizer"])


def located(fault: Fault, settings: Settings, choices: Choices) -> Fault:
    """A fault in a cell's settings as one in the file."""
    path, name = place(fault.path, settings, choices)
    return Fault(fault.rule, path, value=fault.value, cure=fault.cure, name=name)


class Maker:
    """Makes cells; equal plugins of different cells are one object."""

    def __init__(self, registry: Registry, folder: Path | None = None) -> None:
        self.registry = registry
        self.folder = folder  # of the grid file, where a dataset's relative paths are looked for first
        self._made: dict[tuple[str, str], tuple[Any, dict[str, Any]]] = {}

    def cell(self, settings: Settings) -> Cell:
        """The cell of these settings. Fault: its path is one into the settings."""
        dataset, dataset_settings = self.plugin("dataset", settings["dataset"], ("dataset",))
        architecture, architecture_settings = self.plugin("architecture", settings["architecture"], ("architecture",))
        made = [self.plugin("trick", table, ("tricks", index)) for index, table in enumerate(settings["tricks"])]
        tricks = tuple(trick for trick, _ in made)
        check_together(tricks)
        optimizer = check_core(settings)
        resolved: dict[str, Any] = {
            "dataset": dataset_settings,
            "architecture": architecture_settings,
            "tricks": [table for _, table in made],
            "optimizer": optimizer_settings(settings["optimizer"]),
            **{key: settings[key] for key in _plain},
        }
        return Cell(
            dataset,
            architecture,
            tricks,
            optimizer,
            settings["batch_size"],
            settings["precision"],
            resolved,
            canonical(resolved),
        )

    def plugin(self, kind: str, table: Mapping[str, Any], path: DocPath) -> tuple[Any, dict[str, Any]]:
        """A plugin and all its settings. Fault: there is none, or it refuses a parameter."""
        key = kind, canonical(table)
        if key not in self._made:
            try:
                made = self.registry.create(kind, table)
                if kind == "dataset" and self.folder is not None:
                    made = self.registry.create(kind, {**table, **beside(made, self.folder)})
                settings = equal_form(made.settings())
                canonical(settings)  # JSON, or an error that is told below
            except PluginError as error:
                raise Fault(error.rule, path, cure=error.cure) from None
            except ValidationError as error:
                cls = self.registry.get(kind, table["name"]).cls
                raise fault_of(error, cls, table, path, of=table["name"]) from None
            except GanBenchError as error:
                raise Fault(str(error), path) from None
            except Exception as error:  # a stranger's code may raise anything
                raise Fault(f"the {kind} {table['name']!r} raised {type(error).__name__}: {error}", path) from error
            if kind == "dataset":
                self._check_features(made, path)
            self._made[key] = made, settings
        return self._made[key]

    def _check_features(self, dataset: Dataset, path: DocPath) -> None:
        """Fault: the features that training samples are selected by can't be had."""
        select = choice(dataset).get("select")
        if isinstance(select, dict):
            self.plugin("features", select["features"], (*path, "select", "features"))


def check_together(tricks: tuple[Trick, ...]) -> None:
    """Fault: two tricks that can't be in one run."""
    for index, first in enumerate(tricks):
        for second in tricks[index + 1 :]:
            both = set(first.replaces) & set(second.replaces)
            if both:
                names = f"the tricks {first.name!r} and {second.name!r}"
                raise Fault(f"{names} both replace the {_words(both)}", ("tricks",), cure="Use one of them.")
            for needy, other in ((first, second), (second, first)):
                taken = set(needy.needs) & set(other.replaces)
                if taken:
                    rule = f"the trick {needy.name!r} needs the {_words(taken)}, which {other.name!r} replaces"
                    raise Fault(rule, ("tricks",), cure="Use one of them.")


def _words(names: set[str]) -> str:
    return " and ".join(sorted(names))


def cell_from_settings(settings: Mapping[str, Any], registry: Registry) -> Cell:
    """The cell again from `Cell.settings`, as in another process. GanBenchError: its plugins are missing or have changed."""
    try:
        cell = Maker(registry).cell({"precision": "fp32", **settings})  # the first stores say nothing of it
    except (Fault, LookupError, TypeError, AttributeError, ValueError) as error:
        raise GanBenchError(f"these settings can't be used with the plugins installed here: {error}") from error
    return replace(cell, label=cell.architecture.name)
