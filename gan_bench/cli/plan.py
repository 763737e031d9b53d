"""`gan-bench plan`: what a grid would train, and what that would take."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gan_bench.cli.options import grid_options, open_grid

if TYPE_CHECKING:
    from rich.table import Table

    from gan_bench.plan import CellPlan

WORDS = {
    "nothing": "done",
    "train": "to train",
    "continue": "to continue",
    "again": "to train again (a snapshot is missing in their past)",
    "longer": "trained further than is asked, without a snapshot there",
}


@click.command("plan")
@grid_options
@click.option("--no-pilot", is_flag=True, help="Leave out the pilot steps, and so the estimate of time and memory.")
def command(
    grid: Path,
    out: Path | None,
    overrides: tuple[str, ...],
    seeds: str | None,
    only: str | None,
    devices: str,
    slots: int | None,
    plugins: tuple[Path, ...],
    no_pilot: bool,
) -> None:
    """Show every cell and run of GRID, what is done already, and what the rest would take. Nothing is trained."""
    loaded = open_grid(grid, plugins, overrides, seeds, workers=not no_pilot)

    from rich.console import Console

    from gan_bench.engine import plain_console, prepare_data, store_of
    from gan_bench.executor import resolve_devices
    from gan_bench.plan import makespan, plan_cells
    from gan_bench.progress import short
    from gan_bench.runs import make_runs, select

    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 200)
    slot_devices = resolve_devices(devices, slots)
    data = prepare_data(loaded, plain_console())
    store = store_of(loaded, out)
    runs = select(make_runs(loaded, data, store), only)
    plans = plan_cells(loaded, runs, data, slot_devices[0], pilot=not no_pilot)
    console.print(cell_table(plans))
    todo = sum(plan.waiting for plan in plans)
    disk = sum(plan.disk_bytes for plan in plans)
    console.print(f"\n{len(plans)} cells, {len(runs)} runs, {todo} of them to train, in {store}")
    console.print(f"disk: {size(disk)} when all are finished")
    if not no_pilot:
        seconds = makespan(plans, loaded.evaluate.samples, len(slot_devices))
        peak = max(plan.pilot.peak_bytes for plan in plans if plan.pilot)
        count = f"{len(slot_devices)} slot{'s' if len(slot_devices) > 1 else ''} on {slot_devices[0]}"
        console.print(f"time: about {short(seconds)} of training and sampling on {count}; scoring comes on top")
        console.print(f"memory: about {size(peak)} a slot")


def cell_table(plans: Sequence[CellPlan]) -> Table:
    """One row a cell."""
    from rich.table import Table

    from gan_bench.progress import short

    table = Table(box=None, pad_edge=False)
    for title in ("cell", "seeds", "steps", "G parameters", "D parameters", "FLOPs an image", "one run"):
        table.add_column(title, justify="left" if title in ("cell", "seeds") else "right", overflow="fold")
    for plan in plans:
        networks = plan.dry.networks
        states = "\n".join(f"{WORDS[what]}: {seeds(found)}" for what, found in plan.todo.items())
        one = "" if plan.pilot is None else short(plan.steps * plan.pilot.step_seconds)
        flops = networks["generator"]["flops"] + networks["discriminator"]["flops"]
        counts = [f"{networks[n]['parameters']:,}" for n in ("generator", "discriminator")]
        table.add_row(plan.label, states, f"{plan.steps:,}", *counts, count(flops), one)
    return table


def seeds(numbers: Sequence[int]) -> str:
    """Seeds in short: "0-4, 7"."""
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1][1:] = [number]
        else:
            ranges.append([number])
    return ", ".join("-".join(map(str, ends)) for ends in ranges)


def count(number: int) -> str:
    """A large number for a person."""
    return f"{number / 1e6:,.1f} M" if number >= 1e6 else f"{number / 1e3:,.1f} k"


def size(number: float) -> str:
    """Bytes for a person."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"
