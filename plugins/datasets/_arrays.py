"""Arrays of files: .npy, .npz and PyTorch's .pt, row by row, without holding or executing what is in them."""

from __future__ import annotations

import math
import pickle
import warnings
import weakref
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np

from gan_bench.api.array_files import ArrayHeader, array_header
from gan_bench.errors import GanBenchError
from gan_bench.files import check_regular

from ._damage import damage_told
from ._streams import Block, Streamed, read_at

BLOCK = 2**22  # bytes that are read at a time
WHOLE = 2**30  # bytes of an array that is read whole: labels, or one whose rows don't lie together


class Array(ABC):
    """An array of a file, of whose rows a few are in memory at a time."""

    parallel = True  # False: each process would have to unpack all that others read

    def __init__(self, name: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.name, self.shape, self.dtype = name, shape, dtype
        self.row_bytes = math.prod(shape[1:]) * dtype.itemsize
        self.step = max(1, BLOCK // max(1, self.row_bytes))  # rows in a block

    def __len__(self) -> int:
        return self.shape[0] if self.shape else 1

    def __str__(self) -> str:
        return f"{self.name or 'the array'}: {self.dtype} of shape {self.shape}"

    @abstractmethod
    def blocks(self, first: int = 0) -> Iterator[Block]:
        """All rows from this one on, with the index that each block begins with. ValueError or the like: it is damaged."""

    @abstractmethod
    def __getitem__(self, index: int) -> np.ndarray:
        """A row."""

    def whole(self) -> np.ndarray:
        """All of it. ValueError: it is too large for that."""
        if len(self) * self.row_bytes > WHOLE:
            raise ValueError(f"{self} is too large to be labels")
        return np.concatenate([np.asarray(rows) for _, rows in self.blocks()] or [np.empty(self.shape, self.dtype)])


class HeldArray(Array):
    """One that is mapped or in memory."""

    def __init__(self, name: str, values: Any) -> None:
        super().__init__(name, values.shape, values.dtype)
        self.values = values

    def blocks(self, first: int = 0) -> Iterator[Block]:
        for start in range(first, len(self), self.step):
            yield start, self.values[start : start + self.step]

    def __getitem__(self, index: int) -> np.ndarray:
        return self.values[index]


class NpyArray(Array):
    """An .npy file. Its rows are read where they lie, for the pages of a mapped file count as this process's memory."""

    def __init__(self, file: Path, header: ArrayHeader, offset: int) -> None:
        super().__init__("", header.shape, header.dtype)
        self.file, self.offset = file, offset
        if file.stat().st_size - offset < header.nbytes:
            raise ValueError(f"it ends too early: {self.dtype} of shape {self.shape} has {header.nbytes:,} bytes")

    @cached_property
    def opened(self) -> IO[bytes]:
        opened = self.file.open("rb", buffering=0)
        weakref.finalize(self, opened.close)
        return opened

    def blocks(self, first: int = 0) -> Iterator[Block]:
        for start in range(first, len(self), self.step):
            yield start, self._rows(start, min(start + self.step, len(self)))

    def __getitem__(self, index: int) -> np.ndarray:
        return self._rows(index, index + 1)[0]

    def _rows(self, start: int, stop: int) -> np.ndarray:
        wanted = (stop - start) * self.row_bytes
        content = read_at(self.opened, wanted, self.offset + start * self.row_bytes)
        if len(content) < wanted:
            raise ValueError("it ends too early")
        return np.frombuffer(content, self.dtype).reshape(stop - start, *self.shape[1:])


class ZippedArray(Array):
    """An array in an .npz, unpacked as it is read: a member's checksum is known once all of it is."""

    parallel = False

    def __init__(self, file: Path, member: zipfile.ZipInfo, header: ArrayHeader) -> None:
        super().__init__(member.filename.removesuffix(".npy"), header.shape, header.dtype)
        self.file, self.member = file, member
        self._streamed = Streamed(self.blocks)

    def blocks(self, first: int = 0) -> Iterator[Block]:
        with zipfile.ZipFile(self.file) as archive, archive.open(self.member) as opened:
            array_header(opened)
            left = first * self.row_bytes
            while left:
                left -= len(self._read(opened, min(left, BLOCK)))
            for start in range(first, len(self), self.step):
                rows = min(self.step, len(self) - start)
                content = self._read(opened, rows * self.row_bytes)
                if start + rows == len(self) and opened.read(1):
                    raise ValueError(f"array {self.name} is longer than its shape {self.shape} says")
                yield start, np.frombuffer(content, self.dtype).reshape(rows, *self.shape[1:])

    def _read(self, opened: IO[bytes], size: int) -> bytes:
        content = opened.read(size)
        if len(content) < size:
            raise ValueError(f"array {self.name} ends too early")
        return content

    def __getitem__(self, index: int) -> np.ndarray:
        return self._streamed[index]


def read_arrays(file: Path) -> dict[str, Array]:
    """The arrays of an .npy, .npz or .pt file by name; "" where it has one that has none.

    GanBenchError: it is damaged, or holds something else than arrays.
    """
    with damage_told(file):
        check_regular(file)
        with file.open("rb") as opened:
            magic = opened.read(6)
            opened.seek(0)
            if magic == b"\x93NUMPY":
                return {"": _npy(file, opened)}
            if magic.startswith(b"PK"):
                with zipfile.ZipFile(opened) as archive:
                    members = [one for one in archive.infolist() if one.filename.endswith(".npy")]
                    if members:
                        return {one.filename.removesuffix(".npy"): _zipped(file, archive, one) for one in members}
    return _tensors(file)


def _npy(file: Path, opened: IO[bytes]) -> Array:
    header = array_header(opened)
    offset = opened.tell()
    if header.fortran and len(header.shape) > 1:
        return HeldArray("", np.memmap(file, header.dtype, "r", offset, header.shape, "F"))
    return NpyArray(file, header, offset)


def _zipped(file: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    if member.flag_bits & 1:
        raise ValueError("it is encrypted. Unpack it with its password, and save the arrays without one")
    name = member.filename.removesuffix(".npy")
    with archive.open(member) as opened:
        try:
            header = array_header(opened)
        except ValueError as error:
            if "Python objects" in str(error):  # what is not used may be so
                return NoArray(name, str(error))
            raise ValueError(f"array {name}: {error}") from error
        if not header.fortran or len(header.shape) < 2:
            return ZippedArray(file, member, header)
        if header.nbytes > WHOLE:
            raise ValueError(f"array {name} is saved in Fortran's order: save it as numpy.ascontiguousarray(...)")
        content = opened.read(header.nbytes + 1)
        if len(content) != header.nbytes:
            raise ValueError(f"array {name} has not the bytes of its shape {header.shape}")
        return HeldArray(name, np.frombuffer(content, header.dtype).reshape(header.shape, order="F"))


class NoArray(Array):
    """What stands in the place of one that is not read."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, (0,), np.dtype(object))
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.name or 'array'}: {self.reason}"

    def blocks(self, first: int = 0) -> Iterator[Block]:
        raise ValueError(str(self))

    def __getitem__(self, index: int) -> np.ndarray:
        raise ValueError(str(self))


def _tensors(file: Path) -> dict[str, Array]:
    """Those of a file of `torch.save`: a tensor, a dict of tensors, or the pair (images, labels)."""
    import torch

    cure = "torch.save a tensor, a dict of tensors such as {'images': ..., 'labels': ...}, or the pair (images, labels)"
    try:
        with damage_told(file), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it tells of odd files is for who writes them
            try:
                loaded = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
            except RuntimeError as error:
                if "mmap" not in str(error):  # a file from before PyTorch 1.6, as that of MNIST
                    raise
                loaded = torch.load(file, map_location="cpu", weights_only=True)
    except GanBenchError as error:
        if isinstance(error.__cause__, pickle.UnpicklingError):  # whose text advises to load it all the same
            rule = "it holds more than tensors, numbers and text, which is not loaded, for it can run code"
            raise GanBenchError(f"{file} can't be read: {rule}; {cure}") from error
        raise
    arrays = dict(_flattened("", loaded, file.stat().st_size))
    if not arrays:
        raise GanBenchError(f"{file} holds no tensors ({type(loaded).__name__}); {cure}")
    return arrays


def _flattened(name: str, value: Any, size: int) -> Iterator[tuple[str, Array]]:
    """The arrays of what `torch.load` gave of a file of so many bytes."""
    import torch

    if isinstance(value, torch.Tensor):
        yield name, _tensor(name, value, size)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _flattened(f"{name}/{key}" if name else str(key), inner, size)
    elif isinstance(value, list | tuple) and value:
        if all(isinstance(one, bool | int | float | str) for one in value):
            yield name, HeldArray(name, np.array(value))
        elif len(value) == 2:
            for key, inner in zip(("images", "labels"), value, strict=True):
                yield from _flattened(f"{name}/{key}" if name else key, inner, size)


def _tensor(name: str, tensor: Any, size: int) -> Array:
    import torch

    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex():
        return NoArray(name, f"a tensor of kind {tensor.dtype}, {tensor.layout} is no array of pictures")
    if tensor.numel() * tensor.element_size() > size:
        return NoArray(name, f"a tensor of shape {tuple(tensor.shape)} is more than the file has")
    tensor = tensor.detach()
    return HeldArray(name, (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy())
