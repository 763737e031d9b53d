"""A `gan-bench run` as it was typed: so that a node of a cluster does the same as the machine where it was typed."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from gan_bench.commands.run import Execution, Outcome, run_grid, store_of
from gan_bench.commands.until_settled import MOST_SEEDS, run_until_settled
from gan_bench.grid import add_plugins, read_core

if TYPE_CHECKING:
    from gan_bench.grid import Grid
    from gan_bench.workers.engine import Engine


class Command(BaseModel):
    """The grid and all options of `gan-bench run`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    grid: Path
    out: Path | None = None
    overrides: tuple[str, ...] = ()
    seeds: str | None = None
    only: str | None = None
    devices: str = "auto"
    slots: int | None = None
    stale: Literal["rerun", "keep"] = "rerun"
    plugins: tuple[Path, ...] = ()
    fresh: bool = False
    fail_fast: bool = False
    retries: int = 1
    step_seconds: float | None = None
    any_device: bool = False
    until_settled: bool = False
    most_seeds: int | None = None
    verify: bool = False

    @property
    def execution(self) -> Execution:
        """Where and how its runs are trained."""
        return Execution(self.devices, self.slots, self.fail_fast, self.retries, self.step_seconds, self.any_device)

    def load(self) -> Grid:
        """The grid. GridError: a mistake in it, which whoever typed the command has been told of."""
        return add_plugins(read_core(self.grid, self.overrides, self.seeds), self.plugins)

    def store(self, grid: Grid) -> Path:
        """The folder of its runs."""
        return store_of(grid, self.out)

    def perform(
        self, grid: Grid, engine: Engine | None = None, leave: Collection[str] = ()
    ) -> tuple[Outcome, list[str]]:
        """Do it, on this machine unless an engine says where, and leave the named runs as they are.

        Returns how it ended, and lines for a person. GanBenchError: bad input.
        """
        options: dict[str, Any] = {"out": self.out, "fresh": self.fresh, "stale": self.stale, "leave": leave}
        options |= {"execution": self.execution, "engine": engine, "verify": self.verify}
        if self.until_settled:
            grown = run_until_settled(grid, self.most_seeds or MOST_SEEDS, **options)
            return grown.outcome, grown.lines
        return run_grid(grid, only=self.only, **options), []
