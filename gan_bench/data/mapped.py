"""Arrays that stay in their files, of which the system reads what is looked at."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

LARGE = 2**28  # bytes; the pages of a smaller file stay in memory once they were read


class Mapped:
    """The array of an .npy file. ValueError: it has another shape or type, or isn't all there."""

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        # Mode "c" (private pages, copied when written) maps the same shared pages as "r", and is what torch can wrap.
        array = np.load(path, mmap_mode="c", allow_pickle=False)
        if array.shape != shape or array.dtype != dtype:
            raise ValueError(f"{path.name} holds {array.dtype} {array.shape} instead of {dtype} {shape}")
        if array.offset + array.nbytes != path.stat().st_size:
            raise ValueError(f"{path.name} has {path.stat().st_size} bytes instead of {array.offset + array.nbytes}")
        self.tensor = torch.from_numpy(array)
        self._pages: mmap.mmap | None = array._mmap
        self._offset, self._row = array.offset, array[:1].nbytes
        if array.nbytes < LARGE or not hasattr(mmap, "MADV_WILLNEED"):
            self._pages = None

    def read_ahead(self, places: Tensor) -> None:
        """Have the rows at these places (B,) read soon, all at once and no others.

        Left to itself, the system reads a row when it is looked at, and with it megabytes of its neighbours, which in an order
        drawn at random nobody wants: of a file larger than memory that is a hundred times slower.
        """
        if self._pages is None:
            return
        for place in places.tolist():
            start = self._offset + place * self._row
            first = start - start % mmap.PAGESIZE
            self._pages.madvise(mmap.MADV_WILLNEED, first, start + self._row - first)
