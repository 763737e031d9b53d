"""`gan-bench work`: what a task of a cluster does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from gan_bench.cli.options import EXISTING_FILE, NEW_FOLDER, allow_option, open_grid, plugin_option


class Share(click.ParamType):
    """One of so many shares."""

    name = "I/N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Usage error: it is none."""
        match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", value)
        if match is None or int(match[1]) >= int(match[2]):
            self.fail(f"{value!r} is no share such as 0/8, the first of eight, ..., 7/8, the last", param, ctx)
        return int(match[1]), int(match[2])


@click.command("work")
@click.argument("store", type=NEW_FOLDER)
@click.option("--prepare", is_flag=True, help="Make data and features, and give out the runs.")
@click.option("--grid", type=EXISTING_FILE, help="With --prepare: the grid of a store that no command has submitted.")
@plugin_option
@allow_option
@click.option("--shard", type=Share(), help="Train a share of the runs, such as 0/8.")
@click.option("--round", "number", type=click.IntRange(1), hidden=True, help="Of which array of tasks it is one.")
@click.option("--finish", is_flag=True, help="Write tables and report, or give out what is left.")
@click.option("--submission", hidden=True, help="The name of the submission that the job belongs to.")
@click.pass_context
def command(
    ctx: click.Context,
    store: Path,
    prepare: bool,
    grid: Path | None,
    plugins: tuple[Path, ...],
    allow_plugins: bool,
    shard: tuple[int, int] | None,
    number: int | None,
    finish: bool,
    submission: str | None,
) -> None:
    """Do a part of what STORE's grid needs, as a job of a cluster.

    `gan-bench run --on slurm` submits such jobs by itself; docs/cluster.md shows how other schedulers run them. Exit code 0 if
    the part is done, 1 if runs have failed, 75 if --finish has given out runs for further tasks.
    """
    if sum((prepare, shard is not None, finish)) != 1:
        raise click.UsageError("give one of --prepare, --shard I/N and --finish")
    if grid and not prepare:
        raise click.UsageError("--grid is of a store that is prepared; give --prepare too")

    from gan_bench.commands import work

    store = store.resolve()
    if grid:
        from gan_bench.commands.command import Command

        loaded = open_grid(grid, plugins, (), None, allow_plugins=allow_plugins, workers=True)
        work.take_on(Command(grid=grid, out=store, plugins=plugins), loaded, store)
    found = work.submission_of(store, submission)
    if shard is not None:
        ctx.exit(work.shard(found, *shard, number))
    ctx.exit(work.tell(work.prepare(found) if prepare else work.finish(found), again=finish and not found.on_slurm))
