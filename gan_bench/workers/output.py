"""A text file that exists once something is written to it."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import TextIO

LIMIT = 10_000_000  # characters of a file; a plugin may print at every step for days


class LazyFile(io.TextIOBase):
    """Appends lines to a file; its folder and itself are made by the first write. What goes beyond the limit is left out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: TextIO | None = None
        self._room = LIMIT

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, text: str, /) -> int:
        """Append text; each line reaches the file when it ends. What the disk does not take is lost: it is not worth a run."""
        with suppress(OSError):
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self.path.open("a", buffering=1, encoding="utf-8", errors="backslashreplace")
                self._room -= self._file.tell()
            if self._room > 0:
                self._file.write(text[: self._room])
                self._room -= len(text)
                if self._room <= 0:
                    self._file.write("\ngan-bench: more was printed, and is left out\n")
        return len(text)

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
        super().close()
