"""Whose code a grid file may have run: plugin files of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gan_bench.grid.source import Fault

if TYPE_CHECKING:
    from gan_bench.grid.core import CoreGrid


def check_plugin_files(core: CoreGrid, given: tuple[Path, ...]) -> None:
    """GridError: a plugin file is not the user's own, as far as one can tell, so that its code is not run unasked.

    The user's own are those below the current folder, named by a grid there, and those on the command line.
    """
    own, grid = {file.resolve() for file in given}, core.source.file.resolve()
    for index, name in enumerate(core.keys.plugins):
        file = (core.source.file.parent / name).resolve()
        outside = next((path for path in (grid, file) if not path.is_relative_to(Path.cwd().resolve())), None)
        if outside and file not in own:
            what = "this file" if outside == grid else "it"
            cure = f"Read {file}; then give --allow-plugins, or --plugin {file}."
            rule = f"its code is not run unasked, because {what} lies outside of the current folder"
            raise core.source.error(Fault(rule, ("plugins", index), value=name, cure=cure))
