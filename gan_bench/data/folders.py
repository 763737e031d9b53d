"""Folders of the cache, which are there as a whole or not at all, however many processes make them at once."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from filelock import Timeout

from gan_bench.files import beside
from gan_bench.store.lock import Lock, lockless


@contextlib.contextmanager
def made_whole(folder: Path) -> Iterator[Path]:
    """A new folder that is written into, and gets its name when that is done."""
    work = beside(folder)
    try:
        _remove_leftovers(folder)
        work.mkdir(parents=True)
        yield work
        _flush(work)
        _rename_unless_there(work, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextlib.contextmanager
def resumable(folder: Path, waiting: Callable[[], object]) -> Iterator[Path | None]:
    """As `made_whole`, but what a killed process has written is found again; None: another one has made the folder meanwhile.

    One process of a machine writes at a time; `waiting` is called where another one does. An error leaves nothing. Files whose
    names begin with a dot are for the work alone: `tidy` removes them.
    """
    host = hashlib.sha256(platform.node().encode()).hexdigest()[:8]  # locks may not hold between machines
    work = folder.with_name(f".{folder.name}.{host}.work")
    folder.parent.mkdir(parents=True, exist_ok=True)
    file = work.with_suffix(".lock")
    if lockless(file):
        file.unlink(missing_ok=True)
        with made_whole(folder) as work:  # which goes without a lock, for nobody goes on with it
            yield work
        tidy(folder)
        return
    with _held(Lock(file), waiting):
        _remove_leftovers(folder)
        if folder.exists():
            yield None
        else:
            work.mkdir(exist_ok=True)
            try:
                yield work
                _flush(work)
                _rename_unless_there(work, folder)
            except Exception:
                shutil.rmtree(work, ignore_errors=True)
                raise
            tidy(folder)
        file.unlink(missing_ok=True)  # whoever still waits for it finds the folder


def tidy(folder: Path) -> None:
    """Remove what was of use as the folder was written, also by a process that was killed right after."""
    for file in folder.glob(".*"):
        file.unlink(missing_ok=True)


def discard(folder: Path) -> None:
    """Delete a folder at once, so that none opens a half-deleted one; another process may do the same."""
    discarded = beside(folder)
    with contextlib.suppress(FileNotFoundError):
        folder.rename(discarded)
        shutil.rmtree(discarded)


def _held(lock: Lock, waiting: Callable[[], object]) -> AbstractContextManager[object]:
    """The lock, once it is ours, until the end of the context."""
    try:
        return lock.acquire(timeout=0.5)  # who asks whether it is held holds it for an instant
    except Timeout:
        waiting()
        return lock.acquire()


def _flush(work: Path) -> None:
    """Before the rename: a power cut must not leave a complete-looking folder."""
    for file in work.iterdir():
        with file.open("r+b") as opened:
            os.fsync(opened.fileno())


def _rename_unless_there(work: Path, folder: Path) -> None:
    """If another process was faster, its folder stays: it was made from the same content."""
    try:
        work.rename(folder)
    except OSError:  # a folder can't be renamed onto a filled one
        if not folder.exists():
            raise


def _remove_leftovers(folder: Path) -> None:
    """Delete what killed processes left of the same data, which none goes on with; a day is longer than any decoding."""
    for leftover in folder.parent.glob(f".{folder.name}.*"):
        if leftover.suffix not in (".work", ".lock") and time.time() - leftover.stat().st_mtime > 86_400:
            shutil.rmtree(leftover, ignore_errors=True)
