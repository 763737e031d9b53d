"""What an .npy file says of itself, read without trusting it."""

from __future__ import annotations

import math
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np


class ArrayHeader(NamedTuple):
    """An array as its file says it to be."""

    shape: tuple[int, ...]
    fortran: bool  # whether the first index runs fastest
    dtype: np.dtype

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def array_header(file: IO[bytes]) -> ArrayHeader:
    """The header of an .npy file, after which its values follow. ValueError: what is not read, such as Python objects."""
    import numpy as np

    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError("its header is of version {}.{}, for names of fields".format(*version))
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    header = ArrayHeader(*read(file))
    if header.dtype.hasobject:
        raise ValueError("it holds Python objects, which are not loaded, for they can run code; save numbers or text")
    return header
