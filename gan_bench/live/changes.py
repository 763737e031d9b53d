"""Reading stores again and again while runs write: only what has changed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gan_bench.findings.run_folders import Fill, RunFiles, read_run, unknown
from gan_bench.store.trust import LEVELS


class Changes:
    """Looks for changes of the stores' files, and remembers what run folders held.

    A file is taken to be the same as long as its size and time of change (in nanoseconds) are.
    """

    def __init__(self, stores: Sequence[Path]) -> None:
        self.stores = stores
        self._stamps: dict[Path, Any] = {}  # by folder or file
        self._runs: dict[tuple[Any, ...], tuple[Any, RunFiles]] = {}

    def have_come(self) -> bool:
        """Whether anything that a report shows has changed since this was last asked."""
        before, self._stamps = self._stamps, {}
        for store in self.stores:
            for part in (store / "grid.json", store / "speed.json", store / "real", *_folders(store / "runs")):
                self._stamps[part] = _stamp(part)
        return self._stamps != before

    def read(self, files: RunFiles, length: float, fill: Fill = unknown) -> RunFiles:
        """A run folder, as it was when changes were last asked for or later; what `gan_bench.findings.tables.load` reads by."""
        key = (files.run, files.folder, files.label, files.seed, length)
        stamp = self._stamps.get(files.folder)  # taken before the files are read: what comes later is a change
        known = self._runs.get(key)
        if known is None or known[0] != stamp:
            # The index is read whole, at once: for what has changed since it is of no use.
            known = self._runs[key] = (stamp, read_run(files, length, unknown if known else fill))
        return known[1]


def _folders(folder: Path) -> list[Path]:
    try:
        return [Path(entry) for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _stamp(path: Path | os.DirEntry[str], levels: int = LEVELS) -> tuple[Any, ...]:
    """What changes with a file or a folder's content; no link is followed."""
    try:
        facts = os.lstat(path)
        own = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
        if not levels or not os.path.isdir(path) or os.path.islink(path):
            return own
        with os.scandir(path) as entries:
            return own, {entry.name: _stamp(entry, levels - 1) for entry in entries}
    except FileNotFoundError:
        return ()
