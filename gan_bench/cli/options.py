"""Arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from gan_bench.grid import Grid

EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
EXISTING_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)

plugin_option = click.option(
    "--plugin", "plugins", multiple=True, type=EXISTING_FILE, help="A plugin file to load; may be given several times."
)


class SlotCount(click.ParamType):
    """A number of slots; None for "auto"."""

    name = "auto|NUMBER"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """Usage error: it is neither."""
        if value == "auto":
            return None
        return int(click.IntRange(1, 1024).convert(value, param, ctx))


def grid_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The grid file and what overrides it."""
    decorators = [
        click.argument("grid", type=EXISTING_FILE),
        click.option(
            "--out", type=click.Path(file_okay=False, path_type=Path), help="The store, instead of runs/NAME."
        ),
        click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a baseline setting."),
        click.option("--seeds", metavar="0-9", help="Override the seeds."),
        click.option(
            "--only", metavar="TEXT", help='Only runs whose title contains TEXT; "failed": only those that failed.'
        ),
        click.option("--devices", default="auto", show_default=True, help="auto, cpu, or cuda:0,cuda:1,..."),
        click.option(
            "--slots",
            type=SlotCount(),
            default="auto",
            show_default=True,
            help="Runs at a time on each device; auto: one a CPU core, and on a GPU as many as measuring finds to pay.",
        ),
        click.option(
            "--stale",
            type=click.Choice(["rerun", "keep"]),
            default="rerun",
            show_default=True,
            help="Runs whose plugins or data have changed since: train them again, or keep their results, marked.",
        ),
        plugin_option,
    ]
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


def open_grid(
    grid: Path, plugins: tuple[Path, ...], overrides: tuple[str, ...], seeds: str | None, *, workers: bool
) -> Grid:
    """The validated grid. With `workers`, their libraries are imported beside ours, once the file itself is found right."""
    from gan_bench.forkserver import warm_up
    from gan_bench.grid import add_plugins, read_core

    core = read_core(grid, overrides, seeds)
    if workers:
        warm_up()
    return add_plugins(core, plugins)
