"""`gan-bench stop`: end a store's jobs on Slurm."""

from __future__ import annotations

from pathlib import Path

import click

from gan_bench.cli.options import EXISTING_FOLDER


@click.command("stop")
@click.argument("store", type=EXISTING_FOLDER)
@click.pass_context
def command(ctx: click.Context, store: Path) -> None:
    """End the jobs that STORE has on Slurm.

    Tasks save their runs first. The command that submitted them goes on from there. Exit code 1 if some don't end.
    """
    from gan_bench.commands.submission import STILL, Submission
    from gan_bench.console import say
    from gan_bench.errors import GanBenchError

    submission = Submission.latest(store)
    if submission is None:
        raise GanBenchError(f"{store} has no jobs on Slurm; a command that trains on this machine is ended by Ctrl-C")
    if not submission.living():
        say("Slurm has no job of it.")
        return
    if not submission.stop():
        say(STILL, err=True)
        ctx.exit(1)
    say("Its jobs have ended. The same command goes on from here.")
