"""Samples that are decoded by index, in order and by all cores, into a file that a killed process leaves for the next one.

Beside the samples stands a journal, .NAME.jsonl: a line for each run of samples that is complete, with all that is known of them.
Samples are written before their line, and a line has their hash; so whatever a crash leaves of either is noticed and cut off.
"""

from __future__ import annotations

import hashlib
import json
import operator
import os
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path
from typing import Any

import numpy as np

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.faults import told
from gan_bench.api.kinds import Part, SkipSample
from gan_bench.data.ahead import in_order
from gan_bench.data.cache import DTYPES, PARTS
from gan_bench.data.cores import cores
from gan_bench.data.facts import Facts
from gan_bench.errors import GanBenchError

Tell = Callable[[str, int, int], None]  # what is being done, how many are done, of how many

CHUNK = 512  # samples that are decoded at a time, at most
CHUNK_BYTES = 2**23  # of them
DIGEST = 8  # bytes of a sample's hash


@dataclass
class _Chunk:
    """Consecutive samples, decoded."""

    end: int  # the index after the last one
    samples: list[bytes]
    labels: list[int]
    skipped: list[str]
    facts: Facts


class Pile:
    """A part's samples, their labels, and what was found of them. GanBenchError: it is empty, or is no part."""

    def __init__(self, dataset: str, name: str, part: Part, spec: DataSpec, facts: Facts) -> None:
        self.title = f"dataset {dataset}" if name == "all" else f"dataset {dataset}, {name} part"
        self.file = name if name in PARTS else f".{name}"  # what is divided yet is no part of the cache
        self.name, self.facts, self._part, self._spec, self._dtype = name, facts, part, spec, DTYPES[spec.kind]
        with told(f"dataset {dataset}: the length of the {name} part"):
            self._length = len(part)
        if not self._length:
            raise GanBenchError(f"dataset {dataset}: the {name} part is empty")
        self._labels = array("q")
        self._hashes = bytearray()
        self.skipped: list[str] = []  # the unreadable samples, each as "name: reason"

    def __len__(self) -> int:
        """Samples that there are, the unreadable ones too."""
        return self._length

    @property
    def labels(self) -> np.ndarray:
        """Of each sample that was read, (N,) int64."""
        return np.array(self._labels, np.int64)

    @property
    def hashes(self) -> np.ndarray:
        """Of each sample that was read, (N,) uint64: equal where the samples' bytes are."""
        return np.frombuffer(bytes(self._hashes), np.uint64)

    def write(self, folder: Path, tell: Tell) -> None:
        """Decode what is not there yet."""
        file, journal = folder / f"{self.file}.npy", folder / f".{self.name}.jsonl"
        # Streams rather than a mapped file: on a full disk they raise an error instead of killing the process.
        with _opened(file) as samples, _opened(journal) as lines:
            done = self._resume(samples, lines)
            for chunk in self._chunks(done):
                samples.write(b"".join(chunk.samples))
                samples.flush()
                lines.write(self._take(chunk))
                lines.flush()
                tell(f"decoding {self.title}", chunk.end, len(self))
            samples.seek(0)
            self._header(samples, len(self._labels))

    def _resume(self, samples: BufferedRandom, lines: BufferedRandom) -> int:
        """Take what is whole of files that may have been written before, and cut off the rest; gives the next index."""
        self._header(samples, len(self))
        start, done, known = samples.tell(), 0, 0
        size = self._dtype.itemsize * self._spec.numel
        for line in lines:
            try:
                entry = json.loads(line)
                chunk = _Chunk(
                    entry["end"],
                    [samples.read(size) for _ in entry["labels"]],
                    entry["labels"],
                    entry["skipped"],
                    Facts.from_json(entry["facts"]),
                )
            except (ValueError, KeyError, TypeError):
                break  # torn
            if (
                entry.get("of") != len(self)
                or not line.endswith(b"\n")
                or _digest(chunk.samples).hex() != entry["hash"]
            ):
                break
            self._take(chunk)
            done, known = chunk.end, known + len(line)
        samples.seek(start + size * len(self._labels))
        lines.seek(known)
        for file in (samples, lines):
            file.truncate()
        return done

    def _take(self, chunk: _Chunk) -> bytes:
        """Count the samples of a chunk as read; gives its line of the journal."""
        hashes = b"".join(map(_hash, chunk.samples))
        self._labels.extend(chunk.labels)
        self._hashes += hashes
        self.skipped += chunk.skipped
        self.facts.merge(chunk.facts)
        entry = {
            "end": chunk.end,
            "of": len(self),
            "labels": chunk.labels,
            "skipped": chunk.skipped,
            "facts": chunk.facts.as_json(),
            "hash": _hash(hashes).hex(),
        }
        return json.dumps(entry).encode() + b"\n"

    def _chunks(self, start: int) -> Iterator[_Chunk]:
        """The rest, in order: by all cores where the part allows it."""
        size = max(1, min(CHUNK, CHUNK_BYTES // (self._dtype.itemsize * self._spec.numel)))
        ranges = [range(first, min(first + size, len(self))) for first in range(start, len(self), size)]
        return in_order(self._decoded, ranges, cores() if getattr(self._part, "parallel", False) else 1)

    def _decoded(self, indices: range) -> _Chunk:
        chunk = _Chunk(indices.stop, [], [], [], Facts())
        for index in indices:
            try:
                with told(f"{self.title}, sample {index}"):
                    item = self._part[index]
            except SkipSample as reason:
                chunk.skipped.append(str(reason))
                continue
            sample, label = self._checked(index, item)
            chunk.samples.append(sample)
            chunk.labels.append(label)
            if len(item) == 3:
                with told(f"{self.title}, facts of sample {index}"):
                    chunk.facts.add(item[2])
        return chunk

    def _checked(self, index: int, item: Any) -> tuple[bytes, int]:
        """A sample's bytes and label."""
        place = f"{self.title}, sample {index}"
        if not isinstance(item, tuple) or len(item) not in (2, 3):
            raise GanBenchError(f"{place}: found {type(item).__name__}, expected a tuple (sample, label)")
        with told(place):
            sample = np.asarray(item[0])
        if sample.shape != self._spec.shape or sample.dtype != self._dtype:
            found = f"{sample.dtype} of shape {sample.shape}"
            raise GanBenchError(f"{place}: found {found}, expected {self._dtype} of shape {self._spec.shape}")
        if not np.isfinite(sample).all():
            raise GanBenchError(f"{place}: found {sample}, expected finite numbers")
        classes = self._spec.classes
        try:
            label = operator.index(item[1])
        except TypeError:
            raise GanBenchError(f"{place}: found label {item[1]!r}, expected an int (-1 for none)") from None
        if not -1 <= label < (2**63 if classes is None else len(classes)):
            most = "" if classes is None else f" to {len(classes) - 1}, a class"
            raise GanBenchError(f"{place}: found label {label}, expected -1 (none) or 0{most}")
        return sample.tobytes(), label

    def _header(self, file: Any, length: int) -> None:
        write_header(file, length, self._spec)


def write_header(file: Any, length: int, spec: DataSpec) -> None:
    """The beginning of an .npy file of so many samples; numpy pads it, so that another length fits in the same place."""
    header = {"descr": DTYPES[spec.kind].str, "fortran_order": False, "shape": (length, *spec.shape)}
    np.lib.format.write_array_header_1_0(file, header)


def _opened(file: Path) -> BufferedRandom:
    """For reading and writing from its beginning, whether it is there or not."""
    return os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT, 0o666), "r+b")


def _hash(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=DIGEST).digest()


def _digest(samples: list[bytes]) -> bytes:
    return _hash(b"".join(map(_hash, samples)))
