"""grid.json: what a grid expanded to, beside its runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from gan_bench.errors import GanBenchError
from gan_bench.store.documents import Document, Whole, read_object, write_object
from gan_bench.store.trust import check_name


def _seed(key: Any) -> Any:
    """JSON's keys are texts."""
    return int(key) if isinstance(key, str) and key.isascii() and key.isdigit() else key


Seed = Annotated[Whole, BeforeValidator(_seed)]
RunName = Annotated[str, AfterValidator(check_name)]


class GridRun(Document):
    """A run that the grid asks for."""

    label: str  # of its cell
    steps: Whole  # its length
    stale: str = ""  # why it is out of date, where it was kept


class GridLevel(Document):
    """A level of a comparison."""

    label: str
    values: dict[str, Any] | None = None  # of each axis
    reference: bool
    runs: dict[Seed, RunName]


class GridLook(Document):
    """A time at which seeds were added."""

    seeds: list[Whole]
    share: Annotated[float, Field(ge=1e-9, le=1)]


class GridComparison(Document):
    """A question, and the runs that answer it."""

    title: str
    axes: list[str] = []
    budget: str = "steps"
    levels: Annotated[list[GridLevel], Field(min_length=1)]
    looks: list[GridLook] = []

    @property
    def runs(self) -> set[str]:
        """Names of all levels' run folders."""
        return {run for level in self.levels for run in level.runs.values()}


class GridScore(Document):
    """A number that the grid asks for, of one of its datasets."""

    label: str
    protocol_id: str
    headline: Whole | None = None  # its rank among those that are tested, from 0


class GridDocument(Document):
    """grid.json."""

    name: str = ""
    arguments: list[str] = []
    seeds: list[Whole] = []
    runs: dict[RunName, GridRun] = {}
    comparisons: list[GridComparison] = []
    scores: list[GridScore] = []  # in the grid's order


def read_grid(store: Path) -> GridDocument | None:
    """A store's grid.json, None where there is none. GanBenchError: it is damaged, or names what is no run folder."""
    try:
        return read_object(store / "grid.json", GridDocument)
    except ValueError as error:
        raise GanBenchError(f"{store}: {error}. `gan-bench run` on the grid file writes grid.json again.") from error


def write_grid(store: Path, document: GridDocument) -> None:
    """Write a store's grid.json."""
    write_object(store / "grid.json", document.as_json())
