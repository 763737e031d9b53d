"""Things by index where they can only be read one after the other."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

KEPT = 8  # blocks: threads that read about in order find theirs among them

Block = tuple[int, Any]  # the index of the first thing in it, and the things: a list or an array


class Streamed:
    """`streamed[i]` of blocks that follow each other; several threads may ask at once.

    `blocks(i)` gives them from the one on that holds thing i. It is begun anew only where somebody goes back further than the
    last few blocks.
    """

    def __init__(self, blocks: Callable[[int], Iterator[Block]]) -> None:
        self._blocks = blocks
        self._kept: deque[Block] = deque(maxlen=KEPT)
        self._coming: Iterator[Block] = iter(())
        self._next: int | None = None  # the index that the coming block begins with
        self._lock = threading.Lock()

    def __getitem__(self, index: int) -> Any:
        with self._lock:
            found = self._found(index)
            if found is None:
                if self._next is None or index < self._next:
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

    def _found(self, index: int) -> Block | None:
        return next((one for one in self._kept if one[0] <= index < one[0] + len(one[1])), None)
