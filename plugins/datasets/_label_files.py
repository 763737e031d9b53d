"""Lists of labels beside pictures: tables as Kaggle has them, lines of text, StyleGAN's dataset.json."""

from __future__ import annotations

import csv
import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from gan_bench.errors import GanBenchError

from ._files import shown
from ._folder_names import WORDS
from ._formats import BY_NAME, ENDINGS, HEIF

TABLES = (".csv", ".tsv", ".txt", ".lst", ".json", ".jsonl")  # endings of files that may hold labels
STYLEGAN = "dataset.json"
LABELS = {
    *("label", "labels", "class", "classes", "target", "targets", "y", "category", "class_name", "label_name"),
    *("class_id", "label_id", "category_id", "species", "breed", "tag"),
}
LARGEST = 2**28  # bytes of a list of labels
FEW = 0.5  # share of a table's rows, or of the pictures, that must belong to each other
_ENDINGS = frozenset().union(*ENDINGS.values(), BY_NAME, HEIF)


@dataclass(frozen=True)
class Named:
    """Labels by picture."""

    file: str
    of: dict[int, str]  # by the picture's index
    what: str  # where they stand, in words
    class_names: list[str] | None  # of labels that are numbers from 0
    notes: list[str]


@dataclass(frozen=True)
class _Rows:
    """A table: equally many cells a row. Without a head the columns are numbered from 1."""

    head: list[str]
    rows: list[list[str]]

    def column(self, number: int) -> list[str]:
        return [row[number] for row in self.rows]


def labels_in(
    name: str, content: bytes, names: Sequence[str], root: str, beside: Callable[[str], bytes | None]
) -> Named:
    """The labels that a file gives to pictures called `names`, paths with "/"; `name` is FILE or FILE:COLUMN.

    `root` is what the folder or archive of the pictures is called, which may stand before their names in the list. `beside`
    gives the content of another file in the list's folder, None if there is none. GanBenchError: it has no column of these
    names, or several that could be the labels, with the cure.
    """
    file, column = split_name(name)
    if len(content) > LARGEST:
        raise GanBenchError(f"{file} has {len(content):,} bytes, too many for a list of labels")
    try:
        table, class_names = _table(file, content)
    except (ValueError, TypeError, RecursionError, csv.Error) as error:
        raise GanBenchError(f"{file} can't be read as a list of labels: {error}") from error
    if not table.rows:
        if os.path.basename(file) == STYLEGAN:  # "labels": null
            return Named(file, {}, file, None, [])
        raise GanBenchError(f"{file} holds no rows of names and labels")
    pictures = _Names(names, file, root)
    place, found = _name_column(table, pictures)
    if found is None and (listed := beside("images.txt")) is not None:  # CUB's numbers of pictures
        table = _joined(table, _table("images.txt", listed)[0])
        place, found = _name_column(table, pictures)
    if found is None:  # paths through folders that are called otherwise here
        pictures.root = None
        place, found = _name_column(table, pictures)
    if found is None:
        raise GanBenchError(_no_names(file, table, names))
    if clash := pictures.clash:
        first, second = (shown(names[index]) for index in clash[:2])
        rule = f"a row of {file} could mean {first} or {second}"
        raise GanBenchError(f"{rule}. Write names with their folders into it, or give one of the folders as root")
    labels, what = _labels(table, place, column, file)
    if (listed := beside("classes.txt")) is not None:
        labels = _class_names(labels, _table("classes.txt", listed)[0])
    given: dict[int, str] = {}
    for index, label in zip(found, labels, strict=True):
        if index is not None and label and given.setdefault(index, label) != label:
            rule = f"{file} gives {shown(names[index])} two labels, {given[index]!r} and {label!r}"
            raise GanBenchError(f"{rule}; samples have one")
    lost = [row[place] for row, index in zip(table.rows, found, strict=True) if index is None]
    notes = []
    if lost:
        rows, are = ("row", "is") if len(lost) == 1 else ("rows", "are")
        examples = ", ".join([*map(shown, lost[:3]), *["..."] * (len(lost) > 3)])
        notes = [f"{len(lost):,} {rows} of {file} {are} of no picture: {examples}"]
    return Named(file, given, what, class_names, notes)


def split_name(name: str) -> tuple[str, str | None]:
    """The file and the column of `FILE:COLUMN`."""
    file, colon, column = name.rpartition(":")
    return (file, column) if colon and os.path.splitext(file)[1].lower() in TABLES else (name, None)


def is_stylegan(content: bytes) -> bool:
    """Whether the file of that name is StyleGAN's, and not another tool's. ValueError: it is damaged."""
    value = json.loads(content)
    return isinstance(value, dict) and "labels" in value


# Tables.


def _table(file: str, content: bytes) -> tuple[_Rows, list[str] | None]:
    """The rows of a list, and names of classes if it has them. ValueError: it is none."""
    try:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    ending = os.path.splitext(file)[1].lower()
    if ending == ".json":
        return _from_json(json.loads(text))
    if ending == ".jsonl":
        return _from_records([json.loads(line) for line in text.splitlines() if line.strip()]), None
    return _from_lines(text), None


def _from_json(value: Any) -> tuple[_Rows, list[str] | None]:
    """StyleGAN's {"labels": [[name, label], ...]}, or {name: label, ...}, or a list of records."""
    names = value.get("class_names") if isinstance(value, dict) else None
    if isinstance(value, dict) and "labels" in value:
        value = value["labels"]
    if value is None:
        return _Rows([], []), None
    if isinstance(value, dict):
        value = list(value.items())
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        return _from_records(value), None
    pairs = isinstance(value, list) and all(isinstance(one, list | tuple) and len(one) == 2 for one in value)
    if not pairs:
        raise ValueError('it must be {"labels": [[name, label], ...]}, {name: label, ...} or a list of records')
    rows = [[str(name), _one_label(label)] for name, label in value]
    return _Rows(["name", "label"], rows), [str(name) for name in names] if isinstance(names, list) else None


def _one_label(label: Any) -> str:
    """A label of JSON. ValueError: it is not one."""
    if isinstance(label, list) and len(label) > 1 and sorted(label)[-2:] == [0, 1] and set(label) == {0, 1}:
        return str(label.index(1))  # one-hot
    if isinstance(label, list) and len(label) == 1:
        label = label[0]
    if isinstance(label, list | dict):
        raise ValueError(f"a label is a number or a text (found: {json.dumps(label)[:40]})")
    return "" if label is None else str(label)


def _from_records(records: list[dict[str, Any]]) -> _Rows:
    if not all(isinstance(one, dict) for one in records):
        raise ValueError("each line must be a record, {...}")
    head = list(dict.fromkeys(key for one in records for key in one))
    plain = [key for key in head if not any(isinstance(one.get(key), list | dict) for one in records)]
    return _Rows(plain, [["" if one.get(key) is None else str(one[key]) for key in plain] for one in records])


def _from_lines(text: str) -> _Rows:
    lines = [line for line in text.splitlines() if line.strip()]
    for separator in (",", "\t", ";", "|"):
        rows = list(csv.reader(lines, delimiter=separator, skipinitialspace=True))
        if (width := _width(rows)) > 1:
            break
    else:
        rows = [line.split() for line in lines]
        if (width := _width(rows)) < 2:
            rows = [line.strip().rsplit(None, 1) for line in lines]
            width = max(map(len, rows), default=0)
    rows = [[cell.strip() for cell in row] for row in rows if len(row) == width]
    return _headed(rows)


def _width(rows: list[list[str]]) -> int:
    """The number of cells that nearly all rows have; 0: they differ."""
    counts = Counter(map(len, rows[:10_000]))
    width, most = counts.most_common(1)[0] if counts else (0, 0)
    return width if most >= 0.9 * min(len(rows), 10_000) - 2 else 0


def _headed(rows: list[list[str]]) -> _Rows:
    """Rows whose first may be the head: it names no picture, and has a cell without digits over numbers, or a known word."""
    if len(rows) < 2:
        return _Rows([], rows)
    first, others = rows[0], rows[1:1000]
    known = LABELS | {"id", "file", "filename", "file_name", "image", "image_id", "image_name", "name", "path", "img"}
    pictures = any(_is_picture(cell) for cell in first)
    unlike = any(
        not re.fullmatch(r"-?[\d.]+", cell) and all(re.fullmatch(r"-?[\d.]+", row[number]) for row in others)
        for number, cell in enumerate(first)
    )
    below = any(_is_picture(cell) for row in others[:20] for cell in row)
    if not pictures and (unlike or below or any(cell.lower() in known for cell in first)):
        return _Rows(first, rows[1:])
    return _Rows([], rows)


def _is_picture(cell: str) -> bool:
    return os.path.splitext(cell)[1].lower() in _ENDINGS


def _joined(table: _Rows, names: _Rows) -> _Rows:
    """A table whose first column are numbers that another one gives to names, with these in their place."""
    of = {row[0]: row[1] for row in names.rows if len(row) > 1}
    return _Rows(table.head, [[of.get(row[0], row[0]), *row[1:]] for row in table.rows])


def _class_names(labels: list[str], names: _Rows) -> list[str]:
    """Labels that are numbers, by the names that a list gives to these; as they are where it does not name all."""
    of = {row[0]: row[1] for row in names.rows if len(row) > 1}
    return [of[label] for label in labels] if all(label in of for label in labels) else labels


# Names.


class _Names:
    """Pictures by the names that lists give them: whole paths or their ends, with or without the ending."""

    def __init__(self, names: Sequence[str], file: str, root: str) -> None:
        self.names = names
        self.root: str | None = root.lower()  # None: whatever folders may stand before a name
        self.folder = file.rpartition("/")[0]
        own = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", os.path.basename(file)).lower())
        self.part = next((WORDS[word] for word in own if word in WORDS), None)  # that the list's name speaks of
        self.by_stem: dict[str, list[int]] = defaultdict(list)
        for index, name in enumerate(names):
            self.by_stem[_stem(name)].append(index)
        self.clash: list[int] = []

    def index(self, cell: str) -> int | None:
        """The picture that a cell names, None: none."""
        wanted = "/".join(part for part in cell.replace("\\", "/").split("/") if part not in ("", "."))
        found = self.by_stem.get(_stem(wanted), [])
        if not found:
            return None
        found = [index for index in found if self._means(wanted.lower(), self.names[index].lower())]
        for closer in (self._whole(wanted), self._beside, self._of_part):
            if len(found) > 1:
                found = [index for index in found if closer(self.names[index])] or found
        if len(found) > 1:
            self.clash = self.clash or found
        return found[0] if found else None

    def _means(self, wanted: str, name: str) -> bool:
        """Whether one of two paths ends with the other, of which the first may lack the ending."""
        if not _is_picture(wanted):
            name = os.path.splitext(name)[0]
        if self.root is None:
            return f"/{wanted}".endswith(f"/{name}") or f"/{name}".endswith(f"/{wanted}")
        whole = f"/{self.root}/{name}"
        return whole.endswith(f"/{wanted}") or f"/{wanted}".endswith(whole)

    def _whole(self, wanted: str) -> Callable[[str], bool]:
        return lambda name: wanted in (name, os.path.splitext(name)[0])

    def _beside(self, name: str) -> bool:
        return bool(self.folder) and name.startswith(self.folder + "/")

    def _of_part(self, name: str) -> bool:
        return any(WORDS.get(folder.lower()) == self.part for folder in PurePosixPath(name).parts[:-1] if self.part)


def _stem(name: str) -> str:
    """The last of a name's parts, without the ending that pictures have."""
    own = name.rpartition("/")[2].lower()
    return os.path.splitext(own)[0] if _is_picture(own) else own


def _name_column(table: _Rows, pictures: _Names) -> tuple[int, list[int | None] | None]:
    """The column that names pictures, and the picture of each row; None where there is no such column."""
    best: tuple[int, int, list[int | None]] = (0, 0, [])
    for number in range(len(table.rows[0])):
        pictures.clash = []
        cells = table.column(number)
        sample = [pictures.index(cell) for cell in cells[:200]]
        if any(index is not None for index in sample) or len(cells) > 200:
            found = [pictures.index(cell) for cell in cells]
            count = len({index for index in found if index is not None})
            if count > best[0]:
                best = count, number, found
    count, number, found = best
    if count < FEW * len(table.rows) and count < FEW * len(pictures.names):
        return 0, None
    pictures.clash = []
    return number, [pictures.index(cell) for cell in table.column(number)]


def _no_names(file: str, table: _Rows, names: Sequence[str]) -> str:
    head = f"the columns {', '.join(table.head)}" if table.head else f"{len(table.rows[0])} columns without a head"
    rule = f"{file} has no column of the pictures' names (they are called {', '.join(map(shown, names[:2]))}, ...)"
    return f"{rule}: it has {head}, and begins with {', '.join(map(shown, table.rows[0][:6]))}"


# Labels.


def _labels(table: _Rows, names: int, asked: str | None, file: str) -> tuple[list[str], str]:
    """The label of each row, and where they stand in words. GanBenchError: several columns could be meant."""
    others = [number for number in range(len(table.rows[0])) if number != names]
    title = {number: table.head[number] if table.head else str(number + 1) for number in others}
    listed = ", ".join(title.values())
    if asked is not None:
        chosen = [number for number in others if asked in (title[number], str(number + 1))]
        if not chosen:
            raise GanBenchError(f"{file} has no column {asked!r} beside the pictures' names; it has {listed}")
        return table.column(chosen[0]), f"column {title[chosen[0]]} of {file}"
    if not others:
        raise GanBenchError(f"{file} has no column of labels beside the pictures' names")
    for candidates in (
        others if len(others) == 1 else [],
        [number for number in others if title[number].lower() in LABELS],
        [number for number in others if _may_be(table.column(number), numbers=False)],
    ):
        if len(candidates) == 1:
            return table.column(candidates[0]), f"column {title[candidates[0]]} of {file}" if len(others) > 1 else file
        if candidates:
            break
    else:
        if table.head and (hot := _one_hot(table, others)):
            return [title[number] for number in hot], f"the columns of {file}, of which each row marks one"
    rule = f"{file}: several columns could be the labels ({listed})"
    likely = [number for texts in (False, True) for number in others if _may_be(table.column(number), texts)]
    example = title[[*likely, others[0]][0]]
    raise GanBenchError(f'{rule}. Name one: labels = "{file}:{example}"')


def _may_be(cells: Iterable[str], numbers: bool = True) -> bool:
    """Whether cells tell classes apart: few texts, or whole numbers as well, several of them more than once."""
    counts = Counter(cells)
    text = numbers or not all(re.fullmatch(r"-?[\d.]+(e-?\d+)?|", cell.lower()) for cell in counts)
    return text and 1 < len(counts) <= counts.total() / 2


def _one_hot(table: _Rows, columns: list[int]) -> list[int] | None:
    """The column that each row marks by 1 among others that are 0; None: they are nothing of the kind."""
    marked = []
    for row in table.rows:
        values = [row[number] for number in columns]
        ones = [number for number in columns if row[number] in ("1", "1.0")]
        if len(ones) != 1 or not set(values) <= {"0", "1", "0.0", "1.0"}:
            return None
        marked.append(ones[0])
    return marked
