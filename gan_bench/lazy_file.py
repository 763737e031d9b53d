"""A text file that exists once something is written to it."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import TextIO


class LazyFile(io.TextIOBase):
    """Appends lines to a file; its folder and itself are made by the first write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: TextIO | None = None

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, text: str, /) -> int:
        """Append text; each line reaches the file when it ends. What the disk does not take is lost: it is not worth a run."""
        with suppress(OSError):
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self.path.open("a", buffering=1, encoding="utf-8", errors="backslashreplace")
            self._file.write(text)
        return len(text)

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
        super().close()
