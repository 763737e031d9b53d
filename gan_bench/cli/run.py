"""`gan-bench run`: train what is missing, evaluate, report."""

from __future__ import annotations

import gc
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from gan_bench.cli.interrupt import STOPPED, stop
from gan_bench.cli.options import Names, Seconds, grid_options, open_grid, port_option
from gan_bench.cli.streams import Unprintable

if TYPE_CHECKING:
    from gan_bench.commands.run import Outcome


@click.command("run")
@grid_options
@click.option("--fresh", is_flag=True, help="Train the selected runs again from the start.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first run that fails.")
@click.option(
    "--retries",
    type=click.IntRange(0, 100),
    default=1,
    show_default=True,
    help="How often a run whose process died is tried again from its checkpoint.",
)
@click.option(
    "--step-seconds", type=Seconds(0.1), help="End a run one of whose steps takes longer.  [default: no limit]"
)
@click.option(
    "--any-device",
    is_flag=True,
    help="Go on with runs on another kind of device than they were begun on: their last bits differ.",
)
@click.option(
    "--until-settled",
    is_flag=True,
    help="Then add seeds to the comparisons in which some level has no verdict, until none is left.",
)
@click.option(
    "--most-seeds",
    type=click.IntRange(6, 1000),
    help="With --until-settled: the most seeds of a comparison.  [default: 30]",
)
@click.option(
    "--watch", is_flag=True, help="Serve the report while runs train, on this machine alone; it stays current."
)
@port_option
@click.option(
    "--track",
    type=Names(),
    help="Tell trackers of the runs meanwhile: tensorboard, mlflow, wandb, trackio, or a plugin's.",
)
@click.option(
    "--on",
    type=click.Choice(["local", "ray", "slurm"]),
    help="Where runs train: this machine, a Ray cluster, or Slurm.  [default: the grid's cluster.on, or this machine]",
)
@click.option("--address", help="With --on ray: HOST:PORT, or local to start a cluster on this machine.")
@click.option(
    "--detach", is_flag=True, help="With --on slurm: end once all is submitted; the same command attaches again."
)
@click.pass_context
def command(
    ctx: click.Context,
    grid: Path,
    out: Path | None,
    overrides: tuple[str, ...],
    seeds: str | None,
    only: str | None,
    devices: str,
    slots: int | None,
    stale: Literal["rerun", "keep"],
    verify: bool,
    plugins: tuple[Path, ...],
    allow_plugins: bool,
    fresh: bool,
    fail_fast: bool,
    retries: int,
    step_seconds: float | None,
    any_device: bool,
    until_settled: bool,
    most_seeds: int | None,
    watch: bool,
    port: int,
    track: tuple[str, ...] | None,
    on: Literal["local", "ray", "slurm"] | None,
    address: str | None,
    detach: bool,
) -> None:
    """Train what is missing of GRID, evaluate and report it.

    It writes results.csv, comparisons.csv and report.html into the store. Interrupt it whenever you like: the same command
    goes on where each run stood. Exit code 0 if every run succeeded, 1 if some failed, 2 for bad input, 130 if it was
    stopped.
    """
    if port and not watch:
        raise click.UsageError("--port is where --watch serves the page; give both")
    if most_seeds and not until_settled:
        raise click.UsageError("--most-seeds is where --until-settled stops adding seeds; give both")
    if until_settled and only is not None:
        raise click.UsageError("--until-settled is about whole comparisons, and --only leaves some of their runs out")
    loaded = open_grid(grid, plugins, overrides, seeds, allow_plugins=allow_plugins, workers=True, on=on)
    on = on or loaded.cluster.on
    if address and on != "ray":
        raise click.UsageError("--address is of a Ray cluster; give --on ray too")
    if detach and on != "slurm":
        raise click.UsageError("--detach leaves a grid to Slurm; give --on slurm too")
    if detach and track:
        raise click.UsageError("--track follows a grid that --detach leaves; `gan-bench track DIR` follows it later")
    if detach and watch:
        raise click.UsageError(
            "--watch serves a page until the grid has ended, and --detach does not wait for it; give one"
        )

    from gan_bench.commands.command import Command
    from gan_bench.commands.run import told_beside
    from gan_bench.commands.submission import check_unsubmitted
    from gan_bench.console import say
    from gan_bench.live.beside import beside
    from gan_bench.workers.processes import on_stop

    asked = Command(
        grid=grid,
        out=out,
        overrides=overrides,
        seeds=seeds,
        only=only,
        devices=devices,
        slots=slots,
        stale=stale,
        plugins=plugins,
        fresh=fresh,
        fail_fast=fail_fast,
        retries=retries,
        step_seconds=step_seconds,
        any_device=any_device,
        until_settled=until_settled,
        most_seeds=most_seeds,
        verify=verify,
    )
    watcher = beside(asked.store(loaded), loaded.plugin_files, port) if watch else nullcontext()
    if on != "slurm":
        check_unsubmitted(asked.store(loaded))
    tracking = told_beside(loaded, asked.store(loaded), track or ())
    outcome: Outcome | None  # None: nobody waits for it
    handler = interrupt if on in ("ray", "slurm") else stop  # those nodes must be told of the end
    with on_stop(handler), watcher as page, tracking as wait_until_told:
        if page:
            say(f"Watch it at {page}", err=True)
        if on == "ray":
            from gan_bench.commands.on_ray import run_on_ray

            outcome, said = run_on_ray(asked, loaded, address or loaded.cluster.address)
        elif on == "slurm":
            from gan_bench.commands.on_slurm import run_on_slurm

            outcome, said = run_on_slurm(asked, loaded, detach=detach)
        else:
            outcome, said = asked.perform(loaded)
        if wait_until_told and outcome and not outcome.stopped:
            wait_until_told()
    if outcome is None:
        for line in said:
            say(line)
        return
    if outcome.stopped:
        gc.freeze()  # Python's last garbage collection would take a second of who waits for the end
        say(STOPPED, err=True)
        say(f"`gan-bench report {outcome.store}` shows what there is.", err=True)
        ctx.exit(outcome.exit_code)
    if outcome.failed:
        say(f"{outcome.failed} of {outcome.runs} runs failed; the report says why.", err=True)
    for line in said:
        say(line, err=True)
    try:
        say(outcome.store / "report.html")
    except Unprintable as error:  # the grid has ended as it has
        error.show()
    ctx.exit(outcome.exit_code)


def interrupt(*_: object) -> None:
    """SIGTERM and the end of the terminal do as Ctrl-C, also while nothing trains; their sender knows the difference."""
    raise KeyboardInterrupt
