"""What runs on the nodes of a Ray cluster: a seat for a worker, and the probe of a node. Neither imports torch, or Ray.

What a worker and its parent say to each other stays pickled here.
"""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

import gan_bench
from gan_bench.errors import GanBenchError
from gan_bench.workers.carried import Carried
from gan_bench.workers.hosts.base import Cause, Ending
from gan_bench.workers.hosts.local import LocalHandle, begin

LISTEN_SECONDS = 10.0  # that a call waits for news, so that a node that is gone leaves none behind for long
BATCH = 256  # messages of one answer


@dataclass(frozen=True)
class Terms:
    """What nodes must have, which the store brings along where it can."""

    folder: Path  # the current folder of whoever typed the command
    shared: tuple[Path, ...]  # folders that every node must see, and write to
    carried: tuple[Carried, ...]  # plugin files
    copies: Path  # the folder of their copies
    environment: Mapping[str, str | None]  # of its processes; None: not set
    version: str = gan_bench.__version__


def probe(terms: Terms, secret: str, node: str) -> tuple[Path, ...]:
    """The plugin files as this node has them. It leaves a sign in each shared folder, in which it must have found one.

    GanBenchError: the node can't train.
    """
    if gan_bench.__version__ != terms.version:
        raise GanBenchError(f"has gan-bench {gan_bench.__version__}, and the command was typed with {terms.version}")
    for folder in terms.shared:
        try:
            found = sign(folder, secret).read_text()
            if found != secret:
                raise GanBenchError(f"reads something else in {folder} than was written there")
            sign(folder, secret, node).write_text(secret)
        except OSError as error:
            raise GanBenchError(f"does not see {folder}, or can't write there ({error.strerror})") from error
    if not terms.folder.is_dir():
        raise GanBenchError(f"does not see {terms.folder}")
    return tuple(one.at_hand(terms.copies) for one in terms.carried)


def sign(folder: Path, secret: str, node: str = "") -> Path:
    """The file by which machines see that they see the same folder. Each is looked for once: a miss would be remembered."""
    return folder / f".probe-{secret}{node and '-'}{node}"


class Seat:
    """An actor on a worker's node, with its GPU or core: it starts one worker after another, and passes on what is said.

    Its methods are called from several threads, and again when an answer is lost: what was done already is not done twice.
    """

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._lock = threading.Lock()
        self._number = self._given = -1  # the worker, and the last message that it was given
        self._worker: LocalHandle | None = None
        self._told: list[bytes] = []  # by the worker, of which the other side has not said yet that it has them
        self._first = 0  # the number of the first one of these
        self._ending: Cause | None = None

    def begin(self, number: int, entry: str, task: bytes) -> None:
        """Start a process, as `hosts.local.begin` does. GanBenchError: it can't be."""
        with self._lock:
            if number > self._number:
                if self._worker and self._ending is None:
                    self._worker.kill()  # nobody could listen to it to its end
                    self._worker.bury()
                self._settle()
                self._worker = begin(platform.node(), entry, task)
                self._number, self._given, self._told, self._first, self._ending = number, -1, [], 0, None

    def _settle(self) -> None:
        """Be where the command was typed, in its environment, and not in the one that Ray makes before each call."""
        os.chdir(self._terms.folder)
        for name, value in self._terms.environment.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value

    def give(self, number: int, index: int, message: bytes) -> None:
        """Give it a message, the index-th."""
        with self._lock:
            if self._is(number) and index > self._given and self._worker:
                self._given = index
                self._worker.pass_on(message)  # that it has ended is heard

    def listen(self, number: int, heard: int) -> tuple[list[bytes], Cause | None]:
        """What it has told after the first `heard` messages, as soon as there is something, and why it has ended if it has."""
        worker = self._worker
        if worker is not None and not worker.connection.closed:
            wait([worker.connection, worker.process.sentinel], LISTEN_SECONDS)
        with self._lock:
            if not self._is(number):
                return [], Cause("it was given up")
            if heard > self._first:  # else the call comes late, after others
                del self._told[: heard - self._first]
                self._first = heard
            self._hear()
            return list(self._told), self._ending

    def _hear(self) -> None:
        worker = self._worker
        if worker is None or self._ending is not None:
            return
        try:
            while len(self._told) < BATCH and (messages := worker.hear()):
                self._told += messages
        except Ending:
            self._ending = worker.bury()

    def stop(self, number: int) -> None:
        """Let it save its runs and end."""
        with self._lock:
            if self._is(number) and self._worker and self._ending is None:
                self._worker.stop()

    def kill(self, number: int) -> None:
        """End it at once."""
        with self._lock:
            if self._is(number) and self._worker and self._ending is None:
                self._worker.kill()

    def _is(self, number: int) -> bool:
        return number == self._number
