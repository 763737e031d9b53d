"""What arrays mean: which are pictures, of which part, which are labels, and how their numbers become levels of grey."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gan_bench.errors import GanBenchError, ParameterError

from ._arrays import Array, NoArray, read_arrays
from ._damage import damage_told
from ._depths import Range
from ._folder_names import WORDS
from ._labels import Labels, as_classes
from ._split import SplitSetting
from ._taken import TEST, Taken, taken

if TYPE_CHECKING:
    from PIL import Image

_PARTS = WORDS | {"tr": "training", "te": "test"}  # words of keys that name a part
_PICTURE_WORDS = {"x", "images", "image", "imgs", "img", "data", "samples", "pictures", "pixels", "inputs", "input"}
_LABEL_WORDS = {"y", "labels", "label", "targets", "target", "t"}
_CLASS_WORDS = {"names", "name", "classes", "categories"}
_OF_CLASSES = _CLASS_WORDS | _LABEL_WORDS | {"class", "category", "fine", "coarse"}  # not `feature_names`
_PLAIN_WORDS = {"arr", "array", "set", "split", "part"}  # say nothing: the shape does
CURE = (
    "Call the pictures `images` and their labels `labels`, or x_train, y_train, x_test and y_test; "
    "or name the array of labels with labels = ..."
)
ASKED = "are scaled as value_range says"
SLACK = 1e-3  # beyond a range of floats, less than half of one of 255 levels
DARK = 31  # of 255: no pile of pictures has no brighter value


@dataclass(frozen=True)
class Roles:
    """Arrays by part: "" for one that is not divided."""

    pictures: dict[str, Array]
    labels: dict[str, Array]
    names: Array | None  # of the classes
    unused: list[str]


def roles(arrays: Mapping[str, Array], place: object, labels: str | None = None) -> Roles:
    """What each array is, by its name, and by its shape where that says nothing. GanBenchError: it can't be told."""
    pictures: dict[str, list[Array]] = {}
    given: dict[str, list[Array]] = {}
    named: list[Array] = []
    unused: list[Array] = []
    for key, array in arrays.items():
        part, words = _words(key)
        if labels is not None and (key == labels or words == _words(labels)[1]):
            given.setdefault(part, []).append(array)
        elif words & _CLASS_WORDS and not words - _OF_CLASSES and array.dtype.kind in "US" and len(array.shape) == 1:
            named.append(array)
        elif words & _LABEL_WORDS and len(array.shape) <= 2:
            (unused if labels is not None else given.setdefault(part, [])).append(array)
        elif words & _PICTURE_WORDS or (not words - _PLAIN_WORDS and len(array.shape) > 2):
            pictures.setdefault(part, []).append(array)
        elif not words - _PLAIN_WORDS and len(array.shape) in (1, 2):
            flat = len(array.shape) == 2 and array.shape[1] >= 64
            (pictures if flat else given).setdefault(part, []).append(array)
        else:
            unused.append(array)
    if not pictures and len(alone := [array for array in unused if len(array.shape) in (3, 4)]) == 1:
        unused.remove(alone[0])
        pictures[_words(alone[0].name)[0]] = alone
    listed = "; ".join(map(str, arrays.values()))
    if labels is not None and not given:
        raise GanBenchError(f"{place} has no array {labels!r} for `labels`; it holds {listed}")
    if not pictures or ("" in pictures and len(pictures) > 1):
        rule = (
            "no array is known as the pictures" if not pictures else "some pictures belong to a part and others to none"
        )
        raise GanBenchError(f"{place}: {rule}; it holds {listed}. {CURE}")
    for one in (one for several in (*pictures.values(), *given.values()) for one in several):
        if isinstance(one, NoArray):
            raise GanBenchError(f"{place}: {one}")
    for part, several in (*pictures.items(), *given.items()):
        if len(several) > 1:
            kind = "pictures" if several is pictures.get(part) else "labels"
            rule = f"{len(several)} arrays could be the {kind}{f' of the part {part}' if part else ''}"
            raise GanBenchError(f"{place}: {rule}: {'; '.join(map(str, several))}. {CURE}")
    for part, (one,) in given.items():
        if part not in pictures or len(one) != len(pictures[part][0]):
            count = f"{len(pictures[part][0]):,}" if part in pictures else "no"
            raise GanBenchError(f"{place}: {len(one):,} labels ({one.name}) for {count} pictures")
    if given and (without := pictures.keys() - given.keys()) - {TEST}:
        raise GanBenchError(f"{place}: there are no labels of the part {sorted(without)[0]}; {listed}")
    return Roles(
        {part: one for part, (one,) in pictures.items()},
        {part: one for part, (one,) in given.items()},
        named[0] if len(named) == 1 else None,
        [str(one) for one in unused] + [str(one) for one in (named if len(named) > 1 else ())],
    )


def _words(key: str) -> tuple[str, set[str]]:
    """The part that a name speaks of, "" if none, and its other words without numbers."""
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", key).lower()
    words = re.findall(r"[a-z]+", re.sub(r"\b([xy])(train|val|valid|test)\b", r"\1 \2", spaced.replace("_", " ")))
    part = next((_PARTS[word] for word in words if word in _PARTS), "")
    return part, {word for word in words if word not in _PARTS}


def labels_of(found: Roles) -> Labels:
    """The classes of arrays' labels."""
    if not found.labels:
        return Labels(None, {part: np.full(len(array), -1) for part, array in found.pictures.items()})
    what = " and ".join(dict.fromkeys(f"array {array.name or 'labels'}" for array in found.labels.values()))
    values = {part: _values(array) for part, array in found.labels.items()}
    several = [part for part, own in values.items() if own is None]
    if several:
        note = f"There are no classes: {what} is no list of numbers or texts, nor one-hot ({found.labels[several[0]]})."
        return Labels(None, {part: np.full(len(array), -1) for part, array in found.pictures.items()}, (note,))
    for part in found.pictures.keys() - values.keys():
        values[part] = np.full(len(found.pictures[part]), "")
    names = None if found.names is None else [_decoded(name) for name in found.names.whole()]
    return as_classes({part: own for part, own in values.items() if own is not None}, what, names)


def _decoded(name: object) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def _values(array: Array) -> np.ndarray | None:
    """A label a row, (N,) numbers or texts, of (N,), (N, 1) or one-hot (N, K). None: it is something else."""
    if len(array.shape) == 1 or array.shape[1:] == (1,):
        values = array.whole().reshape(-1)
        fractions = values.dtype.kind == "f" and not (np.isnan(values) | (values == np.round(values))).all()
        return None if values.dtype.kind not in "buifUS" or fractions else values
    if len(array.shape) != 2 or array.dtype.kind not in "buif":
        return None
    rows = [np.asarray(rows) for _, rows in array.blocks()]
    if all(((own == 0) | (own == 1)).all() and (own.sum(1) == 1).all() for own in rows):
        return np.concatenate([own.argmax(1) for own in rows])
    return None


@dataclass(frozen=True)
class Form:
    """How the numbers of a row lie as a picture."""

    order: str  # "hw", "hwc" or "chw"
    size: tuple[int, int, int]  # channels, height, width

    def picture(self, row: np.ndarray) -> np.ndarray:
        """(H, W, C) of a row."""
        channels, height, width = self.size
        if self.order == "chw":
            return row.reshape(channels, height, width).transpose(1, 2, 0)
        return row.reshape(height, width, channels)

    def __str__(self) -> str:
        channels, height, width = self.size
        return f"{width}x{height} with {channels} channel{'s' * (channels > 1)}"


def form_of(array: Array) -> tuple[Form, str]:
    """How an array's rows lie as pictures, and what was concluded of rows of numbers. GanBenchError: it can't be told."""
    shape = array.shape
    if len(shape) == 4:
        last, first = shape[3] in (1, 3, 4), shape[1] in (1, 3, 4)
        if last != first:
            return (Form("hwc", (shape[3], *shape[1:3])) if last else Form("chw", shape[1:])), ""
        rule = "channels (1, 3 or 4) are " + ("first and last alike" if last else "neither first nor last")
    elif len(shape) == 3:
        if shape[2] > 4 and shape[0] > 4:
            return Form("hw", (1, *shape[1:])), ""
        rule = "it may be one picture, or many of one channel"
    elif len(shape) == 2:
        if (side := math.isqrt(shape[1])) > 3 and side**2 == shape[1]:
            note = f"The {shape[1]} numbers of a row of {array.name or 'the array'} are taken as {side} rows of {side}, grey."
            return Form("hw", (1, side, side)), note
        if shape[1] % 3 == 0 and (side := math.isqrt(shape[1] // 3)) > 3 and 3 * side**2 == shape[1]:
            return _coloured(array, side)
        rule = "a row of numbers must be a square of 1 or 3 channels"
    else:
        rule = "pictures are (N, H, W), (N, H, W, C) or (N, C, H, W)"
    cure = "Save it with the picture's number first and channels last, (N, H, W, C)"
    raise GanBenchError(f"{array}: {rule}. {cure}")


def _coloured(array: Array, side: int) -> tuple[Form, str]:
    """Rows of 3 x side x side numbers: a colour after the other, or a pixel after the other, as the picture is smoother."""
    rows = np.asarray(next(iter(array.blocks()))[1][:256], np.float64)
    planes = np.abs(rows[:, side:] - rows[:, :-side]).mean()  # one below the other, if each colour is a plane
    pixels = np.abs(rows[:, 3 * side :] - rows[:, : -3 * side]).mean()  # if each pixel has its three beside each other
    if abs(planes - pixels) <= 0.02 * max(planes, pixels):
        rule = f"are {side} x {side} in colour, but whether colours or pixels follow each other can't be told"
        cure = "Save them as (N, H, W, 3)"
        raise GanBenchError(f"{array}: its rows {rule}. {cure}")
    order, words = ("chw", "one colour after the other") if planes < pixels else ("hwc", "one pixel after the other")
    note = (
        f"The {array.shape[1]} numbers of a row of {array.name or 'the array'} are taken as {side} x {side}, {words}."
    )
    return Form(order, (3, side, side)), note


@dataclass(frozen=True)
class Scale:
    """The range of an array's numbers, of which the lowest becomes black and the highest white."""

    low: float
    high: float
    note: str

    def levels(self, values: np.ndarray) -> np.ndarray:
        """As uint8; what lies outside of the range by rounding is cut off."""
        if (self.low, self.high) == (0, 255) and values.dtype.kind in "ui":
            return values.astype(np.uint8)
        scaled = (values.astype(np.float64) - self.low) * (255 / (self.high - self.low))
        return np.clip(np.round(scaled), 0, 255).astype(np.uint8)


def scale_of(arrays: Sequence[Array], value_range: Range | None) -> Scale:
    """The range of all arrays' numbers, each of which is looked at. GanBenchError: it can't be told, or some lie outside."""
    low, high, whole = math.inf, -math.inf, True
    names = ", ".join(array.name or "the array" for array in arrays)
    for array in arrays:
        if array.dtype.kind not in "buif":
            raise GanBenchError(f"{array} holds no numbers")
        for _, block in array.blocks():
            rows = np.asarray(block)
            if rows.size:
                low, high = min(low, float(rows.min())), max(high, float(rows.max()))
            if not math.isfinite(low + high):
                raise GanBenchError(f"some values of {array} are not finite")
            whole = whole and (rows.dtype.kind != "f" or bool((rows == np.round(rows)).all()))
    if low > high:
        raise GanBenchError(f"{names}: there are no values")
    found = f"{'whole numbers' if whole else 'floats'} from {low:g} to {high:g}"
    if value_range is not None:
        if low < value_range[0] or high > value_range[1]:
            rule = f"values lie outside value_range = [{value_range[0]:g}, {value_range[1]:g}]"
            raise ParameterError(f"{names}: {rule} (found: {found})", "value_range")
        return Scale(value_range[0], value_range[1], f"The values of {names}, {found}, {ASKED}.")
    dtypes = {array.dtype.kind for array in arrays}
    if whole and (low, high) in ((0, 1), (0, 0), (1, 1)):
        return Scale(0, 1, f"The values of {names} are 0 and 1: black and white.")
    if whole and low >= 0 and DARK < high <= 255:
        return Scale(0, 255, "" if dtypes == {"u"} else f"The values of {names}, {found}, are taken as 0 to 255.")
    if dtypes == {"f"} and low >= -1 - SLACK and high <= 1 + SLACK:
        lowest = 0 if low >= -SLACK else -1
        return Scale(lowest, 1, f"The values of {names}, {found}, are taken as of [{lowest}, 1].")
    known = "whole numbers from 0 to 255, or floats in [0, 1] or [-1, 1]"
    dark = f", of which some are above {DARK}" if whole and low >= 0 and high <= DARK else ""
    raise ParameterError(
        f"{names}: what is black and what is white is known of {known}{dark} (found: {found}). "
        f"Say it with value_range = [{low:g}, {high:g}] or the like",
        "value_range",
    )


class Scaling:
    """The range of arrays' numbers, for which all of them are looked at where it is first asked for."""

    def __init__(self, arrays: Sequence[Array], value_range: Range | None) -> None:
        self.arrays, self.value_range = arrays, value_range

    @cached_property
    def scale(self) -> Scale:
        with damage_told(" and ".join(array.name or "the array" for array in self.arrays)):
            return scale_of(self.arrays, self.value_range)

    def notes(self) -> list[str]:
        return [self.scale.note] if self.scale.note else []


class ArrayPictures:
    """Pictures of an array by index."""

    def __init__(self, array: Array, form: Form, scaling: Scaling) -> None:
        self.array, self.form, self.scaling = array, form, scaling
        self.parallel = array.parallel

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: int) -> Image.Image:
        from PIL import Image

        picture = self.form.picture(self.scaling.scale.levels(self.array[index]))
        return Image.fromarray(np.ascontiguousarray(picture[..., 0] if picture.shape[2] == 1 else picture))

    def name(self, index: int) -> str:
        return f"{self.array.name or 'array'}[{index}]"


def take_arrays(
    files: Mapping[str, Path],
    place: object,
    split: SplitSetting,
    labels: str | None,
    value_range: Range | None,
) -> Taken:
    """The pictures of files of arrays, each with the name that stands before those of its arrays, "" for one file alone.

    `labels` is the array that gives them: None for what its name says, "none" for no labels. GanBenchError: damage, or arrays
    that could be taken in several ways, with the cure.
    """
    arrays: dict[str, Array] = {}
    for prefix, file in files.items():
        for name, array in read_arrays(file).items():
            array.name = "/".join(filter(None, (prefix, name)))
            arrays[array.name] = array
    with damage_told(place):
        found = roles(arrays, place, labels if labels != "none" else None)
        if labels == "none":
            found.labels.clear()
        classes = labels_of(found)
    forms = {part: form_of(array) for part, array in found.pictures.items()}
    scaling = Scaling(list(found.pictures.values()), value_range)
    pictures = {part: ArrayPictures(array, forms[part][0], scaling) for part, array in found.pictures.items()}
    notes = [
        f"{len(one):,} pictures of {one.form} are those of {'array ' * bool(one.array.name)}{one.array}."
        for one in pictures.values()
    ]  # fmt: skip
    notes += [note for _, note in forms.values() if note]
    if found.unused:
        notes.append(f"Not used: {'; '.join(found.unused)}.")
    return taken(pictures, classes, split, list(files.values()), notes, looked=scaling.notes)
