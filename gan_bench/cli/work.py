"""`gan-bench work`: what a task of a cluster does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from gan_bench.cli.options import EXISTING_FOLDER


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
@click.argument("store", type=EXISTING_FOLDER)
@click.option("--prepare", is_flag=True, help="Make data and features, and give out the runs.")
@click.option("--shard", type=Share(), help="Train a share of the runs, such as 0/8.")
@click.option("--finish", is_flag=True, help="Write tables and report, or give out what is left.")
@click.pass_context
def command(ctx: click.Context, store: Path, prepare: bool, shard: tuple[int, int] | None, finish: bool) -> None:
    """Do a part of what STORE's grid needs, as a job of a cluster.

    `gan-bench run --on slurm` submits such jobs by itself; docs/cluster.md shows how other schedulers run them. It ends with 0
    once its part is done, whatever became of single runs.
    """
    if sum((prepare, shard is not None, finish)) != 1:
        raise click.UsageError("give one of --prepare, --shard I/N and --finish")

    from gan_bench.commands import work

    store = store.resolve()
    if shard is not None:
        ctx.exit(work.shard(store, *shard))
    ctx.exit(work.tell(work.prepare(store) if prepare else work.finish(store)))
