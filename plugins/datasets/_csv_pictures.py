"""Pictures in tables of text, a row each: MNIST as Kaggle has it, or all numbers in one cell as in FER2013."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from gan_bench.errors import GanBenchError

from ._array_pictures import ArrayPictures, Scaling, form_of
from ._arrays import Array
from ._depths import Range
from ._folder_names import WORDS
from ._labels import Labels, as_classes
from ._split import SplitSetting
from ._streams import Block, Streamed
from ._taken import Pictures, Rows, Taken, taken

LABELS = ("label", "labels", "class", "target", "y", "emotion", "category")
PARTS = {"split", "usage", "set", "part"}
USAGE = {"publictest": "validation", "privatetest": "test"}  # FER2013's
PIXEL = re.compile(r"(pixels?|px|p|x|col|column|v|f)?[ _]?\d+(x\d+)?|pixels?", re.IGNORECASE)  # pixel0, 1x1, pixels
MOST = 1000  # labels, where only their number tells them from pixels
LEAST = 64  # numbers of a picture


class PixelTable(Array):
    """A table of text whose rows are pictures. ValueError: it is none, or damaged."""

    parallel = False  # a row begins where the one before it ends

    def __init__(self, file: Path) -> None:
        self.file = file
        with file.open(encoding="utf-8-sig", newline="") as opened:
            first = opened.readline(2**24)
            second = opened.readline(2**24) or first
        self.separator = max(",;\t", key=first.count)
        cells = self._cells(first)
        self.head = cells if not all(map(_number, cells)) else []
        self.width = len(cells)
        self.label = self.column(LABELS) if self.head else None
        self.pixels = [number for number, cell in enumerate(self.head) if PIXEL.fullmatch(cell.strip())]
        if not self.head:
            self.pixels = list(range(self.width))
            if not _is_square(self.width) and _is_square(self.width - 1):
                self.label = self._end()
                self.pixels.remove(self.label)
        one = self._row(self._cells(second)) if self.pixels else np.empty(0)
        if len(one) < LEAST or not _is_square(len(one)):
            raise ValueError("it has no columns of pixels")
        super().__init__(file.stem, (sum(len(rows) for _, rows in self._rows()), len(one)), one.dtype)
        self._streamed = Streamed(self.blocks)

    def _end(self) -> int:
        """Where labels stand in a table without a head. GanBenchError: first and last columns may both be these."""
        found: dict[int, set[str]] = {0: set(), self.width - 1: set()}
        total = 0
        for _, rows in self._rows():
            total += len(rows)
            for column, own in found.items():
                own.update(row[column] for row in rows if len(row) == self.width)
        likely = [column for column, own in found.items() if 1 < len(own) <= min(MOST, total / 2)]
        if len(likely) != 1:
            rule = (
                "the first or the last column may be the labels"
                if likely
                else "neither first nor last column are labels"
            )
            raise GanBenchError(f"{self.file}: {rule}. Give it a first row of names: label, pixel0, pixel1, ...")
        return likely[0]

    def column(self, names: tuple[str, ...] | set[str]) -> int | None:
        """The first column of one of these names."""
        found = (number for number, name in enumerate(self.head) if name.strip().lower() in names)
        return next(found, None)

    def values(self, column: int) -> list[str]:
        """All cells of a column."""
        return [row[column].strip() if column < len(row) else "" for _, rows in self._rows() for row in rows]

    def blocks(self, first: int = 0) -> Iterator[Block]:
        for start, rows in self._rows():
            if start + len(rows) > first:
                values = [self._row(row) for row in rows]
                wrong = next((at for at, own in enumerate(values) if len(own) != self.shape[1]), None)
                if wrong is not None:
                    raise ValueError(f"row {start + wrong + 1} has not {self.shape[1]} numbers, as the first has")
                yield start, np.stack(values)

    def __getitem__(self, index: int) -> np.ndarray:
        return self._streamed[index]

    def _rows(self) -> Iterator[tuple[int, list[list[str]]]]:
        start, rows = 0, []
        with self.file.open(encoding="utf-8-sig", newline="") as opened:
            lines = csv.reader(opened, delimiter=self.separator)
            if self.head:
                next(lines)
            for row in lines:
                if row:
                    rows.append(row)
                if len(rows) == 256:
                    yield start, rows
                    start, rows = start + len(rows), []
        if rows:
            yield start, rows

    def _cells(self, line: str) -> list[str]:
        return next(csv.reader([line], delimiter=self.separator), [])

    def _row(self, row: list[str]) -> np.ndarray:
        """The numbers of a picture; none where the row is another one's."""
        if len(row) != self.width:
            return np.empty(0)
        one = len(self.pixels) == 1
        try:
            return np.array(row[self.pixels[0]].split() if one else [row[number] for number in self.pixels], np.float64)
        except ValueError:
            return np.empty(0)


def _number(cell: str) -> bool:
    return re.fullmatch(r"\s*-?[\d.]+(e[-+]?\d+)?\s*", cell, re.IGNORECASE) is not None


def _is_square(count: int) -> bool:
    return any(sides * sides * channels == count for channels in (1, 3) for sides in [round((count / channels) ** 0.5)])


def pixel_tables(files: Mapping[str, Path]) -> dict[str, PixelTable]:
    """Those files that have pictures in their rows, by name."""
    found = {}
    for name, file in files.items():
        with suppress(ValueError, IndexError, StopIteration, csv.Error, OSError):
            found[name] = PixelTable(file)
    return found


def take_csv(
    tables: Mapping[str, PixelTable], root: Path, split: SplitSetting, labels: str | None, value_range: Range | None
) -> Taken:
    """The pictures of tables of text, of the parts that their names say, or a column `Usage`.

    `labels` is the column that gives them: None for what its name says, "none" for no labels. GanBenchError: damage, or tables
    that could be taken in several ways, with the cure.
    """
    arrays: dict[str, PixelTable] = {}
    for name, table in tables.items():
        kind = _kind(re.findall(r"[a-z]+", name.lower())) if len(tables) > 1 else ""
        if kind in arrays:
            rule = f"{arrays[kind].file.name} and {table.file.name} may be the same part, or two"
            raise GanBenchError(
                f"{root}: {rule}. Give one of them as root, or call one train.csv and the other test.csv"
            )
        arrays[kind] = table
    scaling = Scaling(list(arrays.values()), value_range)
    pictures: dict[str, Pictures] = {}
    values: dict[str, list[str]] = {}
    notes = []
    for kind, table in arrays.items():
        form, note = form_of(table)
        notes += [note] * bool(note)
        whole = ArrayPictures(table, form, scaling)
        column = table.column({labels}) if labels not in (None, "none") else table.label
        if labels not in (None, "none") and column is None and kind != "test":
            rule = f"there is no column {labels!r} for `labels`"
            raise GanBenchError(f"{table.file}: {rule}. It has {', '.join(table.head[:8])}, ...")
        own = [""] * len(table) if column is None or labels == "none" else table.values(column)
        usage = table.column(PARTS) if len(arrays) == 1 else None
        if usage is None:
            pictures[kind], values[kind] = whole, own
            continue
        kinds = [_kind([value.lower()]) for value in table.values(usage)]
        for part in dict.fromkeys(kinds):
            index = np.flatnonzero(np.array(kinds) == part)
            pictures[part], values[part] = Rows(whole, index), [own[at] for at in index.tolist()]
    none = Labels(None, {kind: np.full(len(own), -1) for kind, own in values.items()})
    found = as_classes(values, "the column of labels") if any(map(any, values.values())) else none
    return taken(pictures, found, split, [table.file for table in arrays.values()], notes, looked=scaling.notes)


def _kind(words: list[str]) -> str:
    """The part that words speak of, "" if none does."""
    return next((part for word in words if (part := USAGE.get(word) or WORDS.get(word))), "")
