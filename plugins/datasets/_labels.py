"""Labels as files have them, numbers or texts, as classes that count from 0."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

MOST = 100_000  # classes


@dataclass(frozen=True)
class Labels:
    """Classes, and each sample's label by part: -1 where it has none. Without classes all are -1."""

    classes: tuple[str, ...] | None
    of: Mapping[str, np.ndarray]  # int64, by part
    notes: tuple[str, ...] = ()


def as_classes(
    values: Mapping[str, Sequence[int | str | None] | np.ndarray], what: str, names: Sequence[str] | None = None
) -> Labels:
    """Classes of the labels that the parts' samples have: whole numbers or texts, None or -1 where there is none.

    Numbers are the indices of `names`, where these are given and reach so far. What tells no classes apart (all alike, or nearly
    every sample has one of its own) makes none, and a note says so; `what` is where the labels stand, as in "column label".
    """
    texts = {part: [_text(value) for value in own] for part, own in values.items()}
    found = {text for own in texts.values() for text in own if text is not None}
    if len(found - {"-1"}) > 1:  # else -1 and 1 may be two classes
        found.discard("-1")
        texts = {part: [None if text == "-1" else text for text in own] for part, own in texts.items()}
    total = sum(len(own) - own.count(None) for own in texts.values())
    if len(found) < 2 or len(found) > MOST or 2 * len(found) > max(total, 4):
        few = (
            "no label"
            if not found
            else "one label"
            if len(found) == 1
            else f"{len(found):,} labels of {total:,} samples"
        )
        note = f"There are no classes: {what} has {few}."
        return Labels(None, {part: np.full(len(own), -1, np.int64) for part, own in texts.items()}, (note,))
    numbers = [int(text) for text in found if _whole(text)]
    if names is not None and len(numbers) == len(found) and min(numbers) >= 0 and max(numbers) < len(names):
        classes, number = tuple(names), {text: int(text) for text in found}
    else:
        classes = tuple(sorted(found, key=(lambda text: (int(text), text)) if len(numbers) == len(found) else None))
        number = {text: index for index, text in enumerate(classes)}
    labels = {
        part: np.array([-1 if text is None else number[text] for text in own], np.int64) for part, own in texts.items()
    }
    note = f"The classes are those of {what}."
    without = sum(own.count(None) for own in texts.values())
    if without:
        note = f"{note[:-1]}; {without:,} samples have none."
    return Labels(classes, labels, (note,))


def _text(value: object) -> str | None:
    """A label in one spelling: 3, "3", 3.0 and "3.0" are one; None where there is none."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if value is None or (isinstance(value, float | np.floating) and not np.isfinite(value)):
        return None
    return re.sub(r"^(-?\d+)\.0+$", r"\1", str(value).strip()) or None


def _whole(text: str) -> bool:
    """Whether it is a whole number of a size that labels have."""
    digits = text.removeprefix("-")
    return len(digits) < 19 and digits.isascii() and digits.isdecimal()
