"""Decoding: every sample of a dataset once, into a folder of the cache."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.faults import told
from gan_bench.api.kinds import Dataset, Part, Parts, Undivided, choice
from gan_bench.api.reading import LeftOut, Reading
from gan_bench.data.cache import PARTS, fingerprint, open_part
from gan_bench.data.centre import centred
from gan_bench.data.division import equal_samples, held_out_of
from gan_bench.data.facts import Facts
from gan_bench.data.near import near_duplicates
from gan_bench.data.pile import Pile, Tell, write_header
from gan_bench.errors import GanBenchError

EXAMPLES = 5  # names that are told of what was left out
COPIED = 2**24  # bytes that are copied at a time


def decode(dataset: Dataset, spec: DataSpec, folder: Path, tell: Tell) -> None:
    """Write both parts and meta.json into a folder, in which a killed process may have begun.

    GanBenchError: whatever is wrong with the data.
    """
    with told(f"dataset {dataset.name}: load()"):
        source = centred(dataset.load(), dataset, spec)
    facts = Facts()
    piles = {name: Pile(dataset.name, name, part, spec, facts) for name, part in _named(dataset, source).items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow tells of each picture what it could do without
        for pile in piles.values():
            pile.write(folder, tell)
    skipped = [line for pile in piles.values() for line in pile.skipped]
    found = sum(map(len, piles.values()))
    _check_readable(dataset.name, piles, skipped, found)
    with told(f"dataset {dataset.name}: what load() tells of its samples"):
        reading = Reading(
            found=found,
            treatment=source.treatment,
            notes=tuple(source.notes),
            counts=facts.counts(),
            different=facts.different(),
            ranges=facts.ranges(),
            left_out=left_out({"unreadable": skipped, **source.left_out}),
        )
    with told(f"dataset {dataset.name}: check_reading()"):
        dataset.check_reading(reading)
    if isinstance(source, Undivided):
        hashes = _divide(dataset.name, piles["all"], source.held_out, folder, spec)
    else:
        hashes = {name: pile.hashes for name, pile in piles.items()}
        for name, pile in piles.items():
            np.save(folder / f"{name}_labels.npy", pile.labels)
    lengths = {name: len(own) for name, own in hashes.items()}
    tell(f"dataset {dataset.name}: comparing the parts", 0, 0)
    parts = {name: open_part(folder, name, length, spec) for name, length in lengths.items()}
    near = near_duplicates(**parts) if spec.kind == "image" else None
    reading = reading.model_copy(update={"equal": equal_samples(**hashes), "near": near})
    meta = {
        "name": dataset.name,
        "settings": decoded_settings(dataset),
        "shape": spec.shape,
        "kind": spec.kind,
        "classes": spec.classes,
        "modes": spec.modes and asdict(spec.modes),
        "lengths": lengths,
        "fingerprint": fingerprint(folder, spec),
        "fingerprints": {"held_out": fingerprint(folder, spec, ["held_out"])},
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


def _named(dataset: Dataset, source: Any) -> dict[str, Part]:
    """What is to be decoded, by the names of its files. GanBenchError: it is nothing that `load` may return."""
    if isinstance(source, Parts):
        return dict(zip(PARTS, (source.training, source.held_out), strict=True))
    if isinstance(source, Undivided):
        if not isinstance(source.held_out, int | float | np.floating) or not 0 < source.held_out < 1:
            rule = "held_out of Undivided is the share of samples to hold out, between 0 and 1"
            raise GanBenchError(f"dataset {dataset.name}: {rule} (found: {source.held_out!r})")
        return {"all": source.samples}
    rule = (
        "load() must return gan_bench.Parts(training=..., held_out=...) or gan_bench.Undivided(samples, held_out=...)"
    )
    raise GanBenchError(f"dataset {dataset.name}: {rule}, not {type(source).__name__}")


def _check_readable(dataset: str, piles: dict[str, Pile], skipped: list[str], found: int) -> None:
    """GanBenchError: too much can't be read."""
    if 2 * len(skipped) > found:
        raise GanBenchError(
            f"dataset {dataset}: {len(skipped)} of {found} samples can't be read: "
            f"{some(skipped)}. More than half is too many to go on without; is this the right data?"
        )
    for name, pile in piles.items():
        if not len(pile.labels):
            raise GanBenchError(f"dataset {dataset}: no sample of the {name} part can be read: {some(skipped)}")


def _divide(dataset: str, pile: Pile, share: float, folder: Path, spec: DataSpec) -> dict[str, np.ndarray]:
    """Write both parts of all samples; gives the hashes of each part's."""
    hashes, labels = pile.hashes, pile.labels
    if len(np.unique(hashes)) < 2:
        raise GanBenchError(f"dataset {dataset}: it needs two different samples at least, one of them to hold out")
    held_out = held_out_of(hashes, labels, share)
    samples = np.load(folder / f"{pile.file}.npy", mmap_mode="r", allow_pickle=False)
    indices = dict(zip(PARTS, (np.flatnonzero(~held_out), np.flatnonzero(held_out)), strict=True))
    for name, index in indices.items():
        with (folder / f"{name}.npy").open("wb") as file:
            write_header(file, len(index), spec)
            for places in np.array_split(index, 1 + len(index) * samples[0].nbytes // COPIED):
                file.write(samples[places].tobytes())
        np.save(folder / f"{name}_labels.npy", labels[index])
    return {name: hashes[index] for name, index in indices.items()}


def left_out(named: Mapping[str, Sequence[str]]) -> tuple[LeftOut, ...]:
    """What was left out, by the reason, with a few of the names."""
    return tuple(
        LeftOut(reason=reason, count=len(names), examples=tuple(map(str, names[:EXAMPLES])))
        for reason, names in named.items()
        if names
    )
