"""Things by index where they can only be read one after the other."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import IO, Any

KEPT = 8  # blocks: threads that read about in order find theirs among them

Block = tuple[int, Any]  # the index of the first thing in it, and the things: a list or an array


_READING = threading.Lock()


def read_at(file: IO[bytes], size: int, offset: int) -> bytes:
    """Bytes of a file from an offset on, whatever else reads it: fewer where it ends."""
    if hasattr(os, "pread"):
        return os.pread(file.fileno(), size, offset)
    with _READING:  # Windows, which forks no processes that would share the file's place
        file.seek(offset)
        return file.read(size)


class Streamed:
    """`streamed[i]` of blocks that follow each other; several threads, or processes forked from this one, may ask at once.

    `blocks(i)` gives them from the one on that holds thing i. It is begun anew where somebody goes back further than the last
    few blocks; and, if beginning at any place `jumps` over all before it, where somebody goes on by more than these.
    """

    def __init__(self, blocks: Callable[[int], Iterator[Block]], jumps: bool = False) -> None:
        self._blocks, self._jumps = blocks, jumps
        self._process = os.getpid()
        self._kept: deque[Block] = deque(maxlen=KEPT)
        self._coming: Iterator[Block] = iter(())
        self._next: int | None = None  # the index that the coming block begins with
        self._lock = threading.Lock()

    def __getitem__(self, index: int) -> Any:
        if self._process != os.getpid():  # whose files have one place for all processes
            self.__init__(self._blocks, self._jumps)  # type: ignore[misc]
        with self._lock:
            found = self._found(index)
            if found is None:
                if self._next is None or index < self._next or (self._jumps and index > self._next + self._ahead()):
                    self._kept.clear()
                    self._coming = self._blocks(index)
                while found is None:
                    start, block = next(self._coming, (index, ()))
                    if not len(block):
                        self._next = None
                        raise ValueError("it ends too early")
                    self._kept.append((start, block))
                    self._next = start + len(block)
                    found = self._found(index)
            start, block = found
            return block[index - start]

    def _ahead(self) -> int:
        """How many things as many blocks hold as are kept."""
        return KEPT * max((len(block) for _, block in self._kept), default=0)

    def _found(self, index: int) -> Block | None:
        return next((one for one in self._kept if one[0] <= index < one[0] + len(one[1])), None)
