"""Folders of the cache, which are there as a whole or not at all, however many processes make them at once."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def made_whole(folder: Path) -> Iterator[Path]:
    """A new folder that is written into, and gets its name when that is done."""
    work = beside(folder)
    try:
        _remove_leftovers(folder)
        work.mkdir(parents=True)
        yield work
        for file in work.iterdir():
            with file.open("r+b") as opened:
                os.fsync(opened.fileno())  # before the rename: a power cut must not leave a complete-looking folder
        _rename_unless_there(work, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def discard(folder: Path) -> None:
    """Delete a folder at once, so that none opens a half-deleted one; another process may do the same."""
    discarded = beside(folder)
    with contextlib.suppress(FileNotFoundError):
        folder.rename(discarded)
        shutil.rmtree(discarded)


def beside(path: Path) -> Path:
    """A name for what is not yet, or no longer, at this path."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")


def _rename_unless_there(work: Path, folder: Path) -> None:
    """If another process was faster, its folder stays: it was made from the same content."""
    try:
        work.rename(folder)
    except OSError:  # a folder can't be renamed onto a filled one
        if not folder.exists():
            raise


def _remove_leftovers(folder: Path) -> None:
    """Delete what killed processes left of the same data; a day is longer than any decoding."""
    for leftover in folder.parent.glob(f".{folder.name}.*"):
        if time.time() - leftover.stat().st_mtime > 86_400:
            shutil.rmtree(leftover, ignore_errors=True)
