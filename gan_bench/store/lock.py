"""One command at a time on a store: a lock for processes of one machine, a heartbeat for those of others.

A lock (flock) goes with its process, so none of a dead one is left; over NFS and SMB the server keeps it, and lets go when
the client's machine is gone for long enough. But a mount may keep locks to itself (`nolock`, `local_lock`, many FUSE file
systems). So who holds a store also keeps a token there, which beats (`gan_bench.store.attempt`). (filelock's `SoftFileLease`
can't take its place: it tells machines apart by their names, so that who lives on another one of the same name is taken over
at once, and it does not say whether who is waited for beats.)
"""

from __future__ import annotations

import _thread
import errno
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from gan_bench.store.attempt import (
    DEAD_SECONDS,
    TOKENS,
    Attempt,
    Busy,
    Content,
    may_live,
    read,
    revoke,
    take,
    waited,
    watch,
    where,
)

HEART = ".heart"  # the file in the store
HERE = "on this machine, or one that shares its locks"
TAKEN = {errno.EWOULDBLOCK, errno.EAGAIN}
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}  # of file systems that have none, or none now


class Held(Exception):
    """Another command is at work in the store; the text says where."""


class Lock(FileLock):
    """A locked file. To release it can't fail: a server that is gone holds nothing any more."""

    def _release(self) -> None:
        with suppress(OSError):
            super()._release()


@contextmanager
def hold(store: Path, tell: Callable[[str], object], wait: float = 0.5) -> Iterator[Attempt]:
    """Be the only command that works in a store; gives its heart, whose `go_on` says whether it still is. Held: another one is.

    `tell` gets a line where a heart of another machine has to be watched, for at most half a minute. Where locks don't work at
    all the heart alone holds the store.
    """
    try:
        # A moment, for who asks whether it is held holds it for an instant.
        with locked(store / ".lock", wait), _heart(store, tell) as heart:
            yield heart
    except Timeout as error:
        raise Held(HERE) from error


def _heart(store: Path, tell: Callable[[str], object]) -> Attempt:
    """Our heart, in place of a dead one; where another command takes us for dead, this one is stopped. Held: one lives.

    What a dead command's workers have is theirs no more: one that is only frozen must not clear a run that is left as it is.
    """
    another = read(store / HEART) is not None
    try:
        heart = waited(take(store / HEART, on_loss=_stop), _watching(store, tell))
    except Busy as error:
        raise Held(str(error)) from error
    for token in (store / "runs").glob(TOKENS) if another else ():
        with suppress(OSError):
            revoke(token, str((read(token) or {}).get("attempt")))
    return heart


def _watching(store: Path, tell: Callable[[str], object]) -> Callable[[Content], object]:
    return lambda found: tell(
        f"{store} was held {where(found)}; watching for up to {DEAD_SECONDS:.0f} s whether that still works"
    )


def _stop() -> None:
    """Stop the main thread as SIGTERM does where something listens to that, else as Ctrl-C does."""
    _thread.interrupt_main(signal.SIGTERM if callable(signal.getsignal(signal.SIGTERM)) else signal.SIGINT)


def check_free(store: Path, tell: Callable[[str], object]) -> None:
    """Held: another command is at work in a store. Nothing is changed there; `tell` is as in `hold`."""
    if _refused(store / ".lock") in TAKEN:
        raise Held(HERE)
    try:
        waited(watch(store / HEART), _watching(store, tell))
    except Busy as error:
        raise Held(str(error)) from error


def at_work(store: Path) -> bool:
    """Whether a `gan-bench run` holds the store's lock, or, where nothing can be locked, has a heart there that may beat.

    Asking changes nothing there, and waits for nobody.
    """
    refused = _refused(store / ".lock")
    return refused in TAKEN or (refused in NO_LOCKS and may_live(store / HEART))


def locked(file: Path, timeout: float) -> AbstractContextManager[object]:
    """A lock, to be held for a block; where nothing can be locked, nothing. Timeout: another process holds it."""
    return nullcontext() if lockless(file) else Lock(file, timeout=timeout)


def lockless(file: Path) -> bool:
    """Whether no file can be locked where this one lies, which is made if it is not there."""
    return _refused(file, os.O_CREAT) in NO_LOCKS


def _refused(file: Path, flags: int = 0) -> int | None:
    """Why a lock can't be had, as an error's number; None: it can be, or there is no such file."""
    try:
        import fcntl

        lock = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | flags, 0o644)
    except (ImportError, OSError):
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno
    finally:
        os.close(lock)
    return None
