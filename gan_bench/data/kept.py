"""What is computed once and kept in the cache."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from gan_bench.data.cache import caching
from gan_bench.files import read_tensors, write_tensors


class Kept:
    """Values that are computed once, and kept in a folder for whoever needs them next."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._loaded: dict[str, Any] = {}  # by the name of the file

    def __call__(self, name: str, compute: Callable[[], Any]) -> Any:
        """A value, computed unless this process or the folder's file of this name has it."""
        path = self.folder / f"{name}.pt"
        with caching(self.folder):
            if name not in self._loaded:
                with suppress(FileNotFoundError, ValueError):  # there is none yet, or a damaged one
                    self._loaded[name] = read_tensors(path)
            if name not in self._loaded:
                write_tensors(path, compute())
                self._loaded[name] = read_tensors(path)
        return self._loaded[name]
