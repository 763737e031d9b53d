"""Decoding: every sample of a dataset once, into the cache."""

from __future__ import annotations

import hashlib
import json
import operator
import os
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.faults import told
from gan_bench.api.kinds import Dataset, Part, Parts, SkipSample, choice
from gan_bench.api.samples import PreparedData
from gan_bench.api.sources import source_hash
from gan_bench.data.cache import _DTYPES, _PARTS, cache_root, caching, open_prepared, part_fingerprint
from gan_bench.data.folders import beside, discard, made_whole
from gan_bench.data.training_set import training_set
from gan_bench.errors import GanBenchError
from gan_bench.files import check_regular

Progress = Callable[[str, int, int], None]  # what is being done, how many are done, of how many

_FORMAT = 1  # of the cache folder; another number makes other folders


def prepare(dataset: Dataset, cache: Path | None = None, progress: Progress | None = None) -> PreparedData:
    """Open a dataset's cache below `cache` (default: `cache_root()`), and decode the dataset first if it isn't there.

    `progress` is called at most about ten times a second, and when a stage ends. Unreadable samples are left out with a
    warning. GanBenchError: missing, damaged or wrong data, whatever else the dataset raises, or no room for the cache.
    """
    cache = cache_root() if cache is None else cache
    whole = _whole(dataset, cache, _Throttle(progress))
    with caching(cache):
        return training_set(dataset, whole)


def _whole(dataset: Dataset, cache: Path, tell: _Throttle) -> PreparedData:
    """All that a dataset decodes to."""
    files, spec = files_and_spec(dataset)
    with caching(cache):
        key = _key(dataset, spec, _content(dataset.name, files, cache, tell))
    folder = cache / "datasets" / f"{dataset.name}-{key[:16]}"
    if folder.exists():
        try:
            return open_prepared(folder)
        except GanBenchError as error:
            warnings.warn(f"The data is decoded again: {error}", stacklevel=2)
            discard(folder)
    with caching(cache), made_whole(folder) as work:
        _decode(dataset, spec, work, tell)
    data = open_prepared(folder)
    if data.skipped:
        total = len(data.training) + len(data.held_out) + len(data.skipped)
        warnings.warn(
            f"dataset {data.name}: {len(data.skipped)} of {total} samples can't be read and are left out: "
            f"{_some(data.skipped)}",
            stacklevel=2,
        )
    return data


def files_and_spec(dataset: Dataset) -> tuple[list[Path], DataSpec]:
    """The files that a dataset is read from, absolute, and what networks must know of it.

    GanBenchError: they are missing or wrong, or whatever the dataset's own code raises.
    """
    with told(f"dataset {dataset.name}: files()"):
        files = [Path(file).absolute() for file in dataset.files()]  # first: it may download what `spec` reads
    with told(f"dataset {dataset.name}: its shape or classes"):
        return files, dataset.spec()


def _key(dataset: Dataset, spec: DataSpec, content: str) -> str:
    """SHA-256 of all that determines the decoded data: settings, code and files, but not where the files lie."""
    settings = {name: value for name, value in _decoded(dataset).items() if name not in dataset.location_fields}
    parts = [_FORMAT, settings, spec.shape, spec.kind, spec.classes, source_hash(type(dataset)), content]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _decoded(dataset: Dataset) -> dict[str, Any]:
    """The settings without those that choose what is trained on, which is decoded with all else."""
    chosen = choice(dataset)
    return {name: value for name, value in dataset.settings().items() if name not in chosen}


def _content(name: str, files: list[Path], cache: Path, tell: _Throttle) -> str:
    """SHA-256 of the files' bytes and of their names below their common folder.

    It is kept under a hash of the files' paths, sizes and times, so that a folder of 200,000 pictures is read only when
    one of them has changed. A file that can't be read (a link that leads nowhere) counts as such: what it means is up to
    the dataset.
    """
    if not files:
        return ""
    started = time.time_ns()
    try:
        stats = [_stat(file) for file in files]
    except OSError as error:
        raise GanBenchError(f"dataset {name}: {error.filename} can't be read ({error.strerror})") from error
    listing = [(str(file), s.st_size, s.st_mtime_ns, s.st_ctime_ns) for file, s in zip(files, stats, strict=True)]
    known = cache / "files" / hashlib.sha256(json.dumps(listing).encode()).hexdigest()
    if known.is_file() and len(text := known.read_text()) == 64:
        return text
    base = os.path.commonpath({file.parent for file in files})
    digest = hashlib.sha256()
    for done, file in enumerate(files, 1):
        try:
            check_regular(file)
            with file.open("rb") as opened:
                own = hashlib.file_digest(opened, "sha256").hexdigest()
        except OSError:
            own = "unreadable"
        # As in UTF-8, whatever bytes a name holds.
        digest.update(f"{file.relative_to(base).as_posix()}\0{own}\n".encode(errors="surrogateescape"))
        tell(f"{name}: reading files", done, len(files))
    # A file written moments ago could change again within the clock's resolution: such a listing is not kept.
    if max(s.st_mtime_ns for s in stats) < started - 2_000_000_000:
        known.parent.mkdir(parents=True, exist_ok=True)
        temporary = beside(known)
        temporary.write_text(digest.hexdigest())
        temporary.replace(known)
    return digest.hexdigest()


def _stat(file: Path) -> os.stat_result:
    """Of the file that a link leads to, or else of the link itself."""
    try:
        return file.stat()
    except OSError:
        return file.lstat()


def _decode(dataset: Dataset, spec: DataSpec, folder: Path, tell: _Throttle) -> None:
    """Write both parts and meta.json into a folder."""
    digest = hashlib.sha256(json.dumps([spec.kind, spec.shape]).encode())
    with told(f"dataset {dataset.name}: load()"):
        parts = dataset.load()
    if not isinstance(parts, Parts):
        rule = "load() must return gan_bench.Parts(training=..., held_out=...)"
        raise GanBenchError(f"dataset {dataset.name}: {rule}, not {type(parts).__name__}")
    lengths: dict[str, int] = {}
    skipped: list[str] = []
    for name, part in zip(_PARTS, (parts.training, parts.held_out), strict=True):
        with told(f"dataset {dataset.name}: the length of the {name} part"):
            total = len(part)
        if not total:
            raise GanBenchError(f"dataset {dataset.name}: the {name} part is empty")
        writer = _PartWriter(dataset.name, name, spec, digest)
        unreadable = writer.write(folder, part, tell)
        skipped += unreadable
        lengths[name] = total - len(unreadable)
    if len(skipped) > sum(lengths.values()):
        raise GanBenchError(
            f"dataset {dataset.name}: {len(skipped)} of {len(skipped) + sum(lengths.values())} samples can't be read: "
            f"{_some(skipped)}. More than half is too many to go on without; is this the right data?"
        )
    for name, length in lengths.items():
        if not length:
            raise GanBenchError(f"dataset {dataset.name}: no sample of the {name} part can be read: {_some(skipped)}")
    meta = {
        "name": dataset.name,
        "settings": _decoded(dataset),
        "shape": spec.shape,
        "kind": spec.kind,
        "classes": spec.classes,
        "modes": spec.modes and asdict(spec.modes),
        "lengths": lengths,
        "fingerprint": digest.hexdigest(),
        "fingerprints": {part: part_fingerprint(folder, part, spec) for part in _PARTS},
        "skipped": skipped,
    }
    (folder / "meta.json").write_text(json.dumps(meta, indent=2), encoding="utf-8")


class _PartWriter:
    """Writes one part as NAME.npy and NAME_labels.npy, sample by sample."""

    def __init__(self, dataset: str, name: str, spec: DataSpec, digest: Any) -> None:
        self.title, self.name = f"dataset {dataset}, {name} part", name
        self.spec, self.dtype, self.digest = spec, _DTYPES[spec.kind], digest

    def write(self, folder: Path, part: Part, tell: _Throttle) -> list[str]:
        """The unreadable samples, each as "name: reason"."""
        labels: list[int] = []
        skipped: list[str] = []
        # A stream rather than a mapped file: on a full disk it raises an error instead of killing the process.
        with (folder / f"{self.name}.npy").open("wb") as file:
            self._header(file, len(part))
            for index in range(len(part)):
                try:
                    with told(f"{self.title}, sample {index}"):
                        item = part[index]
                except SkipSample as reason:
                    skipped.append(str(reason))
                else:
                    sample, label = self._checked(index, item)
                    file.write(sample)
                    self.digest.update(sample)
                    labels.append(label)
                tell(f"decoding {self.title}", index + 1, len(part))
            file.seek(0)
            self._header(file, len(labels))  # numpy pads headers, so that another length fits in the same place
        array = np.array(labels, dtype=np.int64)
        self.digest.update(array.tobytes())
        np.save(folder / f"{self.name}_labels.npy", array)
        return skipped

    def _header(self, file: Any, length: int) -> None:
        header = {"descr": self.dtype.str, "fortran_order": False, "shape": (length, *self.spec.shape)}
        np.lib.format.write_array_header_1_0(file, header)

    def _checked(self, index: int, item: Any) -> tuple[bytes, int]:
        """A sample's bytes and label."""
        place = f"{self.title}, sample {index}"
        if not isinstance(item, tuple) or len(item) != 2:
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


class _Throttle:
    """Passes progress on at most ten times a second, and whenever a stage ends."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress, self.last = progress, 0.0

    def __call__(self, text: str, done: int, total: int) -> None:
        if self.progress and (done == total or time.monotonic() - self.last >= 0.1):
            self.last = time.monotonic()
            self.progress(text, done, total)


def _some(names: Iterable[str], count: int = 5) -> str:
    """The first few, and how many more there are."""
    names = list(names)
    return "; ".join(names[:count]) + (f"; and {len(names) - count} more" if len(names) > count else "")
