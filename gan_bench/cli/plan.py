"""`gan-bench plan`: what a grid would train, and what that would take."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import click

from gan_bench.cli.options import grid_options, open_grid

if TYPE_CHECKING:
    from gan_bench.planning.cost import CellPlan
    from gan_bench.planning.runs import Run
    from gan_bench.stats.sequential import Looks

WORDS = {
    "nothing": "done",
    "train": "to train",
    "continue": "to continue",
    "again": "to train again (a snapshot is missing in their past)",
    "evaluate": "to mend, without training",
    "damaged": "to train again (files are damaged or lost)",
    "longer": "trained further than is asked, without a snapshot there",
}


@click.command("plan")
@grid_options
@click.option("--no-pilot", is_flag=True, help="Leave out the pilot steps, and so the estimate of time and memory.")
@click.option(
    "--on",
    type=click.Choice(["local", "ray", "slurm"]),
    help="Tell what a cluster would take; nothing is submitted.  [default: the grid's cluster.on, or this machine]",
)
def command(
    grid: Path,
    out: Path | None,
    overrides: tuple[str, ...],
    seeds: str | None,
    only: str | None,
    devices: str,
    slots: int | None,
    stale: str,
    verify: bool,
    plugins: tuple[Path, ...],
    allow_plugins: bool,
    no_pilot: bool,
    on: str | None,
) -> None:
    """Show what of GRID is done, and what the rest would take.

    Every cell and run is listed; nothing is trained.
    """
    loaded = open_grid(grid, plugins, overrides, seeds, allow_plugins=allow_plugins, workers=not no_pilot)

    import torch
    from rich.filesize import decimal

    from gan_bench.commands.bundle import use_cache_of
    from gan_bench.commands.rates import Rates, cluster_line, read_rates
    from gan_bench.commands.run import store_of
    from gan_bench.console import duration, plain_console, say, tell
    from gan_bench.findings.stand_ins import sentence, stand_ins
    from gan_bench.findings.told import lines, told_all
    from gan_bench.planning.cost import makespan, plan_cells, second_stage
    from gan_bench.planning.courses import prepare_grid
    from gan_bench.planning.draws import runs_to_come, stages, unknown_runs
    from gan_bench.planning.family import verdict_lines
    from gan_bench.planning.planned import plan_runs
    from gan_bench.planning.runs import select
    from gan_bench.planning.stale import stale_lines
    from gan_bench.workers.device import device_name, resolve_devices
    from gan_bench.workers.pilot import run_pilots

    slot_devices = resolve_devices(devices, slots)
    store, on = store_of(loaded, out), on or loaded.cluster.on
    if on != "local":
        use_cache_of(store)
    grids = stages(loaded, store)
    every: list[Run] = []
    looks: Looks = {}
    for one in grids:
        prepared = prepare_grid(one, plain_console())
        own, looks = plan_runs(prepared, store, keep_stale=stale == "keep", verify=verify)
        every += own
    runs = select(every, only)
    rates = Rates() if on == "local" else read_rates(store)
    first = {run.cell.networks: run for run in runs}
    measured = {networks: pilot for networks in first if (pilot := rates.of(networks))}
    if len(measured) < len(first):  # what this machine measures is of another one
        folders = {run.cell: run.data.folder for run in first.values()}
        pilots = {} if no_pilot else run_pilots(folders, loaded.plugin_files, slot_devices[0])
        measured, rates = {cell.networks: pilot for cell, pilot in pilots.items()}, Rates()
    plans = plan_cells(
        loaded, runs, {run.cell: measured[run.cell.networks] for run in runs if run.cell.networks in measured}
    )
    tell((fault for run in runs for fault in run.faults), plain_console())
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 200
    for line in (*lines(told_all(prepared.datasets), width), "", *table(plans, width)):
        say(line)
    todo = sum(plan.waiting for plan in plans)
    disk = sum(plan.disk_bytes for plan in plans)
    counts = ", ".join(f"{n} {word}{'s' if n != 1 else ''}" for n, word in ((len(plans), "cell"), (len(runs), "run")))
    say(f"\n{counts}, {todo} of them to train, in {store}")
    coming = unknown_runs(grids[0].written) if grids[0].written and len(grids) == 1 else 0
    more_seconds, more_bytes = second_stage(plans, coming, loaded.evaluate.samples, len(slot_devices))
    if loaded.search:
        draws, second = loaded.search.draws * len(loaded.cells), runs_to_come(loaded)
        then = f"{second} runs of the best draw of each of {len(loaded.draws)} levels with fresh seeds"
        say(f"search: {draws} draws with {len(loaded.search.seeds)} of the seeds; {'then' if coming else 'and'} {then}")
    for line in (
        *filter(None, [sentence(stand_ins(prepared))]),
        *stale_lines(runs),
        *verdict_lines(loaded, looks, len(loaded.headlines)),
    ):
        say(line)
    say(f"disk: {decimal(int(disk + more_bytes))} when all are finished")
    if not measured:
        return
    if on != "local":
        gpu = rates.gpu if rates.device else slot_devices[0] != "cpu"
        say(cluster_line(on, plans, loaded.evaluate.samples, loaded.cluster, coming=coming, gpu=gpu))
        here = f"{device_name(torch.device(slot_devices[0]))}, here; the first job measures the nodes' own devices"
        say(f"measured on {rates.device or here}")
    else:
        seconds = makespan(plans, loaded.evaluate.samples, len(slot_devices)) + more_seconds
        peak = max(plan.pilot.peak_bytes for plan in plans if plan.pilot)
        count = f"{len(slot_devices)} slot{'s' if len(slot_devices) > 1 else ''} on {slot_devices[0]}"
        say(f"time: about {duration(seconds)} of training and sampling on {count}; scoring comes on top")
        say(f"memory: about {decimal(peak)} a slot")


UNITS = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
TITLES = ("cell", "seeds", "steps", "G parameters", "D parameters", "FLOPs an image", "one run")


def table(plans: Sequence[CellPlan], width: int) -> Iterator[str]:
    """Lines of this width, unless it is very small: titles and a row for each cell. (rich takes a millisecond a row.)"""
    rows = [TITLES, *map(row, plans)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    room = width - sum(widths[2:]) - 2 * (len(widths) - 1)  # for the two columns of text
    if sum(widths[:2]) > room:
        widths[:2] = [min(size, max(16, room // 2)) for size in widths[:2]]
    for cell, states, *numbers in rows:
        texts = [wrap(text, size, break_on_hyphens=False) for text, size in zip((cell, states), widths, strict=False)]
        for left, right in zip_longest(*texts, fillvalue=""):
            line = [left.ljust(widths[0]), right.ljust(widths[1]), *map(str.rjust, numbers, widths[2:])]
            yield "  ".join(line).rstrip()
            numbers = []


def row(plan: CellPlan) -> tuple[str, ...]:
    """What the table says of a cell."""
    from gan_bench.console import duration

    states = "; ".join(f"{WORDS[what]}: {seeds(found)}" for what, found in plan.todo.items())
    networks = plan.dry.networks
    counts = [f"{networks[n]['parameters']:,}" for n in ("generator", "discriminator")]
    flops = networks["generator"]["flops"] + networks["discriminator"]["flops"]
    one = "" if plan.pilot is None else duration(plan.steps * plan.pilot.step_seconds)
    return plan.label, states, f"{plan.steps:,}", *counts, count(flops), one


def seeds(numbers: Sequence[int]) -> str:
    """Seeds in short: "0-4, 7"."""
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1][1:] = [number]
        else:
            ranges.append([number])
    return ", ".join("-".join(map(str, ends)) for ends in ranges)


def count(number: float) -> str:
    """A large number for a person."""
    unit = next((unit for unit in UNITS if number < 1000 * UNITS[unit]), "T")
    return f"{number / UNITS[unit]:,.1f} {unit}"
