"""Arguments that several commands share."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from gan_bench.grid import Grid


class NewPath(click.Path):
    """What need not be there yet. An empty text is no path, though Python takes it for the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not value or (not self.dir_okay and str(value).endswith(os.sep)):
            self.fail(f"{value!r} names no {'file' if self.file_okay else 'folder'}.", param, ctx)
        return super().convert(value, param, ctx)


EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
EXISTING_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)

NEW_FILE = NewPath(dir_okay=False, readable=False, path_type=Path)
NEW_FOLDER = NewPath(file_okay=False, path_type=Path)
NEW_PLACE = NewPath(readable=False, path_type=Path)  # a file or a folder

plugin_option = click.option(
    "--plugin", "plugins", multiple=True, type=EXISTING_FILE, help="A plugin file to load; may be given several times."
)
dataset_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="A parameter of the dataset, such as root=DIR or size=32.",
)
allow_option = click.option(
    "--allow-plugins", is_flag=True, help="Run the code of plugin files that lie elsewhere, because you have read it."
)

verify_option = click.option(
    "--verify", is_flag=True, help="Read every file of the store again, also of runs that its index knows."
)
port_option = click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Where to serve the page that is watched.  [default: a free port]",
)


class Names(click.ParamType):
    """Names with commas between them."""

    name = "NAME[,NAME]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Usage error: there is none."""
        names = value if isinstance(value, tuple) else tuple(filter(None, (name.strip() for name in value.split(","))))
        return names or self.fail("names nothing.", param, ctx)


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
        click.option("--out", type=NEW_FOLDER, help="The store, instead of runs/NAME."),
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
        verify_option,
        plugin_option,
        allow_option,
    ]
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


class Seconds(click.FloatRange):
    """A length of time. `nan`, which is neither below nor above any limit, is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds: float = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail("nan is no number of seconds.", param, ctx)
        return seconds


def open_grid(
    grid: Path,
    plugins: tuple[Path, ...],
    overrides: tuple[str, ...],
    seeds: str | None,
    *,
    allow_plugins: bool,
    workers: bool,
    on: str | None = "local",
) -> Grid:
    """The validated grid. With `workers`, their libraries are imported beside ours, once the file itself is found right, unless
    runs train elsewhere (`on`; None: as the grid says).

    GridError: also where it names plugin files that must not be run on its word alone.
    """
    from gan_bench.cli import COLLECTING
    from gan_bench.console import say
    from gan_bench.grid import add_plugins, read_core
    from gan_bench.grid.allowed import check_plugin_files
    from gan_bench.workers.processes import warm_up

    core = read_core(grid, overrides, seeds)
    if not allow_plugins:
        check_plugin_files(core, plugins)
    if workers and (on or core.keys.cluster.on) == "local":
        warm_up(COLLECTING)
    loaded = add_plugins(core, plugins)
    for broken in loaded.registry.broken:  # no cell needs it, but its events will be missed
        say(f"Warning: the plugin {broken} can't be loaded", err=True)
    return loaded
