"""`gan-bench status`: how far a store's runs are."""

from __future__ import annotations

from pathlib import Path

import click

from gan_bench.cli.options import EXISTING_FOLDER


@click.command("status")
@click.argument("store", type=EXISTING_FOLDER)
def command(store: Path) -> None:
    """Tell how far the runs of STORE are.

    On Slurm it tells as well which jobs run on which nodes, what waits and why, and how much is left. Nothing is changed.
    """
    from gan_bench.commands.status import status_lines
    from gan_bench.console import say

    for line in status_lines(store):
        say(line)
