"""What is left to do for each run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from gan_bench.console import tell
from gan_bench.errors import GanBenchError
from gan_bench.planning.datasets import dataset_key
from gan_bench.planning.runs import Run, Todo
from gan_bench.scoring.evaluator import Evaluator

if TYPE_CHECKING:
    pass


def what_to_do(
    runs: Sequence[Run], evaluators: dict[str, Evaluator], fresh: bool, console: Console
) -> tuple[list[tuple[Run, Todo]], set[str]]:
    """The runs for which there is anything to do, and the names of those whose folders the system does not let us read.

    GanBenchError: some could only be trained again for less than they have.
    """
    columns = {(key, labels): one.columns(labels) for key, one in evaluators.items() for labels in (False, True)}
    states: list[tuple[Run, Todo]] = []
    unreadable: set[str] = set()
    for run in runs:
        try:
            states.append((run, run.todo(columns[dataset_key(run.cell), run.cell.architecture.takes_labels])))
            tell(run.faults, console)
        except OSError as error:
            unreadable.add(run.name)
            console.print(f"{run.title}: left alone: {error}", style="red")
    if fresh:
        return states, unreadable
    longer = [run for run, what in states if what == "longer"]
    if longer:
        raise GanBenchError(
            f"{len(longer)} runs are trained further than is asked, and have no snapshot at step {longer[0].total_steps}. "
            "Give another --out for a shorter trial, or --fresh to train them again from the start"
        )
    for run, what in states:
        if what == "again":
            console.print(f"{run.title}: a snapshot is asked for in its past, so it trains again from the start")
    return [(run, what) for run, what in states if what != "nothing"], unreadable
