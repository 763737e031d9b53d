"""`gan-bench bench`: how fast this machine trains, against the usual PyTorch loop and against what it could do at best."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from gan_bench.cli.options import Seconds

if TYPE_CHECKING:
    from rich.table import Table

    from gan_bench.bench.teams import Row


@click.command("bench")
@click.option("--case", "text", default="", metavar="TEXT", help="Only cases with TEXT in their title.")
@click.option("--seconds", type=Seconds(0.01, 600), default=4, show_default=True, help="Length of a turn.")
@click.option("--rounds", type=click.IntRange(1, 1000), default=5, show_default=True, help="Turns of each contestant.")
@click.option(
    "--devices", default="auto", show_default=True, help="auto (the first GPU, else the CPU), cpu, or cuda:0,cuda:1,..."
)
def command(text: str, seconds: float, rounds: int, devices: str) -> None:
    """Measure how fast this machine trains, and could at best.

    The unit is real images trained a second, by this engine and by the usual PyTorch loop, plain and through torch.compile,
    on the same networks. Contestants take turns in rounds. The table gives medians and ranges over rounds, the ratio to the
    best of the usual loops, and the share of the device's peak, the speed of its fastest matrix products and convolutions.
    Other work on the machine shows in the ranges: compare ratios.

    Without --case it measures a few networks without tricks. `--case canon` measures losses, penalties, augmentations and
    other architectures, each against a loop written by hand with the same trick.
    """
    import torch

    from gan_bench.bench.cases import canon, cases
    from gan_bench.bench.teams import BATCHES, measure, precisions
    from gan_bench.console import plain_console
    from gan_bench.data.cores import cores
    from gan_bench.errors import GanBenchError
    from gan_bench.workers.device import device_name, resolve_devices
    from gan_bench.workers.peak import peak

    console = plain_console(stderr=False, width=None if sys.stdout.isatty() else 200)
    every = [*cases(), *canon()]
    chosen = [case for case in every if text in case.title] if text else cases()
    if not chosen:
        raise GanBenchError(f"no case has {text!r} in its title; there are {'; '.join(case.title for case in every)}")
    names = dict.fromkeys(resolve_devices(devices, 1))
    for device in map(torch.device, list(names)[: 1 if devices == "auto" else None]):
        on_gpu = device.type == "cuda"
        console.print(
            f"{device_name(device)}{'' if on_gpu else f', {cores()} cores'}, torch {torch.__version__}, "
            f"{rounds} rounds of {seconds:g} s a turn"
        )
        for precision in precisions(device):
            rate = peak(device, precision, anew=True) / 1e9
            console.print(f"peak in {precision}: {rate:,.0f} GFLOP/s{'' if on_gpu else ' a core'}")
        for case in chosen:
            for batch in BATCHES[device.type]:
                console.print()
                rows = measure(case, batch, device, seconds, rounds, console.print)
                console.print(table(f"{case.title}, batch {batch}", rows))


def table(title: str, rows: Sequence[Row]) -> Table:
    """One row a team."""
    from rich.table import Table

    shown = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in ("", "images/s", "of rounds", "to the usual", "of the peak"):
        shown.add_column(column, justify="left" if column == "" else "right")
    for row in rows:
        low, high = min(row.speeds), max(row.speeds)
        share = "" if row.share is None else f"{row.share:.0%}"
        shown.add_row(row.name, f"{row.speed:,.0f}", f"{low:,.0f} to {high:,.0f}", f"{row.ratio:.2f} x", share)
    return shown
