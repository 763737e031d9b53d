"""From a grid to a finished store: prepare data and features, train what is missing, write tables and report."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from rich.console import Console

from gan_bench.api.samples import PreparedData
from gan_bench.console import plain_console, warnings_told
from gan_bench.errors import GanBenchError
from gan_bench.files import remove_leftovers
from gan_bench.planning.cost import check_space
from gan_bench.planning.datasets import dataset_key, prepare_data
from gan_bench.planning.grid_json import write_store
from gan_bench.planning.lengths import Lengths
from gan_bench.planning.looks import kept_looks
from gan_bench.planning.runs import Run, make_runs, select
from gan_bench.planning.stale import mark_stale, stale_lines
from gan_bench.planning.todo import what_to_do
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.scoring.real_scores import score_real_data
from gan_bench.stats.sequential import Looks
from gan_bench.store.folder import DamageWarning
from gan_bench.store.lock import Held, hold
from gan_bench.store.trust import check_store
from gan_bench.training.global_state import preserved
from gan_bench.workers.device import resolve_devices
from gan_bench.workers.executor import Executor
from gan_bench.workers.jobs import Job, Setup, make_job
from gan_bench.workers.peak import peak
from gan_bench.workers.progress import Display
from gan_bench.workers.speed import Speed, speed_text, write_speed

if TYPE_CHECKING:
    from gan_bench.grid import Grid


@dataclass(frozen=True)
class Execution:
    """Where runs are trained, and what is done when one of them fails; nothing here changes what they compute."""

    devices: str = "auto"
    slots: int | None = None  # on each device; None: as many as pay
    fail_fast: bool = False  # stop at the first run that fails
    retries: int = 1  # of a run whose process died
    step_seconds: float | None = None  # after which a step counts as hung


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    store: Path
    runs: int  # that the command was about
    failed: int
    stopped: bool  # before all had ended

    @property
    def exit_code(self) -> int:
        """0 if every run has succeeded, 1 if some failed, 130 if it was stopped."""
        return 130 if self.stopped else 1 if self.failed else 0


def store_of(grid: Grid, out: Path | None = None) -> Path:
    """The folder of a grid's runs."""
    return out or Path("runs") / grid.name


def prepare_evaluators(
    grid: Grid, data: dict[str, PreparedData], device: str, console: Console
) -> dict[str, Evaluator]:
    """The features of every dataset that runs train on, trained or loaded once and kept for the workers."""
    evaluators = {}
    for key in {dataset_key(cell) for cell in grid.cells}:
        with console.status(f"features {grid.evaluate.features['name']} of {data[key].name}"):
            evaluators[key] = Evaluator.of(grid.evaluate, grid.registry, data[key], torch.device(device))
            evaluators[key].prepare()
    return evaluators


def run_grid(
    grid: Grid,
    *,
    out: Path | None = None,
    only: str | None = None,
    fresh: bool = False,
    stale: Literal["rerun", "keep"] = "rerun",
    console: Console | None = None,
    execution: Execution = Execution(),
    add_looks: Callable[[Looks], Looks] | None = None,
    leave: Collection[str] = (),
) -> Outcome:
    """Train what is missing of a grid, evaluate, write tables and report.

    `stale` says what becomes of results that a changed plugin or dataset has put out of date: their runs train again, or
    they are kept and marked. `add_looks` is given the looks that the store's comparisons have, and returns those that they
    shall have; `leave` names runs that are left as they are. GanBenchError: bad input. A failing run does not raise; the
    outcome counts it.
    """
    from gan_bench.findings.tables import write_tables  # imports pandas, which a plan does without

    if fresh and stale == "keep":
        raise GanBenchError("--fresh trains again what --stale keep would leave as it is; give one of them")
    console = console or plain_console()
    store = store_of(grid, out)
    devices = resolve_devices(execution.devices, execution.slots)
    data = prepare_data(grid, console)
    check_store(store)  # before its list of comparisons is read
    planned = make_runs(grid, data, store)
    looks: Looks = kept_looks(grid, store, {run.name for run in planned})
    looks = looks if add_looks is None else add_looks(looks)
    planned = make_runs(grid, data, store, looks) if looks else planned
    with warnings_told(console):
        every_run = mark_stale(grid, planned, data, store, keep=stale == "keep")
    runs = select(every_run, only)
    for line in stale_lines(runs):
        console.print(line, soft_wrap=True)
    store.mkdir(parents=True, exist_ok=True)
    try:
        with hold(store, lambda line: console.print(line, soft_wrap=True)), preserved():
            torch.set_num_threads(1)  # as in a worker, so that whoever computes features gets the same bits
            remove_leftovers(store)
            evaluators = prepare_evaluators(grid, data, devices[0], console)
            todo, unreadable = what_to_do([run for run in runs if run.name not in leave], evaluators, fresh, console)
            score_real_data(grid, store, data, evaluators, console)
            write_store(grid, store, every_run, looks)
            device, precisions = torch.device(devices[0]), {run.cell.precision for run, _ in todo}
            peaks = {precision: peak(device, precision) for precision in precisions}
            jobs = [make_job(run, data, grid, peaks, clear=fresh or what in ("again", "damaged")) for run, what in todo]
            check_space(store, [run for run, what in todo if what == "train"], grid.evaluate.keep, len(devices))
            done, failed = train(grid, store, [run for run, _ in todo], jobs, data, devices, execution, console)
            if not (store / "grid.json").exists():  # somebody deleted the store; its runs were trained into a new one
                score_real_data(grid, store, data, evaluators, console)
                write_store(grid, store, every_run, looks)
            if done:  # who stops the command waits for its end
                write_tables(store)
                grid.registry.manager.hook.gan_bench_report(stores=[store], output=store / "report.html")
    except Held as error:
        raise GanBenchError(
            f"another gan-bench run is at work in {store} ({error}); wait for it, or give another --out"
        ) from error
    failed |= unreadable
    failed |= {
        run.name for run in runs if run.name not in failed and (run.folder.result() or {}).get("status") == "failed"
    }
    return Outcome(store, len(runs), len(failed), stopped=not done)


def train(
    grid: Grid,
    store: Path,
    runs: Sequence[Run],
    jobs: Sequence[Job],
    data: dict[str, PreparedData],
    devices: Sequence[str],
    execution: Execution,
    console: Console,
) -> tuple[bool, set[str]]:
    """Train the runs; False if it was stopped before all had ended, and the names of those that failed."""
    failed: set[str] = set()
    if not runs:
        console.print("All runs are finished; nothing is trained.")
        return True, failed
    steps_an_epoch = Lengths(grid, len(data[dataset_key(grid.baseline)].training)).steps_an_epoch
    setup = Setup(
        device="",
        plugin_files=tuple(grid.plugin_files),
        evaluate=grid.evaluate,
        slots=1 if set(devices) == {"cpu"} else execution.slots,  # there a slot is a process
        step_seconds=execution.step_seconds,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamageWarning)  # it is told already
        display = Display(runs, steps_an_epoch, console)
    speed = Speed(len(devices[: len(jobs)]), {job.run: job.limit for job in jobs})
    with display:

        def listen(kind: str, content: dict[str, Any]) -> None:
            if kind == "failed":
                failed.add(content["run"])
            speed(kind, content)
            display(kind, content)

        done = Executor(setup, devices, listen, fail_fast=execution.fail_fast, retries=execution.retries).run(jobs)
    summary = speed.summary()
    write_speed(store, summary)
    console.print(speed_text(summary))
    return done, failed
