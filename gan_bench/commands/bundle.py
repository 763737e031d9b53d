"""What the nodes of a cluster find in a store: the command as it was typed, its plugin files, and a cache that all share.

It lies in `.cluster`, and whatever of it is lost is made again by the same command.
"""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from gan_bench.commands.command import Command
from gan_bench.errors import GanBenchError
from gan_bench.files import replace_file
from gan_bench.store.places import CLUSTER
from gan_bench.workers.carried import Carried, carry

if TYPE_CHECKING:
    from gan_bench.grid import Grid

FOLDER = CLUSTER
CACHE = "GAN_BENCH_CACHE"


class Bundle(BaseModel):
    """A command for other machines; every path is absolute, and the same on all of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    command: Command
    current_folder: Path  # where relative paths in the grid are looked for at last
    grid_sha256: str
    plugins: tuple[Carried, ...]
    cache: Path

    def open(self, store: Path) -> tuple[Command, Grid]:
        """The command and its grid on this machine, whose caches and current folder are set to the bundle's.

        GanBenchError: this machine does not see the grid file or the current folder, or has other ones, or other plugin files.
        """
        grid = self.command.grid
        if not grid.is_file():
            raise GanBenchError(_unseen(grid))
        if _sha256(grid) != self.grid_sha256:
            raise GanBenchError(
                f"{grid} on {platform.node()} is not the one that the command was typed with; run it again"
            )
        command = self.command.model_copy(update={"plugins": self.enter(store)})
        return command, command.load()

    def enter(self, store: Path) -> tuple[Path, ...]:
        """Set this machine's cache and current folder to the bundle's; returns the plugin files here.

        GanBenchError: this machine does not see the current folder, or has other plugin files.
        """
        try:
            os.chdir(self.current_folder)
        except OSError as error:
            raise GanBenchError(_unseen(self.current_folder)) from error
        os.environ[CACHE] = str(self.cache)
        return tuple(one.at_hand(plugins_in(store)) for one in self.plugins)

    def same(self, other: Bundle) -> bool:
        """Whether both are the same command, wherever it was typed."""
        ours, theirs = ((one.command, one.grid_sha256, [file.sha256 for file in one.plugins]) for one in (self, other))
        return ours == theirs


def write_bundle(command: Command, grid: Grid, store: Path) -> Bundle:
    """Make a store's bundle, in place of the one that it has. The grid is the command's."""
    bundle = make_bundle(command, grid, store)
    text = bundle.model_dump_json(indent=1)
    replace_file(store / FOLDER / "command.json", lambda beside: beside.write_text(text + "\n", encoding="utf-8"))
    return bundle


def make_bundle(command: Command, grid: Grid, store: Path) -> Bundle:
    """What would be a store's bundle; copies of the plugin files are there already."""
    named = {file.resolve() for file in grid.plugin_files} - {file.resolve() for file in command.plugins}
    changes = {"grid": command.grid.resolve(), "out": store.resolve(), "plugins": ()}
    return Bundle(
        command=command.model_copy(update=changes),
        current_folder=Path.cwd(),
        grid_sha256=_sha256(command.grid),
        plugins=carry([*sorted(named), *command.plugins], plugins_in(store)),
        cache=Path(own).expanduser().resolve()
        if (own := os.environ.get(CACHE))
        else store.resolve() / FOLDER / "cache",
    )


def read_bundle(store: Path) -> Bundle:
    """A store's bundle. GanBenchError: it has none, or it is damaged."""
    file = store / FOLDER / "command.json"
    try:
        return Bundle.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        raise GanBenchError(
            f"{store} is no store of a grid that was given to a cluster: it has no {FOLDER}/{file.name}"
        ) from None
    except ValidationError as error:
        raise GanBenchError(f"{file} is damaged ({error.error_count()} faults); run the same command again") from error


def use_cache_of(store: Path) -> None:
    """Find data where a store's jobs have decoded it, unless a cache is named."""
    if (cache := store.resolve() / FOLDER / "cache").is_dir():
        os.environ.setdefault(CACHE, str(cache))


def plugins_in(store: Path) -> Path:
    """The folder of the plugin files' copies."""
    return store / FOLDER / "plugins"


def _unseen(path: Path) -> str:
    return f"{platform.node()} does not see {path}; every node must see it, and the store, at the same path"


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
