"""grid.json: what a grid expanded to, beside its runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from gan_bench.errors import GanBenchError
from gan_bench.store.documents import Document, Plugin, Whole, read_object, write_object
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

    @property
    def seeds(self) -> set[int]:
        """Those that some level has."""
        return {seed for level in self.levels for seed in level.runs}

    def runs_of(self, seed: int) -> set[str]:
        """Names of its run folders with this seed."""
        return {level.runs[seed] for level in self.levels if seed in level.runs}


class GridScore(Document):
    """A number that the grid asks for, of one of its datasets."""

    label: str
    protocol_id: str
    headline: Whole | None = None  # its rank among those that are tested, from 0


class GridDraw(Document):
    """A draw of a level's hyperparameters."""

    values: dict[str, Any]  # by the setting's path
    runs: Annotated[dict[Seed, RunName], Field(min_length=1)]


class GridTuning(Document):
    """The search of a level."""

    label: str  # of its cell, before anything is drawn
    levels: dict[str, str] = {}  # title of a comparison -> what the level is called there
    score: GridScore  # which chooses, on the selection half
    draws: list[GridDraw]
    chosen: Whole | None = None  # index of the draw that trains again; None while runs are missing


class GridSearch(Document):
    """How levels are tuned before they are compared."""

    seed: Whole
    seeds: list[Whole]
    to_come: Whole = 0  # runs of the chosen draws, while these are not known
    sampler: str = "random"  # what draws
    undrawn: Whole = 0  # draws of all levels that follow from the results of others
    levels: Annotated[list[GridTuning], Field(min_length=1)]

    @property
    def runs(self) -> dict[str, int]:
        """Run folders of all draws, and their seeds."""
        return {run: seed for level in self.levels for draw in level.draws for seed, run in draw.runs.items()}


class GridDocument(Document):
    """grid.json."""

    name: str = ""
    arguments: list[str] = []
    seeds: list[Whole] = []
    runs: dict[RunName, GridRun] = {}
    comparisons: list[GridComparison] = []
    scores: list[GridScore] = []  # in the grid's order
    search: GridSearch | None = None
    plugins: list[Plugin] = []  # of files, that the grid uses in the place of installed ones of their names


def read_grid(store: Path) -> GridDocument | None:
    """A store's grid.json, None where there is none. GanBenchError: it is damaged, or names what is no run folder."""
    try:
        return read_object(store / "grid.json", GridDocument)
    except ValueError as error:
        raise GanBenchError(f"{store}: {error}. `gan-bench run` on the grid file writes grid.json again.") from error


def write_grid(store: Path, document: GridDocument) -> None:
    """Write a store's grid.json."""
    write_object(store / "grid.json", document.as_json())
