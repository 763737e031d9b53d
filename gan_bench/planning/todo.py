"""What is left to do for each run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from rich.console import Console

from gan_bench.console import tell
from gan_bench.errors import GanBenchError
from gan_bench.planning.datasets import dataset_key
from gan_bench.planning.runs import Run, Todo
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.store.checked import Checked, write_checked
from gan_bench.store.index import stamp
from gan_bench.store.state import Columns


def what_to_do(
    runs: Sequence[Run], evaluators: dict[str, Evaluator], fresh: bool, console: Console
) -> tuple[list[tuple[Run, Todo]], set[str]]:
    """The runs for which there is anything to do, and the names of those whose folders the system does not let us read.

    What is found sound goes into the store's index, and what isn't leaves it. GanBenchError: some could only be trained again
    for less than they have.
    """
    columns = _columns(evaluators)
    states: list[tuple[Run, Todo]] = []
    unreadable: set[str] = set()
    read: dict[str, Checked | None] = {}
    for run in runs:
        try:
            what, checked = _looked_at(run, columns)
            states.append((run, what))
            tell(run.faults, console)
            if not run.known:
                read[run.name] = checked
        except OSError as error:
            unreadable.add(run.name)
            console.print(f"{run.title}: left alone: {error}", style="red")
    if read:
        write_checked(runs[0].path.parents[1], read)
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


def remember(runs: Sequence[Run], evaluators: dict[str, Evaluator]) -> None:
    """Put those of a store's runs that have been trained by now, and are sound, into its index."""
    columns, read = _columns(evaluators), {}
    for run in runs:
        with suppress(OSError):
            read[run.name] = _looked_at(replace(run, known=None), columns)[1]
    if read:
        write_checked(runs[0].path.parents[1], read)


def _looked_at(run: Run, columns: Mapping[tuple[str, bool], Columns]) -> tuple[Todo, Checked | None]:
    """What is left to do for a run, and what the index may say of it: that it is finished and sound."""
    unread = not run.known and run.path.is_dir()
    before = stamp(os.fspath(run.path), run.folder.snapshot_steps()) if unread else ""  # what comes later is a change
    what = run.todo(columns[dataset_key(run.cell), run.cell.architecture.takes_labels])
    sound = before and what == "nothing" and run.state.finished and not (run.kept or run.faults)
    return what, Checked.of(before, run.state, run.identity, run.seed, run.cell.key) if sound else None


def _columns(evaluators: Mapping[str, Evaluator]) -> dict[tuple[str, bool], Columns]:
    return {(key, labels): one.columns(labels) for key, one in evaluators.items() for labels in (False, True)}
