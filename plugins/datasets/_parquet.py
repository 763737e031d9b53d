"""Tables of pictures in Parquet files, as the Hub's datasets have them: in shards, a few rows of which are in memory."""

from __future__ import annotations

import io
import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gan_bench.errors import GanBenchError
from gan_bench.files import check_regular

from ._array_pictures import ArrayPictures, Scaling, form_of
from ._arrays import BLOCK, Array
from ._damage import check_file_size, damage_told
from ._depths import Range
from ._folder_names import WORDS
from ._formats import open_picture
from ._labels import Labels, as_classes
from ._split import SplitSetting
from ._streams import Block, Streamed
from ._taken import Pictures, Rows, Taken, nothing, taken

if TYPE_CHECKING:
    from PIL import Image

PICTURE_NAMES = {"image", "images", "img", "picture", "pixels", "jpg", "jpeg", "png", "webp"}
LABEL_NAMES = {
    *("label", "labels", "class", "classes", "target", "targets", "y", "category", "cls", "class_name", "label_name"),
    *("fine_label", "coarse_label"),
}
SPLIT_NAMES = {"split", "usage", "set", "subset", "part", "partition"}
BUFFERED = 2**20  # bytes of a column that are read at a time


class Table:
    """Shards with the same columns, as one table. GanBenchError: no pyarrow, damaged files, or unlike columns."""

    def __init__(self, files: Sequence[Path], place: object) -> None:
        try:
            import pyarrow.parquet
        except ImportError as error:
            rule = "reading Parquet files takes pyarrow: pip install 'gan-bench[parquet]'"
            raise GanBenchError(f"{place}: {rule}") from error
        self.files, self.place = list(files), place
        self.rows: list[int] = []
        self.row_bytes = 1
        for file in files:
            with damage_told(file):
                check_regular(file)
                with pyarrow.parquet.ParquetFile(file) as opened:
                    schema, meta = opened.schema_arrow, opened.metadata
                    self.rows.append(meta.num_rows)
                    sizes = [meta.row_group(group).total_byte_size for group in range(meta.num_row_groups)]
                    self.row_bytes = max(self.row_bytes, sum(sizes) // max(1, meta.num_rows))
            if file is files[0]:
                self.schema = schema
            elif not schema.equals(self.schema, check_metadata=False):
                columns = f"{', '.join(self.schema.names)} in {files[0].name}, {', '.join(schema.names)} in {file.name}"
                raise GanBenchError(f"{place}: its files have columns of several kinds: {columns}")
        self.starts = [0, *accumulate(self.rows)]

    def __len__(self) -> int:
        return self.starts[-1]

    @cached_property
    def features(self) -> dict[str, dict[str, Any]]:
        """What the Hub's library has noted of each column, {} where it has not."""
        try:
            noted = json.loads((self.schema.metadata or {})[b"huggingface"])["info"]["features"]
            return {str(name): one for name, one in noted.items() if isinstance(one, dict)}
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
            return {}

    def blocks(self, columns: Sequence[str], first: int = 0) -> Iterator[Block]:
        """Rows as dicts from the row group on that holds row `first`, with the index that each block begins with."""
        import pyarrow.parquet

        shard = max(0, bisect_right(self.starts, first, hi=len(self.files)) - 1)
        for number in range(shard, len(self.files)):
            start = self.starts[number]
            with (
                damage_told(self.files[number]),
                pyarrow.parquet.ParquetFile(
                    self.files[number], buffer_size=BUFFERED, pre_buffer=False, page_checksum_verification=True
                ) as opened,
            ):
                groups = list(range(opened.metadata.num_row_groups))
                while groups and start + (rows := opened.metadata.row_group(groups[0]).num_rows) <= first:
                    start += rows
                    del groups[0]
                batch = min(1024, max(1, BLOCK // self.row_bytes))
                for some in opened.iter_batches(batch, groups, [*columns], use_threads=False) if groups else ():
                    yield start, some.to_pylist()
                    start += len(some)
            if start != self.starts[number + 1]:
                raise GanBenchError(f"{self.files[number]} has not the rows that it says it has")

    def column(self, name: str) -> list[Any]:
        """All values of a column of numbers or texts."""
        return [row[name] for _, rows in self.blocks([name]) for row in rows]

    def row_name(self, index: int) -> str:
        """A row as it is called where something is wrong with it."""
        shard = bisect_right(self.starts, index, hi=len(self.files)) - 1
        return f"{self.files[shard].name}, row {index - self.starts[shard]}"

    def picture_column(self) -> str:
        """The column of pictures. GanBenchError: there is none, or several could be meant."""
        found = [name for name in self.schema.names if self._holds_pictures(name)]
        named = [name for name in found if name.lower() in PICTURE_NAMES]
        if len(found) == 1 or len(named) == 1:
            return named[0] if len(named) == 1 else found[0]
        rule = f"several columns hold pictures ({', '.join(found)})" if found else "no column holds pictures"
        cure = "Write a table in which one is called image: bytes of picture files, {bytes, path}, or lists of pixels"
        raise GanBenchError(f"{self.place}: {rule}. It has the columns {self.listed()}. {cure}")

    def _holds_pictures(self, name: str) -> bool:
        import pyarrow.types as types

        kind = self.schema.field(name).type
        if self.features.get(name, {}).get("_type") == "Image" or self._is_struct(name):
            return True
        if types.is_binary(kind) or types.is_large_binary(kind):
            return name.lower() in PICTURE_NAMES or not self.features
        while (lists := types.is_list(kind) or types.is_large_list(kind)) or types.is_fixed_size_list(kind):
            deep, kind = lists or True, kind.value_type
            if deep and (types.is_integer(kind) or types.is_floating(kind)):
                return name.lower() in PICTURE_NAMES or types.is_nested(self.schema.field(name).type.value_type)
        return False

    def _is_struct(self, name: str) -> bool:
        import pyarrow.types as types

        kind = self.schema.field(name).type
        return types.is_struct(kind) and "bytes" in {kind.field(index).name for index in range(kind.num_fields)}

    def is_list(self, name: str) -> bool:
        """Whether a column holds lists of numbers, and not bytes."""
        import pyarrow.types as types

        kind = self.schema.field(name).type
        return types.is_nested(kind) and not types.is_struct(kind)

    def label_column(self, asked: str | None) -> str | None:
        """The column of labels, None if there is none. GanBenchError: the one asked for is not there, or several could be."""
        if asked is not None:
            if asked not in self.schema.names:
                rule = f"there is no column {asked!r} for `labels`"
                raise GanBenchError(f"{self.place}: {rule}. It has {self.listed()}")
            return asked
        noted = [name for name in self.schema.names if self.features.get(name, {}).get("_type") == "ClassLabel"]
        found = noted or [name for name in self.schema.names if name.lower() in LABEL_NAMES and self._may_label(name)]
        if len(found) > 1 and "label" not in found:
            rule = f"several columns could be the labels ({', '.join(found)})"
            raise GanBenchError(f"{self.place}: {rule}. Name one: labels = {found[0]!r}")
        return "label" if "label" in found else found[0] if found else None

    def _may_label(self, name: str) -> bool:
        import pyarrow.types as types

        kind = self.schema.field(name).type
        kind = kind.value_type if types.is_dictionary(kind) else kind
        return types.is_integer(kind) or types.is_boolean(kind) or types.is_string(kind) or types.is_large_string(kind)

    def split_column(self) -> str | None:
        """The column that says of each row which part it belongs to, by its name."""
        return next((name for name in self.schema.names if name.lower() in SPLIT_NAMES and self._may_label(name)), None)

    def class_names(self, column: str) -> list[str] | None:
        """What the Hub's library has noted as the classes that a column's numbers count."""
        names = self.features.get(column, {}).get("names")
        return [str(name) for name in names] if isinstance(names, list) and names else None

    def listed(self) -> str:
        return ", ".join(f"{field.name} ({field.type})" for field in self.schema)


class CellPictures:
    """Pictures of a column by row: the bytes of files."""

    parallel = True

    def __init__(self, table: Table, column: str) -> None:
        self.table, self.column = table, column
        self._rows = Streamed(lambda first: table.blocks([column], first), jumps=True)

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int) -> Image.Image:
        cell = self._rows[index][self.column]
        content = cell.get("bytes") if isinstance(cell, dict) else cell
        if content is None:
            path = isinstance(cell, dict) and cell.get("path")
            raise ValueError(f"it has only a path ({path}), which is not followed" if path else "there is no picture")
        check_file_size(len(content))
        return open_picture(io.BytesIO(content))

    def name(self, index: int) -> str:
        return self.table.row_name(index)


class ListArray(Array):
    """A column of lists of pixels."""

    def __init__(self, table: Table, column: str) -> None:
        self.table, self.column = table, column
        first = next((np.asarray(rows[0][column]) for _, rows in table.blocks([column])), np.empty(0))
        super().__init__(column, (len(table), *first.shape), first.dtype)
        self._streamed = Streamed(self.blocks, jumps=True)

    def blocks(self, first: int = 0) -> Iterator[Block]:
        for start, rows in self.table.blocks([self.column], first):
            values = [np.asarray(row[self.column]) for row in rows]
            if wrong := {value.shape for value in values} - {self.shape[1:]}:
                raise ValueError(f"column {self.column} has lists of several shapes: {self.shape[1:]}, {min(wrong)}")
            yield start, np.stack(values)

    def __getitem__(self, index: int) -> np.ndarray:
        return self._streamed[index]


def take_parquet(
    files: Sequence[Path],
    root: Path,
    split: SplitSetting,
    labels: str | None,
    value_range: Range | None,
) -> Taken:
    """The pictures of Parquet files below a root, which may be one of them.

    The parts are those that the files' names say, as in data/train-00000-of-00002.parquet, or a column `split`. `labels` is the
    column that gives them: None for what name and type say, "none" for no labels. GanBenchError: damage, no pyarrow, or columns
    that could be taken in several ways, with the cure.
    """
    by_part, left_out = _parts(sorted(files), root)
    table = Table([file for own in by_part.values() for file in own], root)
    column = table.picture_column()
    with damage_told(root):
        kinds = _kinds(table, by_part)
        label = None if labels == "none" else table.label_column(labels)
        values = np.array([] if label is None else table.column(label), object)
    index = {kind: np.flatnonzero(kinds == kind) for kind in dict.fromkeys(kinds.tolist())}
    if label is None:
        found = Labels(None, {kind: np.full(len(rows), -1) for kind, rows in index.items()})
    else:
        own = {kind: values[rows] for kind, rows in index.items()}
        found = as_classes(own, f"column {label}", table.class_names(label))
    notes = [f"The pictures are those of column {column}."]
    unused = [name for name in table.schema.names if name not in (column, label, table.split_column())]
    if unused:
        notes.append(f"Columns that are not used: {', '.join(unused)}.")
    if table.is_list(column):
        with damage_told(root):
            array = ListArray(table, column)
        (form, note), scaling = form_of(array), Scaling([array], value_range)
        pictures: Pictures = ArrayPictures(array, form, scaling)
        notes += [note] if note else []
        looked = scaling.notes
    else:
        pictures, looked = CellPictures(table, column), nothing
    parts = {kind: Rows(pictures, rows) for kind, rows in index.items()}
    return taken(parts, found, split, table.files, notes, left_out, looked)


def _parts(files: Sequence[Path], root: Path) -> tuple[dict[str, list[Path]], dict[str, list[str]]]:
    """Files by the part that their names below the root say, "" where none says one; and those of other parts."""
    found: dict[str, list[Path]] = {}
    for file in files:
        name = file.relative_to(root).as_posix() if file != root else file.name
        words = re.findall(r"[a-z]+", name.lower())
        found.setdefault(next((WORDS[word] for word in reversed(words) if word in WORDS), ""), []).append(file)
    for kind, own in found.items():
        if kind and len(folders := {file.parent for file in own}) > 1 and not _splits(folders):
            places = ", ".join(sorted(folder.relative_to(root).as_posix() for folder in folders))
            rule = f"several folders have a part {kind} ({places})"
            raise GanBenchError(f"{root}: {rule}. Give one of them as root")
    others = found.pop("", []) if len(found) > 1 else []
    names = [file.relative_to(root).as_posix() for file in others]
    return found, {"tables of no part, beside those of parts": names} if names else {}


def _splits(folders: set[Path]) -> bool:
    """Whether folders differ only in what they are called as a part."""
    return len({folder.parent for folder in folders}) == 1 and all(folder.name.lower() in WORDS for folder in folders)


def _kinds(table: Table, by_part: dict[str, list[Path]]) -> np.ndarray:
    """The part of each row."""
    kinds = np.repeat([kind for kind, own in by_part.items() for _ in own], table.rows)
    column = table.split_column()
    if column is None or list(by_part) != [""]:
        return kinds
    values = [str(value).lower() for value in table.column(column)]
    if unknown := set(values) - WORDS.keys():
        rule = f"column {column} has {', '.join(sorted(unknown)[:5])}, where the parts are called train, val and test"
        raise GanBenchError(f"{table.place}: {rule}. Rename the values, or the column if it says something else")
    return np.array([WORDS[value] for value in values])
