"""A grid on Ray."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gan_bench.errors import GanBenchError

if TYPE_CHECKING:
    from gan_bench.commands.command import Command
    from gan_bench.commands.run import Outcome
    from gan_bench.grid import Grid


def run_on_ray(command: Command, grid: Grid, address: str) -> tuple[Outcome, list[str]]:
    """Train a command's grid there; returns how it ended, and lines for a person."""
    raise GanBenchError("not built yet")
