"""From a grid to a finished store: prepare data and features, train what is missing, write tables and report."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from rich.console import Console

from gan_bench.data import PreparedData, prepare
from gan_bench.dry import dry_pass
from gan_bench.errors import GanBenchError
from gan_bench.evaluation import Evaluator, save_real
from gan_bench.executor import Executor, resolve_devices
from gan_bench.progress import Display
from gan_bench.results import write_tables
from gan_bench.runs import Lengths, Run, dataset_key, make_runs, select
from gan_bench.store import Columns, read_json, replace_file, write_json
from gan_bench.worker import Job, Setup

if TYPE_CHECKING:
    from gan_bench.grid import Grid


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
    """Every dataset of the grid, decoded once; by `dataset_key`."""
    data: dict[str, PreparedData] = {}
    for cell in (grid.baseline, *grid.cells):
        key = dataset_key(cell)
        if key not in data:
            with console.status(f"dataset {cell.dataset.name}") as status:
                data[key] = prepare(
                    cell.dataset, progress=lambda part, done, total: status.update(f"{part}: {done} of {total}")
                )
    return data


def prepare_evaluators(
    grid: Grid, data: dict[str, PreparedData], device: str, console: Console
) -> dict[str, Evaluator]:
    """The features of every dataset that runs train on, trained or loaded once and kept for the workers."""
    metrics = [grid.registry.create("metric", metric) for metric in grid.evaluate.metrics]
    extractor = grid.registry.create("features", grid.evaluate.features)
    evaluators = {}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a worker, so that whoever computes features gets the same bits
    try:
        for key in {dataset_key(cell) for cell in grid.cells}:
            with console.status(f"features {extractor.name} of {data[key].name}"):
                evaluators[key] = Evaluator(data[key], metrics, extractor, grid.evaluate.samples, torch.device(device))
    finally:
        torch.set_num_threads(threads)
    return evaluators


def run_grid(
    grid: Grid,
    *,
    out: Path | None = None,
    devices: str = "auto",
    slots: int | None = None,
    only: str | None = None,
    fresh: bool = False,
    fail_fast: bool = False,
    console: Console | None = None,
) -> Outcome:
    """Train what is missing of a grid, evaluate, write tables and report.

    GanBenchError: bad input. A failing run does not raise; the outcome counts it.
    """
    console = console or Console(stderr=True)
    store = store_of(grid, out)
    try:
        slot_devices = resolve_devices(devices, slots)
    except ValueError as error:
        raise GanBenchError(str(error)) from error
    for cell in grid.cells:
        dry_pass(cell)
    data = prepare_data(grid, console)
    runs = select(make_runs(grid, data, store), only)
    if not runs:
        raise GanBenchError(f"--only {only!r} selects none of the runs")
    evaluators = prepare_evaluators(grid, data, slot_devices[0], console)
    write_store(grid, store, make_runs(grid, data, store), data, evaluators)
    columns = {key: evaluator.columns() for key, evaluator in evaluators.items()}
    todo = [run for run in runs if begin(run, columns[dataset_key(run.cell)], fresh, console)]
    done = True
    if todo:
        steps_an_epoch = Lengths(grid, len(data[dataset_key(grid.baseline)].training)).steps_an_epoch
        setup = Setup(
            device="",
            plugin_files=tuple(grid.plugin_files),
            metrics=tuple(grid.evaluate.metrics),
            features=grid.evaluate.features,
            samples=grid.evaluate.samples,
            keep=grid.evaluate.keep,
        )
        with Display(todo, steps_an_epoch, len(slot_devices), console) as display:
            executor = Executor(setup, slot_devices, display, fail_fast=fail_fast)
            done = executor.run([make_job(run, data[dataset_key(run.cell)]) for run in todo])
    else:
        console.print("All runs are finished; nothing is trained.")
    write_tables(store)
    grid.registry.manager.hook.gan_bench_report(stores=[store], output=store / "report.html")
    failed = sum((run.folder.result() or {}).get("status") == "failed" for run in runs)
    return Outcome(store, len(runs), failed, stopped=not done)


def begin(run: Run, columns: Columns, fresh: bool, console: Console) -> bool:
    """Whether there is anything to do for a run; clears its folder if it has to be trained again."""
    todo = run.todo(columns)
    if fresh or todo == "again":
        if todo == "again" and not fresh:
            console.print(f"{run.title}: a snapshot is asked for in its past, so it trains again from the start")
        shutil.rmtree(run.path, ignore_errors=True)
    return fresh or todo != "nothing"


def make_job(run: Run, data: PreparedData) -> Job:
    """What a worker must know of a run."""
    return Job(run.name, run.path.resolve(), run.identity, run.cell.settings, run.seed, run.snapshot_steps, data.folder)


def write_store(
    grid: Grid, store: Path, runs: Sequence[Run], data: dict[str, PreparedData], evaluators: dict[str, Evaluator]
) -> None:
    """Write what the store holds beside its runs: the grid, what it expands to, and the real data's samples and scores."""
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
                    "runs": {str(seed): folders[level.cell, seed] for seed in grid.seeds},
                }
                for level in comparison.levels
            ],
        }
        for comparison in grid.comparisons
    ]
    facts = {
        "name": grid.name,
        "arguments": list(grid.arguments),
        "seeds": list(grid.seeds),
        "runs": {run.name: run.total_steps for run in runs},
        "comparisons": comparisons,
    }
    write_json(store / "grid.json", facts)
    for key, evaluator in evaluators.items():
        folder = store / "real" / data[key].fingerprint[:12]
        scores = read_json(folder / "scores.json")
        known = {(score["label"], score["protocol_id"]) for score in scores["scores"]} if scores else None
        if known != evaluator.columns():
            save_real(folder, data[key])
            write_json(folder / "scores.json", {"scores": evaluator.score_training_data()})
