"""One command at a time on a store: a lock for processes of one machine, a heartbeat for those of others.

A lock (flock) goes with its process, so none of a dead one is left; over NFS and SMB the server keeps it, and lets go when
the client's machine is gone for long enough. But a mount may keep locks to itself (`nolock`, `local_lock`, many FUSE file
systems). So who holds a store also keeps a token there, which beats (`gan_bench.store.attempt`). (filelock's `SoftFileLease`
can't take its place: it tells machines apart by their names, so that who lives on another one of the same name is taken over
at once, and it does not say whether who is waited for beats.)
"""

from __future__ import annotations

import _thread
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from gan_bench.store.attempt import DEAD_SECONDS, Attempt, Busy, Content, take, waited, where

HEART = ".heart"  # the file in the store


class Held(Exception):
    """Another command is at work in the store; the text says where."""


class Lock(FileLock):
    """A locked file. To release it can't fail: a server that is gone holds nothing any more."""

    def _release(self) -> None:
        with suppress(OSError):
            super()._release()


@contextmanager
def hold(store: Path, tell: Callable[[str], object], wait: float = 0.5) -> Iterator[None]:
    """Be the only command that works in a store. Held: another one is.

    `tell` gets a line where a heart of another machine has to be watched, for at most half a minute.
    """
    try:
        # A moment, for a page that is watched holds the lock for an instant to see whether anybody else does.
        with Lock(store / ".lock", timeout=wait), _heart(store, tell):
            yield
    except Timeout as error:
        raise Held("on this machine, or one that shares its locks") from error


def _heart(store: Path, tell: Callable[[str], object]) -> Attempt:
    """Our heart, in place of a dead one; where another command takes us for dead, this one is stopped. Held: one lives."""

    def watching(found: Content) -> None:
        tell(f"{store} was held {where(found)}; watching for up to {DEAD_SECONDS:.0f} s whether that still works")

    try:
        return waited(take(store / HEART, on_loss=lambda: _thread.interrupt_main(signal.SIGTERM)), watching)
    except Busy as error:
        raise Held(str(error)) from error


def at_work(store: Path) -> bool:
    """Whether a `gan-bench run` holds the store's lock. Asking changes nothing there, and waits for nobody."""
    import fcntl

    try:
        lock = os.open(store / ".lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False
