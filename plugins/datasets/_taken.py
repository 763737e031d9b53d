"""A source as it is taken: its parts, classes and labels, what was left out and why."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from gan_bench.errors import GanBenchError, did_you_mean

from ._files import LeftOut
from ._folder_names import WORDS
from ._labels import Labels
from ._split import Split, SplitSetting

if TYPE_CHECKING:
    from PIL import Image

TRAINING, VALIDATION, TEST = "training", "validation", "test"


class Pictures(Protocol):
    """Pictures of a source by index, opened or decoded. Several processes, forked from one another, or threads may ask."""

    parallel: bool  # whether that is any faster

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Image.Image: ...

    def name(self, index: int) -> str:
        """What a picture is called where something is wrong with it."""
        ...


class Rows:
    """Some of a source's pictures, in order."""

    def __init__(self, pictures: Pictures, index: np.ndarray) -> None:
        self.pictures, self.index, self.parallel = pictures, index, pictures.parallel

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: int) -> Image.Image:
        return self.pictures[int(self.index[index])]

    def name(self, index: int) -> str:
        return self.pictures.name(int(self.index[index]))


@dataclass(frozen=True)
class Part:
    """Pictures of one part with labels: `part[i]` is (PIL image, label)."""

    pictures: Pictures
    labels: np.ndarray  # (N,) int64, -1: none
    index: np.ndarray | None = None  # which of the pictures, in order; None: all

    @property
    def parallel(self) -> bool:
        return self.pictures.parallel

    def __len__(self) -> int:
        return len(self.pictures) if self.index is None else len(self.index)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        place = self._place(index)
        return self.pictures[place], int(self.labels[place])

    def name(self, index: int) -> str:
        return self.pictures.name(self._place(index))

    def _place(self, index: int) -> int:
        return index if self.index is None else int(self.index[index])

    def where(self, kept: np.ndarray) -> Part:
        """Those of its samples for which `kept` (N,) is true."""
        return Part(self.pictures, self.labels, np.flatnonzero(kept) if self.index is None else self.index[kept])

    def own_labels(self) -> np.ndarray:
        return self.labels if self.index is None else self.labels[self.index]


@dataclass(frozen=True)
class Joined:
    """Several parts as one, one after the other."""

    parts: Sequence[Part]

    @property
    def parallel(self) -> bool:
        return all(part.parallel for part in self.parts)

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        part, place = self._place(index)
        return part[place]

    def name(self, index: int) -> str:
        part, place = self._place(index)
        return part.name(place)

    def _place(self, index: int) -> tuple[Part, int]:
        starts = [0, *accumulate(map(len, self.parts))]
        number = bisect_right(starts, index, hi=len(self.parts)) - 1
        return self.parts[number], index - starts[number]


Source = Part | Joined
Looked = Callable[[], list[str]]


def nothing() -> list[str]:
    return []


@dataclass(frozen=True)
class Taken:
    """What a source is taken as."""

    training: Source
    held_out: Source | None  # None: for the core to divide
    classes: tuple[str, ...] | None
    paths: Sequence[str | Path]  # the files whose bytes determine all samples
    left_out: LeftOut = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    looked: Looked = nothing  # looks at all there is, once, before it is decoded; gives more notes


def taken(
    pictures: Mapping[str, Pictures],
    labels: Labels,
    split: SplitSetting,
    paths: Sequence[str | Path],
    notes: Sequence[str] = (),
    left_out: LeftOut | None = None,
    looked: Looked = nothing,
) -> Taken:
    """Pictures of a file by part as training and held-out part, as their names and `split` say.

    The parts are "training", "validation" and "test", or "" for pictures of none. Where there are classes, pictures without a
    label are left out, for nothing could be asked to draw the like of them. GanBenchError: `split` names what is not there.
    """
    left_out, notes = dict(left_out or {}), [*notes, *labels.notes]
    parts = {kind: Part(own, labels.of[kind]) for kind, own in pictures.items()}
    if labels.classes is not None:
        parts, without, more = labelled(parts)
        left_out, notes = left_out | without, notes + more
    training, held_out = _kinds(parts, split)
    unused = [kind for kind in parts if kind not in (*training, *held_out)]
    for kind in unused:
        reason = f"of the part {kind}, for {' and '.join(held_out) or 'another'} is held out"
        left_out[reason] = [parts[kind].name(index) for index in range(len(parts[kind]))]
    if held_out:
        notes.append(f"The {' and '.join(training)} part is trained on, the {' and '.join(held_out)} part held out.")
    elif len(parts) > 1:
        notes.append(f"One pile of the parts {' and '.join(training)}: some are held out at random.")
    return Taken(
        _joined([parts[kind] for kind in training]),
        _joined([parts[kind] for kind in held_out]) if held_out else None,
        labels.classes,
        paths,
        left_out,
        notes,
        looked,
    )


def labelled(parts: Mapping[str, Part], place: str = "") -> tuple[dict[str, Part], LeftOut, list[str]]:
    """Parts without the pictures that have no label, the names of these, and what is told of parts that have none at all."""
    kept: dict[str, Part] = {}
    names: list[str] = []
    notes = []
    for kind, part in parts.items():
        without = part.own_labels() < 0
        names += [part.name(index) for index in np.flatnonzero(without).tolist()]
        if not without.all():
            kept[kind] = part.where(~without) if without.any() else part
        else:
            notes.append(f"The {kind.replace('_', '-')} part has no labels, and is left out.")
    return kept, {f"without a label{place and f' in {place}'}": names} if names else {}, notes


def _joined(parts: list[Part]) -> Source:
    return parts[0] if len(parts) == 1 else Joined(parts)


def _kinds(parts: Mapping[str, Part], split: SplitSetting) -> tuple[list[str], list[str]]:
    """The parts to train on, and those held out: none, where that is for the core to divide."""
    if isinstance(split, Split):
        named = [[_named(name, parts) for name in own or ()] for own in (split.training, split.held_out)]
        if both := set(named[0]) & set(named[1]):
            raise GanBenchError(f"split: {min(both)} can't be trained on and held out")
        return named[0], named[1]
    if split == "random" or "" in parts or len(parts) == 1:
        return list(parts), []
    if TRAINING not in parts:
        known = " and ".join(parts)
        raise GanBenchError(f"there are the parts {known}, but none to train on. Say which, as in {_example(parts)}")
    return [TRAINING], [next(kind for kind in (TEST, VALIDATION) if kind in parts)]


def _example(parts: Mapping[str, Part]) -> str:
    one, *others = sorted(parts)
    return f'split = {{ training = "{one}", held_out = "{others[0]}" }}' if others else 'split = "random"'


def _named(name: str, parts: Mapping[str, Part]) -> str:
    kind = WORDS.get(name.lower(), name)
    if kind not in parts:
        known = did_you_mean(name, parts) if any(parts) else "Its pictures belong to no parts."
        raise GanBenchError(f"split: there is no part {name!r}. {known}")
    return kind
