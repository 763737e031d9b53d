"""From a grid to a finished store: prepare data and features, train what is missing, write tables and report."""

from __future__ import annotations

import shutil
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from rich.console import Console
from rich.filesize import decimal

from gan_bench.data import PreparedData, files_and_spec, prepare
from gan_bench.dry import dry_pass
from gan_bench.errors import GanBenchError
from gan_bench.evaluation import Evaluator
from gan_bench.executor import Executor, resolve_devices
from gan_bench.files import remove_leftovers, replace_file
from gan_bench.floor import score_real_data
from gan_bench.foreign import check_store
from gan_bench.global_state import preserved
from gan_bench.holding import Held, hold
from gan_bench.looks import Looks, kept_looks
from gan_bench.peak import peak, training_flops
from gan_bench.plan import run_bytes
from gan_bench.progress import Display
from gan_bench.provenance import used_plugins
from gan_bench.run_files import write_object
from gan_bench.runs import Lengths, Run, Todo, comparison_seeds, dataset_key, make_runs, select
from gan_bench.speed import Speed, speed_text, write_speed
from gan_bench.stale import mark_stale, stale_lines
from gan_bench.store import DamageWarning
from gan_bench.worker import Job, Setup

if TYPE_CHECKING:
    from gan_bench.grid import Cell, Grid
    from gan_bench.grid.schema import Precision


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


def prepare_data(grid: Grid, console: Console) -> dict[str, PreparedData]:
    """Every dataset of the grid, decoded once; by `dataset_key`.

    GanBenchError: data is missing or damaged, or a cell's networks or tricks don't fit it; that is found before anything
    is decoded.
    """
    cells = {dataset_key(cell): cell for cell in (*grid.cells, grid.baseline)}
    for cell in cells.values():
        with located(grid, cell):
            files_and_spec(cell.dataset)
    for cell in grid.cells:
        dry_pass(cell)
    return {key: prepare_dataset(grid, cell, console) for key, cell in cells.items()}


def prepare_dataset(grid: Grid, cell: Cell, console: Console) -> PreparedData:
    """A cell's dataset, decoded; what was left out of it is told."""

    def show(part: str, done: int, total: int) -> None:
        status.update(f"{part}: {done} of {total}")

    with console.status(f"dataset {cell.dataset.name}") as status, warnings_told(console), located(grid, cell):
        return prepare(cell.dataset, progress=show)


@contextmanager
def warnings_told(console: Console) -> Iterator[None]:
    """Warnings become lines for a person."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        console.print(f"Warning: {warning.message}", style="yellow")


@contextmanager
def located(grid: Grid, cell: Cell) -> Iterator[None]:
    """Errors of a cell's data, with the line of the grid file that asks for it."""
    try:
        yield
    except GanBenchError as error:
        raise grid.data_error(cell, error) from error


def prepare_evaluators(
    grid: Grid, data: dict[str, PreparedData], device: str, console: Console
) -> dict[str, Evaluator]:
    """The features of every dataset that runs train on, trained or loaded once and kept for the workers."""
    metrics = [grid.registry.create("metric", metric) for metric in grid.evaluate.metrics]
    extractor = grid.registry.create("features", grid.evaluate.features)
    evaluators = {}
    for key in {dataset_key(cell) for cell in grid.cells}:
        with console.status(f"features {extractor.name} of {data[key].name}"):
            evaluators[key] = Evaluator(
                data[key],
                metrics,
                extractor,
                grid.evaluate.samples,
                torch.device(device),
                against_training=grid.evaluate.against_training,
            )
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
    from gan_bench.results import write_tables  # imports pandas, which a plan does without

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


def plain_console() -> Console:
    """Where progress is told: standard error. Names and messages are text, whatever brackets they hold."""
    return Console(stderr=True, markup=False, highlight=False)


def what_to_do(
    runs: Sequence[Run], evaluators: dict[str, Evaluator], fresh: bool, console: Console
) -> tuple[list[tuple[Run, Todo]], set[str]]:
    """The runs for which there is anything to do, and the names of those whose folders the system does not let us read.

    GanBenchError: some could only be trained again for less than they have.
    """
    columns = {key: evaluator.columns() for key, evaluator in evaluators.items()}
    states: list[tuple[Run, Todo]] = []
    unreadable: set[str] = set()
    with warnings_told(console):
        for run in runs:
            try:
                states.append((run, run.todo(columns[dataset_key(run.cell)])))
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


def check_space(store: Path, runs: Sequence[Run], keep: str, slots: int) -> None:
    """GanBenchError: the disk has no room for the runs that are to be trained."""
    if not runs:
        return
    sizes = Counter(run.cell for run in runs)
    first = {run.cell: run for run in runs}
    needed = sum(count * run_bytes(first[cell], keep) for cell, count in sizes.items())
    needed += slots * max(2 * dry_pass(cell).checkpoint_bytes for cell in sizes)  # two more while a run trains
    free = shutil.disk_usage(store).free
    if needed > free:
        raise GanBenchError(
            f"{len(runs)} runs need about {decimal(int(needed))} in {store.resolve()}, and {decimal(free)} are free. "
            "Free some, give another --out, or keep fewer weights: --set evaluate.keep=last"
        )


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
        metrics=tuple(grid.evaluate.metrics),
        features=grid.evaluate.features,
        samples=grid.evaluate.samples,
        keep=grid.evaluate.keep,
        slots=1 if set(devices) == {"cpu"} else execution.slots,  # there a slot is a process
        step_seconds=execution.step_seconds,
        against_training=grid.evaluate.against_training,
        stop_hopeless=grid.evaluate.stop_hopeless,
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


def make_job(
    run: Run, data: dict[str, PreparedData], grid: Grid, peaks: Mapping[Precision, float], *, clear: bool
) -> Job:
    """What a worker must know of a run; `peaks` are its device's FLOP/s by precision."""
    dry = dry_pass(run.cell)
    return Job(
        run=run.name,
        path=run.path.resolve(),
        identity=run.identity,
        settings=run.cell.settings,
        seed=run.seed,
        snapshot_steps=run.snapshot_steps,
        data_folder=data[dataset_key(run.cell)].folder,
        sources=tuple(found.source_hash for found in used_plugins(run.cell, grid.registry)),
        clear=clear,
        limit=peaks[run.cell.precision] / max(training_flops(dry.networks, dry.schedule.d_per_g), 1.0),
    )


def write_store(grid: Grid, store: Path, runs: Sequence[Run], looks: Looks) -> None:
    """Write what the store holds beside its runs: the grid, and what it expands to."""
    replace_file(store / "grid.toml", lambda beside: beside.write_text(grid.text, encoding="utf-8"))
    folders = {(run.cell, run.seed): run.name for run in runs}
    comparisons = [
        {
            "title": comparison.title,
            "axes": list(comparison.axes),
            "budget": comparison.budget,
            "levels": [
                {
                    "label": level.label,
                    "values": level.values,
                    "reference": level.reference,
                    "runs": {
                        str(seed): folders[level.cell, seed] for seed in comparison_seeds(grid, comparison.title, looks)
                    },
                }
                for level in comparison.levels
            ],
            **({"looks": [look.facts() for look in looks[comparison.title]]} if comparison.title in looks else {}),
        }
        for comparison in grid.comparisons
    ]
    facts = {
        "name": grid.name,
        "arguments": list(grid.arguments),
        "seeds": list(grid.seeds),
        "runs": {
            run.name: {"label": run.cell.label, "steps": run.total_steps} | ({"stale": run.stale} if run.kept else {})
            for run in runs
        },
        "comparisons": comparisons,
    }
    write_object(store / "grid.json", facts)
