"""Who works on something of a store: one process at a time, on one machine of several, also where locks don't hold.

Who works on a run keeps a token beside its folder, a file that is made by O_EXCL and changes every few seconds: it beats. A token
that no longer does is dead, and whoever wants the run takes its place. No clocks are compared, and nothing is asked of the file
system but that a file that is opened is read as it is, that a name is made once, and that renaming is one act.

A process may be frozen at any instant, such as between a look at its token and what it then writes, and wake up long after
another one has taken over, or finished. So whatever is to last is made under a name of its own, its token is looked at, and a
rename gives it its place (`gan_bench.files`). Who takes over first makes its token and then deletes what the others have
made under such names: a rename that comes late finds nothing to rename. (Fencing: Kleppmann, "How to do distributed locking",
2016; Burrows, "The Chubby lock service", 2006, section 2.4. The number that they compare is here the name that is gone.)
"""

from __future__ import annotations

import json
import os
import platform
import threading
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from gan_bench.files import put_back

BEAT_SECONDS = 5.0  # between two beats
SILENT_SECONDS = 20.0  # without a beat of its own, after which a process asks whether another one has taken over
DEAD_SECONDS = 30.0  # without a beat: longer than network file systems keep attributes of a file that is opened
TOKENS = ".*.attempt"  # in runs/
LOOK_SECONDS = 0.05  # between two looks at another's token

Content = dict[str, Any]  # of a token
R = TypeVar("R")


class Busy(Exception):
    """Another process works there; the text says where, as in "on 'node7'"."""


class Lost(Exception):
    """Another process has taken over, and nothing more may be written. The text says so, as a part of a sentence."""


class Attempt:
    """A token that is ours, and beats until it is released or lost. A run that is trained is one attempt at it.

    `on_loss` is called, in another thread, when another process is found to have taken over.
    """

    def __init__(self, path: Path, name: str, on_loss: Callable[[], object] | None = None) -> None:
        """Make the token. FileExistsError: there is one."""
        self.path, self.name, self.lost = path, name, False
        self._on_loss = on_loss
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        self._beats, self._ended = 0, threading.Event()
        try:
            self._write()
            self._folder = os.open(path.parent, os.O_RDONLY)  # as long as it is open no other one gets its number
        except BaseException:
            os.close(self._file)
            path.unlink(missing_ok=True)
            raise
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Lost: the token is another's, or gone. OSError: that can't be known now."""
        if not self.lost:
            found = read(self.path)
            if found is None and self._is_deleted():
                return  # what is to be written says so
            if (found or {}).get("attempt") == self.name:
                return
            self.lost = True
        raise Lost("another process has taken over")

    def _is_deleted(self) -> bool:
        """Whether somebody has deleted the token's folder, which may have been made anew.

        While this process beats nobody has a reason to take over; where it has not, a new folder may be of one who did.
        """
        try:
            there = os.stat(self.path.parent)
        except FileNotFoundError:
            return True
        return clock() - self._beaten <= SILENT_SECONDS and not os.path.samestat(there, os.fstat(self._folder))

    def go_on(self) -> None:
        """Lost: as `check`, but asks only a process that has not beaten for long: it was frozen, or the disk away."""
        if self.lost or clock() - self._beaten > SILENT_SECONDS:
            self.check()

    def is_lost(self) -> bool:
        """Whether another process has taken over, as far as that can be known now."""
        with suppress(OSError, Lost):
            self.check()
        return self.lost

    def release(self) -> None:
        """Delete the token, if it is still ours. A server that is gone holds nothing any more."""
        self._ended.set()
        self._thread.join(1.0)
        with suppress(OSError):
            revoke(self.path, self.name)
        if not self._thread.is_alive():  # else a slow disk has it, and another file must not get its number
            for descriptor in (self._file, self._folder):
                with suppress(OSError):
                    os.close(descriptor)

    def __enter__(self) -> Attempt:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            with suppress(OSError):  # the disk may be away for a while
                if self.is_lost():
                    if self._on_loss:
                        self._on_loss()
                    return
                self._beats += 1
                self._write()

    def _write(self) -> None:
        """Beat. Never through the name, which may be another's by now."""
        at = clock()  # before it is written: from then on others may have seen no later one
        # Always as many bytes, so that neither a full disk stops it nor a reader finds half of it.
        content = {"attempt": self.name, **here(), "beats": f"{self._beats:010}"}
        os.pwrite(self._file, json.dumps(content).encode(), 0)
        os.fsync(self._file)
        self._beaten = at


def new_name() -> str:
    """A name for an attempt, which no other has."""
    return uuid.uuid4().hex[:16]


def token(run: Path) -> Path:
    """The token of whoever works on a run, beside its folder."""
    return run.with_name(f".{run.name}.attempt")


def watch(path: Path) -> Generator[Content, None, Content | None]:
    """Watch a token until it is dead; returns what it says, None where there is none. Busy: another process works there.

    A dead process of this machine is known at once. Of any other the generator gives what it says, and wants to be asked again
    soon, as long as it neither beats nor has been silent for long enough.
    """
    seen: Content | None = None
    since = 0.0
    while True:
        now = clock()  # before it is read: a process that is frozen here must not take what it has read for fresh
        found = read(path)
        if found is None or _is_dead(found) or (found == seen and now - since > DEAD_SECONDS):
            return found
        if seen is None or found.get("attempt") != seen.get("attempt"):
            seen, since = found, now
        elif found != seen:
            raise Busy(where(found))
        yield found


def take(path: Path, name: str = "", on_loss: Callable[[], object] | None = None) -> Generator[Content, None, Attempt]:
    """Make the token at this path ours, after `watch`. Busy: another process works there."""
    found = yield from watch(path)
    if found is not None:
        _withdraw(path, lambda content: content == found)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return Attempt(path, name or new_name(), on_loss)
    except FileExistsError:
        raise Busy(where(read(path) or {})) from None


def waited(looks: Generator[Content, None, R], tell: Callable[[Content], object] = lambda found: None) -> R:
    """What `watch` or `take` comes to; `tell` is called where that takes a while, with what the other token says."""
    told = False
    while True:
        try:
            found = next(looks)
        except StopIteration as done:
            result: R = done.value
            return result
        if not told:
            told = True
            tell(found)
        time.sleep(LOOK_SECONDS)


def revoke(path: Path, name: str) -> None:
    """Delete the token of an attempt, if it is still there: whoever has it, and may only be frozen, writes nothing more."""
    with suppress(Busy):
        _withdraw(path, lambda content: content.get("attempt") == name)


def _withdraw(path: Path, is_it: Callable[[Content], bool]) -> None:
    """Delete a token, if there is one. Busy: it is not the one that is meant, and is left, or put back."""
    found, away = read(path), path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}")
    if found is not None and is_it(found):
        with suppress(FileNotFoundError):  # another one was faster
            path.rename(away)
            found = read(away)
            if found is None or is_it(found):
                away.unlink()
                return
            put_back(away, path)
    if found is not None:
        raise Busy(where(found))


def read(path: Path) -> Content | None:
    """What a token says; None where there is none. It is opened each time, for network file systems keep what they know else."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        return {}  # it is being written
    return value if isinstance(value, dict) else {}


def may_live(path: Path) -> bool:
    """Whether there is a token whose process is not known to be dead."""
    found = read(path)
    return found is not None and not _is_dead(found)


def where(content: Content) -> str:
    """Where a token's process works, in words."""
    host = content.get("host")
    if not isinstance(host, str) or not host.isprintable():
        return "elsewhere"
    return "on this machine" if content.get("machine") == machine() else f"on {host!r}"


def here() -> Content:
    """This process: what a token says of where it is."""
    pid = os.getpid()
    return {"machine": machine(), "process": pid, "started": _started(pid), "host": platform.node()[:60]}


def machine() -> str:
    """What differs between machines, between two starts of one, and between containers that don't see each other's processes."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}-{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return f"{uuid.getnode():x}"


def clock() -> float:
    """Seconds, those of a machine that sleeps among them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def _is_dead(content: Content) -> bool:
    """Whether a token's process was one of this machine that is no more. Of other machines that can't be known."""
    pid, started = content.get("process"), content.get("started")
    if content.get("machine") != machine() or type(pid) is not int or pid <= 0 or os.name == "nt":
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:  # it is another user's
        pass
    now = _started(pid)
    return bool(started and now) and now != started


def _started(pid: int) -> str:
    """When a process was started, in the system's ticks; "dead" if it only waits to be buried, "" where that can't be known."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return "dead" if state in "ZX" else fields[18]
    except (OSError, ValueError, IndexError):
        return ""
