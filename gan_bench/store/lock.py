"""One command at a time on a store: a lock for processes of one machine, a heartbeat for those of others.

A lock (flock) goes with its process, so none of a dead one is left; over NFS and SMB the server keeps it, and lets go when
the client's machine is gone for long enough. But a mount may keep locks to itself (`nolock`, `local_lock`, many FUSE file
systems). So who holds a store also writes a beating heart there, which needs neither locks nor equal clocks: one of another
machine that does not beat is dead. (filelock's `SoftFileLease` can't take its place: it tells machines apart by their names, so
that who lives on another one of the same name is taken over at once, and it does not say whether who is waited for beats.)
"""

from __future__ import annotations

import _thread
import json
import os
import platform
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

HEART = ".heart"  # the file in the store
BEAT_SECONDS = 5.0  # between two beats
DEAD_SECONDS = 30.0  # without a beat: longer than network file systems keep attributes of a file that is opened
SETTLE_SECONDS = 2.0  # after taking over from a dead one, for another machine that does so too
LENGTH = 200  # bytes of a heart, always, so that a full disk does not stop it


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
        with Lock(store / ".lock", timeout=wait):
            file = _take(store / HEART, tell)
            ended = threading.Event()
            thread = threading.Thread(target=_beat, args=(store / HEART, file, ended), daemon=True)
            thread.start()
            try:
                yield
            finally:
                ended.set()
                thread.join(1.0)
                with suppress(OSError):
                    if _is_ours(store / HEART, file):
                        (store / HEART).unlink()
                if not thread.is_alive():  # else a slow disk has it, and another file must not get its number
                    with suppress(OSError):
                        os.close(file)
    except Timeout as error:
        raise Held("on this machine, or one that shares its locks") from error


def _take(heart: Path, tell: Callable[[str], object]) -> int:
    """Write our heart, in place of a dead one; returns it opened. Held: there is a living one."""
    found = _read(heart)
    foreign = found is not None and found.get("machine") != machine()  # of this machine: the lock says that it is dead
    if foreign and found is not None:
        tell(
            f"{heart.parent} was held by {found.get('host')!r}; watching for {DEAD_SECONDS:.0f} s whether that still works"
        )
        deadline = time.monotonic() + DEAD_SECONDS
        while time.monotonic() < deadline:
            time.sleep(min(1.0, BEAT_SECONDS))
            now = _read(heart)
            if now is None:
                break  # it has just ended
            if now != found:
                raise Held(f"on {now.get('host')!r}")
    heart.unlink(missing_ok=True)
    try:
        file = os.open(heart, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        raise Held("which began at the same moment") from None
    _write(file, 0)
    if foreign:
        time.sleep(SETTLE_SECONDS)
        if not _is_ours(heart, file):
            os.close(file)
            raise Held("which took over at the same moment")
    return file


def _beat(heart: Path, file: int, ended: threading.Event) -> None:
    """Beat until the end. Where another machine has taken us for dead, such as after a long sleep, this command is stopped."""
    beats = 0
    while not ended.wait(BEAT_SECONDS):
        beats += 1
        with suppress(OSError):  # the disk may be away for a while; who holds the lock notices by its own writing
            if heart.exists() and not _is_ours(heart, file):
                _thread.interrupt_main(signal.SIGTERM)
                return
            _write(file, beats)


def _write(file: int, beats: int) -> None:
    content = json.dumps({"host": platform.node()[:60], "machine": machine(), "process": os.getpid(), "beats": beats})
    os.pwrite(file, content.encode().ljust(LENGTH), 0)
    os.fsync(file)


def _read(heart: Path) -> dict[str, object] | None:
    """What a heart says, None where there is none."""
    try:
        value = json.loads(heart.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        return {}  # it is being written
    return value if isinstance(value, dict) else {}


def _is_ours(heart: Path, file: int) -> bool:
    try:
        return os.stat(heart).st_ino == os.fstat(file).st_ino
    except FileNotFoundError:
        return False


def machine() -> str:
    """What differs between machines, and between two starts of one."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return f"{uuid.getnode():x}"


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
