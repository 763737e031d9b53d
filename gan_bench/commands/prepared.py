"""What runs share, made once on a node of their kind: their data, features and references, and the real data's scores.

Whoever plans them and gives them out finds all of it in the cache and the store, computes nothing, and touches no GPU.
"""

from __future__ import annotations

import contextlib
import traceback
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import torch
from rich.console import Console

from gan_bench.api.global_state import preserved
from gan_bench.commands.bundle import FOLDER, read_bundle
from gan_bench.commands.run import prepare_evaluators
from gan_bench.data.cache import cache_root
from gan_bench.data.device_kind import features_folder
from gan_bench.errors import GanBenchError
from gan_bench.grid.schema import Precision
from gan_bench.grid.stages import drawn, tuned
from gan_bench.planning.courses import prepare_grid
from gan_bench.planning.draws import undrawn
from gan_bench.planning.optuna import with_more_draws
from gan_bench.scoring.real_scores import score_real_data
from gan_bench.workers.peak import peak
from gan_bench.workers.processes import end_with_parent, ignore_the_terminal

if TYPE_CHECKING:
    from gan_bench.grid import Grid

ENTRY = f"{__name__}:main"


@dataclass(frozen=True)
class Prepared:
    """What a node says when it has prepared a command."""

    features: Path = Path()  # where those of its kind of device are kept
    peaks: dict[Precision, float] = field(default_factory=dict)  # FLOP/s of one device at best
    fault: str = ""  # why it could not


def prepare(store: Path, device: str) -> Prepared:
    """Prepare the command whose bundle a store has, on this machine. GanBenchError: bad input, or a bundle that is none here."""
    _, grid = read_bundle(store).open(store)
    asked: set[Precision] = set(get_args(Precision)) if grid.search and "precision" in grid.search.space else set()
    console = Console(quiet=True)  # whoever plans the runs tells it all
    with preserved():
        torch.set_num_threads(1)  # so that whoever computes features gets the same bits
        for stage in stages(grid):
            found = prepare_grid(stage, console)
            evaluators = prepare_evaluators(stage, found.data, device, console)
            score_real_data(stage, store, found.data, evaluators, console)
            asked |= {cell.precision for cell in stage.cells}
        of = torch.device(device)
        peaks = {precision: peak(of, precision) for precision in sorted(asked)}
        return Prepared(features_folder(cache_root(), of), peaks)


def stages(grid: Grid) -> list[Grid]:
    """The grid; of one with a search both stages, whatever draw is chosen: draws train on equal data and are scored alike."""
    if grid.search is None:
        return [grid]
    if undrawn(grid):
        grid = with_more_draws(grid, {})
    return [drawn(grid), tuned(grid, dict.fromkeys(grid.cells, 0))]


def main(connection: Connection, task: tuple[Path, str]) -> None:
    """The whole life of a process that prepares a store's command on a device, and says what became of it."""
    store, device = task
    ignore_the_terminal()
    end_with_parent()
    log = store / FOLDER / "prepare.log"
    with (
        log.open("w", buffering=1, encoding="utf-8", errors="backslashreplace") as file,
        contextlib.redirect_stdout(file),
        contextlib.redirect_stderr(file),
    ):
        try:
            connection.send(prepare(store, device))
        except GanBenchError as error:
            connection.send(Prepared(fault=str(error)))
        except Exception as error:  # noqa: BLE001 - who waits for it shall know
            traceback.print_exc()
            connection.send(Prepared(fault=f"{type(error).__name__}: {error} ({log} says more)"))
