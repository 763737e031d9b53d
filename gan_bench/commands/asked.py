"""The data that a person names beside a command: a dataset, a table of one, a folder or file of samples, a grid file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from gan_bench.api.kinds import Dataset
from gan_bench.api.registry import Registry
from gan_bench.api.samples import PreparedData
from gan_bench.console import counted, warnings_told
from gan_bench.data.prepare import files_and_spec, prepare
from gan_bench.errors import GanBenchError, GridError, ParameterError
from gan_bench.grid.allowed import check_plugin_files
from gan_bench.grid.cells import Maker
from gan_bench.grid.core import read_core
from gan_bench.grid.load import add_plugins
from gan_bench.grid.overrides import apply_overrides, value_of
from gan_bench.grid.source import Fault, Source
from gan_bench.grid.toml import DocPath
from gan_bench.planning.datasets import check_data, dataset_key


@dataclass
class Asked:
    """Datasets that were asked for. Several are those of a grid file."""

    registry: Registry
    tables: list[dict[str, Any]]  # of each dataset, its name and parameters
    option: str  # what asks for them, with what it was given
    overrides: Sequence[str] = ()
    bare: bool = False  # a folder or file, of which nothing else is said
    options: dict[DocPath, str] = field(default_factory=dict)  # by path, where values come from

    def __post_init__(self) -> None:
        self.maker = Maker(self.registry)
        _, own = apply_overrides({"dataset": self.tables[0]}, self.overrides, within=("dataset",))
        self.options = {**own, ("dataset",): self.option}

    @property
    def source(self) -> Source:
        """Says where a mistake in them was made."""
        return Source(Path(), "", self.options)

    def made(self, **more: Any) -> list[tuple[Dataset, dict[str, Any]]]:
        """Each dataset with all its settings, `more` parameters put in where nothing overrides them. Fault: it has none such."""
        documents = (
            apply_overrides({"dataset": {**table, **more}}, self.overrides, within=("dataset",))[0]
            for table in self.tables
        )
        return [self.maker.plugin("dataset", document["dataset"], ("dataset",)) for document in documents]

    def check(self) -> None:
        """GanBenchError: a dataset refuses its parameters, or its files are missing. Nothing is decoded."""
        try:
            made = self.made()
        except Fault as fault:
            raise self.source.error(fault) from fault.__cause__
        for dataset, _ in made:
            files_and_spec(dataset)

    def prepare(self, datasets: Iterable[Dataset], console: Console) -> list[PreparedData]:
        """Some of them, decoded. GanBenchError: as `prepare`, with the option where it is a parameter's fault."""
        with warnings_told(console):
            return [self._prepared(dataset, console) for dataset in datasets]

    def _prepared(self, dataset: Dataset, console: Console) -> PreparedData:
        try:
            with counted(console, f"dataset {dataset.name}") as show:
                return prepare(dataset, progress=show, registry=self.registry)
        except ParameterError as error:
            value = getattr(dataset, error.parameter, None)
            raise self.source.error(
                Fault(str(error), ("dataset", error.parameter), value=... if value is None else value)
            ) from None


def asked(
    dataset: str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    plugins: Sequence[str | Path] = (),
    *,
    option: str = "DATASET",
    allow_plugins: bool = False,
) -> Asked:
    """What a person names as data.

    A dataset's name; a table as in a grid file, also as TOML text in braces; a folder or a file, which the dataset "folder"
    reads; or a grid file (.toml), for all datasets that its runs train on. `overrides` are parameters, "KEY=VALUE". Code of
    plugin files that a grid names is run if it is the user's own (`check_plugin_files`) or `allow_plugins`.
    GanBenchError: it is nothing of these, which `option` says.
    """
    files = tuple(Path(file) for file in plugins)
    given = str(dataset) if isinstance(dataset, str | Path) else ""
    if given.lower().endswith(".toml") and os.path.isfile(given):
        return _of_grid(Path(given), overrides, files, option, allow_plugins)
    registry = Registry.load(files)
    if isinstance(dataset, Mapping):
        table = dict(dataset)
    elif given.lstrip().startswith("{"):
        table = _inline(given, option)
    elif given in registry.names("dataset"):
        table = {"name": given}
    elif os.path.exists(given):
        return Asked(registry, [{"name": "folder", "root": given}], f"{option} {given}", overrides, bare=True)
    elif os.path.dirname(given) or os.path.splitext(given)[1]:
        raise GridError("there is no such file or folder", file=f"{option} {given}")
    else:
        table = {"name": given}
    if not isinstance(table.get("name"), str):
        raise GanBenchError(f"{option} must be a dataset's name or a table that has one (found: {table!r})")
    return Asked(registry, [table], f"{option} {table['name']}", overrides)


def _inline(text: str, option: str) -> dict[str, Any]:
    """A table in TOML."""
    table = value_of(text, option)
    if not isinstance(table, dict):
        example = '{ name = "folder", root = "cats", size = 64 }'
        raise GridError("is no TOML table", file=option, value=text, cure=f"Write it as {example}.")
    return table


def _of_grid(
    file: Path, overrides: Sequence[str], plugins: tuple[Path, ...], option: str, allow_plugins: bool
) -> Asked:
    core = read_core(file)
    if not allow_plugins:
        check_plugin_files(core, plugins)
    grid = add_plugins(core, plugins)
    if not overrides:
        check_data(grid)  # its errors have a line
    tables = {dataset_key(cell): cell.settings["dataset"] for cell in grid.cells}
    return Asked(grid.registry, list(tables.values()), f"{option} {file}", overrides)
