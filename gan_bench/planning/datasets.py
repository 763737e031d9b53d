"""The datasets of a grid, decoded once."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

from gan_bench.api.samples import PreparedData
from gan_bench.canonical import canonical
from gan_bench.console import counted, warnings_told
from gan_bench.data.prepare import files_and_spec, prepare
from gan_bench.errors import GanBenchError

if TYPE_CHECKING:
    from gan_bench.api.samples import PreparedData
    from gan_bench.grid import Cell, Grid


def check_data(grid: Grid) -> None:
    """GanBenchError: files of a dataset are missing, or it is none. Nothing is decoded."""
    for cell in _one_a_dataset(grid).values():
        with located(grid, cell):
            files_and_spec(cell.dataset)


def check_labels(grid: Grid, data: Mapping[str, PreparedData] | None = None) -> None:
    """GridError: networks of a cell take labels, and its dataset has no classes; or, of its `data`, some have no class."""
    asking = [cell for cell in (*grid.cells, grid.baseline) if cell.architecture.takes_labels]
    for key, cell in {dataset_key(cell): cell for cell in reversed(asking)}.items():
        if data is None:
            if cell.dataset.spec().classes is None:
                raise grid.label_error(cell, f"the dataset {cell.dataset.name} has no classes")
            continue
        training = data[key].training
        without = len(training) if training.labels is None else int((training.labels < 0).sum())
        if without:
            raise grid.label_error(cell, f"{without:,} of {len(training):,} training samples have no class")


def prepare_data(grid: Grid, console: Console) -> dict[str, PreparedData]:
    """Every dataset of the grid, decoded once; by `dataset_key`. GanBenchError: data is missing or damaged."""
    with warnings_told(console):
        return {key: prepare_dataset(grid, cell, console) for key, cell in _one_a_dataset(grid).items()}


def _one_a_dataset(grid: Grid) -> dict[str, Cell]:
    return {dataset_key(cell): cell for cell in (*grid.cells, grid.baseline)}


def prepare_dataset(grid: Grid, cell: Cell, console: Console) -> PreparedData:
    """A cell's dataset, decoded; it warns of what could not be read."""
    with counted(console, f"dataset {cell.dataset.name}") as show, located(grid, cell):
        return prepare(cell.dataset, progress=show, registry=grid.registry)


@contextmanager
def located(grid: Grid, cell: Cell) -> Iterator[None]:
    """Errors of a cell's data, with the line of the grid file that asks for it."""
    try:
        yield
    except GanBenchError as error:
        raise grid.data_error(cell, error) from error


@functools.cache
def dataset_key(cell: Cell) -> str:
    """Equal for cells that train on the same data."""
    return canonical(cell.settings["dataset"])
