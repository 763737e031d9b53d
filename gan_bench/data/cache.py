"""The cache of decoded data, which all workers map into memory."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_bench.api.data_spec import DataSpec, Modes
from gan_bench.api.reading import Reading
from gan_bench.api.samples import PreparedData, Samples
from gan_bench.canonical import canonical
from gan_bench.data.mapped import Mapped
from gan_bench.errors import GanBenchError

CURE = "Set GAN_BENCH_CACHE to a folder that can be written and has room"
CHOSEN = "chosen.npy"  # which training samples are trained on: indices (n,) int64, as `Samples.chosen` has them
OTHERS = "others.json"  # what lies beside the samples and is none: as `gan_bench.api.reading.LeftOut`
PARTS = ("training", "held_out")
DTYPES: dict[str, np.dtype[Any]] = {"image": np.dtype("uint8"), "points": np.dtype("float32")}


def cache_root() -> Path:
    """The folder of all caches: $GAN_BENCH_CACHE, else gan-bench/ in $XDG_CACHE_HOME or ~/.cache.

    GanBenchError: there is no home folder, and neither variable says where else.
    """
    try:
        if own := os.environ.get("GAN_BENCH_CACHE"):
            return Path(own).expanduser()
        shared = Path(os.environ.get("XDG_CACHE_HOME", ""))
        return (shared if shared.is_absolute() else Path.home() / ".cache") / "gan-bench"
    except RuntimeError as error:  # an unknown user without HOME, or a "~name" of nobody
        raise GanBenchError(f"there is no folder for the cache ({str(error).rstrip('.')}). {CURE}") from error


@contextmanager
def caching(folder: Path) -> Iterator[None]:
    """While a folder of the cache is read or written. GanBenchError: it can't be, with the cure."""
    try:
        yield
    except OSError as error:
        if error.filename is not None and not Path(os.fsdecode(error.filename)).is_relative_to(folder):
            raise
        raise GanBenchError(f"the cache {folder} can't be used ({error.strerror or error}). {CURE}") from error


def open_prepared(folder: Path) -> PreparedData:
    """Open what `prepare` made; nothing is decoded. GanBenchError: it is missing or damaged."""
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        if "of" in meta:
            return _open_choice(folder, open_prepared(folder.parent / meta["of"]), meta)
        classes = meta["classes"]
        modes = meta.get("modes") and Modes(tuple(map(tuple, meta["modes"]["centres"])), meta["modes"]["std"])
        spec = DataSpec(tuple(meta["shape"]), meta["kind"], None if classes is None else tuple(classes), modes)
        training, held_out = (open_part(folder, part, meta["lengths"][part], spec) for part in PARTS)
        skipped = tuple(meta["skipped"])
        # Caches from before there were fingerprints of parts stay usable.
        own = meta.get("fingerprints") or {"held_out": fingerprint(folder, spec, ["held_out"])}
        reading = _reading(meta["reading"], folder / OTHERS) if "reading" in meta else None
        return PreparedData(
            meta["name"], spec, meta["fingerprint"], folder, training, held_out, skipped, own["held_out"], reading
        )
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise GanBenchError(
            f"{folder} is no complete cache of a dataset ({type(error).__name__}: {error}). "
            "Delete it; the next `gan-bench run` decodes the data again."
        ) from error


def _reading(told: dict[str, Any], others: Path) -> Reading:
    if others.exists():
        told = {**told, "left_out": [*told["left_out"], *json.loads(others.read_text(encoding="utf-8"))]}
    return Reading.model_validate(told)


def open_part(folder: Path, name: str, length: int, spec: DataSpec) -> Samples:
    data = Mapped(folder / f"{name}.npy", (length, *spec.shape), DTYPES[spec.kind])
    labels = Mapped(folder / f"{name}_labels.npy", (length,), np.dtype("int64")).tensor
    return Samples(data.tensor, labels if bool((labels >= 0).any()) else None, read_ahead=data.read_ahead)


def fingerprint(folder: Path, spec: DataSpec, parts: Sequence[str] = PARTS) -> str:
    """SHA-256 of the kind, shape, samples and labels of parts, which are read from their files."""
    digest = hashlib.sha256(json.dumps([spec.kind, spec.shape]).encode())
    for part in parts:
        for file in (f"{part}.npy", f"{part}_labels.npy"):
            digest.update(np.load(folder / file, mmap_mode="r", allow_pickle=False))
    return digest.hexdigest()


def choice_fingerprint(whole: PreparedData, index: Tensor, judged: Mapping[str, Any] | None = None) -> str:
    """SHA-256 of a dataset of which only these training samples (n,) are trained on.

    `judged` says by which features they were selected, if they were.
    """
    by = b"" if judged is None else canonical(judged).encode()
    return hashlib.sha256(whole.fingerprint.encode() + index.numpy().tobytes() + by).hexdigest()


def _open_choice(folder: Path, whole: PreparedData, meta: Mapping[str, Any]) -> PreparedData:
    index = torch.from_numpy(np.load(folder / CHOSEN, allow_pickle=False))
    fingerprint, chosen = meta["fingerprint"], tuple(meta.get("chosen", ()))
    if choice_fingerprint(whole, index, meta.get("judged")) != fingerprint:
        raise ValueError(f"{CHOSEN} is damaged, or was made of other data")
    training = whole.training.chosen(index)
    return replace(whole, fingerprint=fingerprint, folder=folder, training=training, before=whole, chosen=chosen)
