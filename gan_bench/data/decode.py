"""Decoding: every sample of a dataset once, into a folder of the cache."""

from __future__ import annotations

import hashlib
import json
import operator
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.faults import told
from gan_bench.api.kinds import Dataset, Part, Parts, SkipSample, Undivided, choice
from gan_bench.api.reading import Equal, LeftOut, Reading
from gan_bench.data.cache import _DTYPES, _PARTS, part_fingerprint
from gan_bench.data.division import equal_samples, held_out_of
from gan_bench.data.facts import Facts
from gan_bench.errors import GanBenchError

Tell = Callable[[str, int, int], None]  # what is being done, how many are done, of how many

EXAMPLES = 5  # names that are told of what was left out
COPIED = 2**26  # bytes that are copied at a time


def decode(dataset: Dataset, spec: DataSpec, folder: Path, tell: Tell) -> None:
    """Write both parts and meta.json into a folder. GanBenchError: whatever is wrong with the data."""
    with told(f"dataset {dataset.name}: load()"):
        source = dataset.load()
    facts = Facts()
    if isinstance(source, Parts):
        piles = dict(zip(_PARTS, (source.training, source.held_out), strict=True))
    elif isinstance(source, Undivided):
        piles = {"all": source.samples}
    else:
        rule = "load() must return gan_bench.Parts(training=..., held_out=...)"
        raise GanBenchError(f"dataset {dataset.name}: {rule}, not {type(source).__name__}")
    decoded = {name: _Pile(dataset.name, name, part, spec, facts) for name, part in piles.items()}
    with warnings.catch_warnings(action="ignore"):  # Pillow warns of what it could do without, once a picture
        for pile in decoded.values():
            pile.write(folder, tell)
    skipped = [line for pile in decoded.values() for line in pile.skipped]
    found = sum(map(len, decoded.values()))
    _check_readable(dataset.name, decoded, skipped, found)
    if isinstance(source, Undivided):
        hashes, labels = decoded["all"].hashes, np.array(decoded["all"].labels, np.int64)
        if len(np.unique(hashes)) < 2:
            rule = "it needs two different samples at least, one of them to hold out"
            raise GanBenchError(f"dataset {dataset.name}: {rule}")
        held_out = held_out_of(hashes, labels, source.held_out)
        parts = dict(zip(_PARTS, (np.flatnonzero(~held_out), np.flatnonzero(held_out)), strict=True))
        for name, index in parts.items():
            _take(folder, name, index, labels, spec)
        (folder / "all.npy").unlink()
        own = [hashes[index] for index in parts.values()]
        lengths = {name: len(index) for name, index in parts.items()}
    else:
        for name, pile in decoded.items():
            np.save(folder / f"{name}_labels.npy", np.array(pile.labels, np.int64))
        own = [pile.hashes for pile in decoded.values()]
        lengths = {name: len(pile.labels) for name, pile in decoded.items()}
    reading = Reading(
        found=found,
        treatment=source.treatment,
        notes=tuple(source.notes),
        counts=facts.counts(),
        different=facts.different(),
        ranges=facts.ranges(),
        left_out=tuple(_left_out(source, skipped)),
        equal=Equal(**equal_samples(*own)),
    )
    with told(f"dataset {dataset.name}: check_reading()"):
        dataset.check_reading(reading)
    meta = {
        "name": dataset.name,
        "settings": decoded_settings(dataset),
        "shape": spec.shape,
        "kind": spec.kind,
        "classes": spec.classes,
        "modes": spec.modes and asdict(spec.modes),
        "lengths": lengths,
        "fingerprint": _fingerprint(folder, spec),
        "fingerprints": {part: part_fingerprint(folder, part, spec) for part in _PARTS},
        "skipped": skipped,
        "reading": reading.model_dump(mode="json"),
    }
    (folder / "meta.json").write_text(json.dumps(meta, indent=2), encoding="utf-8")


def decoded_settings(dataset: Dataset) -> dict[str, Any]:
    """The settings without those that choose what is trained on, which is decoded with all else."""
    chosen = choice(dataset)
    return {name: value for name, value in dataset.settings().items() if name not in chosen}


def some(names: Iterable[str], count: int = EXAMPLES) -> str:
    """The first few, and how many more there are."""
    names = list(names)
    return "; ".join(names[:count]) + (f"; and {len(names) - count} more" if len(names) > count else "")


class _Pile:
    """Samples that are decoded one after the other into NAME.npy."""

    def __init__(self, dataset: str, name: str, part: Part, spec: DataSpec, facts: Facts) -> None:
        self.title = f"dataset {dataset}" if name == "all" else f"dataset {dataset}, {name} part"
        self.name, self.part, self.spec, self.dtype, self.facts = name, part, spec, _DTYPES[spec.kind], facts
        with told(f"dataset {dataset}: the length of the {name} part"):
            self._length = len(part)
        if not self._length:
            raise GanBenchError(f"dataset {dataset}: the {name} part is empty")
        self.labels: list[int] = []
        self.skipped: list[str] = []  # the unreadable samples, each as "name: reason"
        self._hashes: list[bytes] = []

    def __len__(self) -> int:
        return self._length

    @property
    def hashes(self) -> np.ndarray:
        """Of each sample that was read, (N,) uint64: equal where the samples' bytes are."""
        return np.frombuffer(b"".join(self._hashes), np.uint64)

    def write(self, folder: Path, tell: Tell) -> None:
        # A stream rather than a mapped file: on a full disk it raises an error instead of killing the process.
        with (folder / f"{self.name}.npy").open("wb") as file:
            write_header(file, len(self), self.spec)
            for index in range(len(self)):
                try:
                    with told(f"{self.title}, sample {index}"):
                        item = self.part[index]
                except SkipSample as reason:
                    self.skipped.append(str(reason))
                else:
                    sample, label = self._checked(index, item)
                    file.write(sample)
                    self._hashes.append(hashlib.blake2b(sample, digest_size=8).digest())
                    self.labels.append(label)
                    if len(item) == 3:
                        self.facts.add(item[2])
                tell(f"decoding {self.title}", index + 1, len(self))
            file.seek(0)
            write_header(file, len(self.labels), self.spec)

    def _checked(self, index: int, item: Any) -> tuple[bytes, int]:
        """A sample's bytes and label."""
        place = f"{self.title}, sample {index}"
        if not isinstance(item, tuple) or len(item) not in (2, 3):
            raise GanBenchError(f"{place}: found {type(item).__name__}, expected a tuple (sample, label)")
        with told(place):
            sample = np.asarray(item[0])
        if sample.shape != self.spec.shape or sample.dtype != self.dtype:
            found = f"{sample.dtype} of shape {sample.shape}"
            raise GanBenchError(f"{place}: found {found}, expected {self.dtype} of shape {self.spec.shape}")
        if not np.isfinite(sample).all():
            raise GanBenchError(f"{place}: found {sample}, expected finite numbers")
        classes = self.spec.classes
        try:
            label = operator.index(item[1])
        except TypeError:
            raise GanBenchError(f"{place}: found label {item[1]!r}, expected an int (-1 for none)") from None
        if label < -1 or (classes is not None and label >= len(classes)):
            most = "" if classes is None else f" to {len(classes) - 1}, a class"
            raise GanBenchError(f"{place}: found label {label}, expected -1 (none) or 0{most}")
        return sample.tobytes(), label


def write_header(file: Any, length: int, spec: DataSpec) -> None:
    """The beginning of an .npy file of so many samples; numpy pads it, so that another length fits in the same place."""
    header = {"descr": _DTYPES[spec.kind].str, "fortran_order": False, "shape": (length, *spec.shape)}
    np.lib.format.write_array_header_1_0(file, header)


def _check_readable(dataset: str, piles: dict[str, _Pile], skipped: list[str], found: int) -> None:
    """GanBenchError: too much can't be read."""
    if 2 * len(skipped) > found:
        raise GanBenchError(
            f"dataset {dataset}: {len(skipped)} of {found} samples can't be read: "
            f"{some(skipped)}. More than half is too many to go on without; is this the right data?"
        )
    for name, pile in piles.items():
        if not pile.labels:
            raise GanBenchError(f"dataset {dataset}: no sample of the {name} part can be read: {some(skipped)}")


def _take(folder: Path, name: str, index: np.ndarray, labels: np.ndarray, spec: DataSpec) -> None:
    """Write a part of all samples."""
    samples = np.load(folder / "all.npy", mmap_mode="r", allow_pickle=False)
    with (folder / f"{name}.npy").open("wb") as file:
        write_header(file, len(index), spec)
        for places in np.array_split(index, 1 + len(index) * samples[0].nbytes // COPIED):
            file.write(samples[places].tobytes())
    np.save(folder / f"{name}_labels.npy", labels[index])


def _fingerprint(folder: Path, spec: DataSpec) -> str:
    """SHA-256 of all decoded samples and labels."""
    digest = hashlib.sha256(json.dumps([spec.kind, spec.shape]).encode())
    for part in _PARTS:
        for file in (f"{part}.npy", f"{part}_labels.npy"):
            digest.update(np.load(folder / file, mmap_mode="r", allow_pickle=False))
    return digest.hexdigest()


def _left_out(source: Parts | Undivided, skipped: list[str]) -> Iterable[LeftOut]:
    for reason, names in (("unreadable", skipped), *source.left_out.items()):
        if names:
            yield LeftOut(reason=reason, count=len(names), examples=tuple(names[:EXAMPLES]))
