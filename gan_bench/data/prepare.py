"""A dataset as it is trained on: from the cache, decoded first where it isn't there."""

from __future__ import annotations

import hashlib
import json
import os
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import torch

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.faults import told
from gan_bench.api.kinds import Dataset
from gan_bench.api.reading import LeftOut
from gan_bench.api.registry import Registry
from gan_bench.api.samples import PreparedData
from gan_bench.api.sources import source_hash
from gan_bench.data.cache import OTHERS, cache_root, caching, open_prepared
from gan_bench.data.cores import cores
from gan_bench.data.decode import decode, decoded_settings, left_out, some
from gan_bench.data.device_kind import features_folder
from gan_bench.data.folders import discard, resumable, tidy
from gan_bench.data.pile import Tell
from gan_bench.data.training_set import training_set
from gan_bench.errors import GanBenchError
from gan_bench.files import beside, check_regular

_FORMAT = 2  # of the cache folder; another number makes other folders


def prepare(
    dataset: Dataset,
    cache: Path | None = None,
    progress: Tell | None = None,
    registry: Registry | None = None,
) -> PreparedData:
    """Open a dataset's cache below `cache` (default: `cache_root()`), and decode the dataset first if it isn't there.

    `progress` is called at most about ten times a second, and when a stage ends. Unreadable samples are left out with a
    warning. `registry` has the features that training samples are selected by (default: what is installed, and no plugin
    files). GanBenchError: missing, damaged or wrong data, whatever else the dataset raises, or no room for the cache.
    """
    cache = cache_root() if cache is None else cache
    tell = _Throttle(progress)
    whole = _whole(dataset, cache, tell)
    if whole.skipped:
        total = len(whole.training) + len(whole.held_out) + len(whole.skipped)
        warnings.warn(
            f"dataset {whole.name}: {len(whole.skipped)} of {total} samples can't be read and are left out: "
            f"{some(whole.skipped)}",
            stacklevel=2,
        )
    with caching(cache):
        return training_set(dataset, whole, features_folder(cache, torch.device("cpu")), tell, registry)


def _whole(dataset: Dataset, cache: Path, tell: _Throttle) -> PreparedData:
    """All that a dataset decodes to."""
    files, spec = files_and_spec(dataset)
    with told(f"dataset {dataset.name}: left_out()"):
        others = left_out(dataset.left_out())
    with caching(cache):
        key = _key(dataset, spec, _content(dataset.name, files, cache, tell))
    folder = cache / "datasets" / f"{dataset.name}-{key[:16]}"
    if folder.exists():
        try:
            found = _with(others, folder)
            tidy(folder)
            return found
        except GanBenchError as error:
            warnings.warn(f"The data is decoded again: {error}", stacklevel=2)
            discard(folder)

    def waiting() -> None:
        tell(f"dataset {dataset.name} is being decoded by another command; waiting", 0, 0)

    with caching(cache), resumable(folder, waiting) as work:
        if work:
            decode(dataset, spec, work, tell)
    return _with(others, folder)


def _with(others: Sequence[LeftOut], folder: Path) -> PreparedData:
    """The data of a folder, in which workers find as well what lies beside the samples today."""
    file, text = folder / OTHERS, json.dumps([one.model_dump(mode="json") for one in others])
    if text != (file.read_text(encoding="utf-8", errors="replace") if file.exists() else "[]"):
        with suppress(OSError):  # a cache that can't be written tells what lay there when it was made
            temporary = beside(file)
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(file)
    return open_prepared(folder)


def files_and_spec(dataset: Dataset) -> tuple[list[str], DataSpec]:
    """The files that a dataset is read from, absolute, and what networks must know of it.

    GanBenchError: they are missing or wrong, or whatever the dataset's own code raises.
    """
    with told(f"dataset {dataset.name}: files()"):
        here = os.getcwd()
        files = [_absolute(file, here) for file in dataset.files()]  # first: it may download what `spec` reads
    with told(f"dataset {dataset.name}: its shape or classes"):
        return files, dataset.spec()


def _absolute(file: str | Path, here: str) -> str:
    """A path as text, for objects take seconds of 200,000 files."""
    text = os.path.join(here, file)
    return str(Path(text)) if "//" in text or "/./" in text else text


def _key(dataset: Dataset, spec: DataSpec, content: str) -> str:
    """SHA-256 of all that determines the decoded data: settings, code and files, but not where the files lie."""
    settings = {name: value for name, value in decoded_settings(dataset).items() if name not in dataset.location_fields}
    parts = [_FORMAT, settings, spec.shape, spec.kind, spec.classes, source_hash(type(dataset)), content]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _content(name: str, files: list[str], cache: Path, tell: _Throttle) -> str:
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
    listing = [(file, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for file, s in zip(files, stats, strict=True)]
    known = cache / "files" / hashlib.sha256(json.dumps(listing).encode()).hexdigest()
    if known.is_file() and len(text := known.read_text()) == 64:
        return text
    base = os.path.join(os.path.commonpath({os.path.dirname(file) for file in files}), "")
    digest = hashlib.sha256()
    groups = [files[start : start + 256] for start in range(0, len(files), 256)]
    done = 0
    with ThreadPoolExecutor(cores()) as pool:
        for group, hashes in zip(groups, pool.map(_file_hashes, groups), strict=True):
            for file, own in zip(group, hashes, strict=True):
                # As in UTF-8, whatever bytes a name holds.
                digest.update(f"{file.removeprefix(base)}\0{own}\n".encode(errors="surrogateescape"))
            done += len(group)
            tell(f"dataset {name}: reading files", done, len(files))
    # A file written moments ago could change again within the clock's resolution: such a listing is not kept.
    if max(s.st_mtime_ns for s in stats) < started - 2_000_000_000:
        known.parent.mkdir(parents=True, exist_ok=True)
        temporary = beside(known)
        temporary.write_text(digest.hexdigest())
        temporary.replace(known)
    return digest.hexdigest()


def _file_hashes(files: list[str]) -> list[str]:
    return [_file_hash(file) for file in files]


def _file_hash(file: str) -> str:
    """SHA-256 of a file's bytes."""
    try:
        check_regular(file)
        with open(file, "rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:
        return "unreadable"


def _stat(file: str) -> os.stat_result:
    """Of the file that a link leads to, or else of the link itself."""
    try:
        return os.stat(file)
    except OSError:
        return os.lstat(file)


class _Throttle:
    """Passes progress on at most ten times a second, and whenever a stage ends."""

    def __init__(self, progress: Tell | None) -> None:
        self.progress, self.last = progress, 0.0

    def __call__(self, text: str, done: int, total: int) -> None:
        if self.progress and (done == total or time.monotonic() - self.last >= 0.1):
            self.last = time.monotonic()
            self.progress(text, done, total)
