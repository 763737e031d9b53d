"""What lies at a root: a folder or an archive of pictures, arrays, or tables; told apart by content, whatever it is called."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from gan_bench.errors import GanBenchError, ParameterError, did_you_mean
from gan_bench.files import check_regular

from ._archives import TarFiles, ZipFiles, is_tar
from ._array_pictures import take_arrays
from ._csv_pictures import pixel_tables, take_csv
from ._damage import damage_told
from ._depths import Range
from ._files import SOURCES, Files, FolderFiles, reason_of, shown
from ._folder_names import part_name
from ._formats import open_picture, readable_endings
from ._label_files import STYLEGAN, TABLES, Named, is_stylegan, labels_in, split_name
from ._labels import as_classes
from ._layout import Labels as FolderLabels
from ._layout import Layout, layout
from ._parquet import take_parquet
from ._split import SplitSetting
from ._taken import Looked, Part, Taken, labelled, nothing

if TYPE_CHECKING:
    from PIL import Image

TEXTS = (".csv", ".tsv", ".txt")  # that may have pixels in their rows
LISTS = (".csv", ".tsv", ".jsonl")  # that are likely to give labels
ARRAYS, PARQUET = (".npy", ".npz", ".pt", ".pth"), (".parquet", ".pq")
OTHERS = {  # what begins so is not read, and the cure
    b"Rar!": "It is a RAR archive: unpack it, and give the folder as root",
    b"7z\xbc\xaf\x27\x1c": "It is a 7z archive: unpack it, and give the folder as root",
    b"\x89HDF": "It is an HDF5 file: save its arrays by numpy.savez(...)",
    b"MATLAB": "It is a MATLAB file: save its arrays by numpy.savez(...), with the pictures' number first",
    b"ARROW1": "It is an Arrow file: write it as Parquet, by Dataset.to_parquet(...)",
    b"SQLite": "It is a database: write its pictures into a folder or a Parquet file",
}


def take(root: Path, split: SplitSetting, labels: str, value_range: Range | None) -> Taken:
    """A source as the settings say to take it. `labels` is "auto", "folders", "none", or what gives them: a list of labels, the
    name of an array or of a column. GanBenchError: it can't be read, or be taken in one way alone, with the cure.
    """
    named = None if labels in ("auto", "folders") else labels
    if os.path.isdir(root):  # False of names that no file can have, for which pathlib's may raise
        files = FolderFiles(root)
        if not files.names:
            others = _others(files)
            if tables := {name: root / name for name in others if name.lower().endswith(PARQUET)}:
                found = take_parquet(list(tables.values()), root, split, named, value_range)
                return _beside(found, files, tables)
            if arrays := {name: root / name for name in sorted(others) if name.lower().endswith(ARRAYS)}:
                prefixes = {os.path.splitext(name)[0]: file for name, file in arrays.items()}
                return _beside(take_arrays(prefixes, root, split, named, value_range), files, arrays)
            texts = {name: root / name for name in sorted(others) if name.lower().endswith(TEXTS)}
            if pixels := pixel_tables(texts):
                return _beside(take_csv(pixels, root, split, named, value_range), files, pixels)
        return _take_files(files, root, split, labels)
    with damage_told(root):
        if not os.path.exists(root):
            raise GanBenchError(
                f"there is no folder or file {shown(str(root))}. Give `root` the folder, or the file, that holds the pictures"
            )
        check_regular(root)
        pixels = pixel_tables({root.name: root}) if root.name.lower().endswith(TEXTS) else {}
        kind = "text" if pixels else _kind(root)
    if pixels:
        return take_csv(pixels, root, split, named, value_range)
    if kind == "parquet":
        return take_parquet([root], root, split, named, value_range)
    if kind == "arrays":
        arrays_of = {"": root}
        if named and named.endswith(".npy"):
            arrays_of = {"images": root, "labels": root.parent / named}
            named = None
        return take_arrays(arrays_of, root, split, named, value_range)
    return _take_files(ZipFiles(root) if kind == "zip" else TarFiles(root), root, split, labels)


def _others(files: Files) -> list[str]:
    """The names of files that are no pictures, but for hidden ones and waste."""
    names = (name for own in files.left_out.values() for name in own)
    return [name for name in names if not name.endswith("/") and not any(map(reason_of, name.split("/")))]


def _beside(found: Taken, files: Files, used: Collection[str]) -> Taken:
    """What was taken of a folder, with what else lies there."""
    left_out = {reason: [name for name in names if name not in used] for reason, names in files.left_out.items()}
    return replace(found, left_out=found.left_out | {reason: names for reason, names in left_out.items() if names})


def _kind(file: Path) -> Literal["zip", "tar", "arrays", "parquet"]:
    """What a file is, by its content. GanBenchError: nothing that is read here, and the cure."""
    with file.open("rb") as opened_:
        magic = opened_.read(8)
    ending = file.suffix.lower()
    if magic.startswith(b"PAR1"):
        return "parquet"
    if magic.startswith(b"\x93NUMPY"):
        return "arrays"
    if magic.startswith(b"PK"):
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
        arrays = any(name.endswith((".npy", "/data.pkl")) for name in names)
        pictures = any(os.path.splitext(name)[1].lower() in readable_endings() for name in names)
        return "arrays" if arrays and not pictures else "zip"
    if ending in (".pt", ".pth"):
        return "arrays"
    if not magic:
        raise GanBenchError(f"{file} is empty")
    for first, cure in OTHERS.items():
        if magic.startswith(first):
            raise GanBenchError(f"{file} is not read here. {cure}")
    if is_tar(file):
        return "tar"
    if ending in readable_endings():
        raise GanBenchError(f"{file} is one picture. Give `root` the folder that holds the pictures")
    if ending in TABLES:
        cure = f'Give `root` the folder that holds the pictures, and this file as labels = "{file.name}"'
        raise GanBenchError(f"{file} holds no pictures. {cure}")
    known = "a folder, .zip, .tar, .npz, .npy, .pt, .parquet or a .csv of pixels"
    packed = " Unpack it." if magic.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ")) else ""
    raise GanBenchError(f"{file} is nothing that is read here: {known}.{packed}")


class FilePictures:
    """Pictures of files by index, opened but not decoded."""

    parallel = True

    def __init__(self, files: Files) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files.names)

    def __getitem__(self, index: int) -> Image.Image:
        name = self.files.names[index]
        return open_picture(io.BytesIO(self.files.read(name)), name)

    def name(self, index: int) -> str:
        return shown(self.files.names[index])


def _take_files(files: Files, root: Path, split: SplitSetting, labels: str) -> Taken:
    """Pictures in files, by what their folders say, or by a list of labels."""
    if not files.names:
        raise GanBenchError(f"{shown(str(root))} holds no pictures{_instead(files, root)}")
    paths, named = [*files.paths()], None
    if labels not in ("folders", "none"):
        named, path = _labelled(files, root, labels)
        paths += path
    if named and not named.of:
        labels, named = "none", None
    if named is None:
        how = cast(FolderLabels, labels if labels in ("folders", "none") else "auto")
        lists = [name for name in _others(files) if name.lower().endswith(LISTS)] if how == "auto" else []
        return _by_layout(files, layout(files.names, split, how), paths, lists)
    if len(named.of) < len(files.names) and (mixed := _mixed(files, named, split)) is not None:
        mixed.notes.append(f"Of {len(named.of):,} pictures the class is that of {named.what}.")
        return _by_layout(files, mixed, paths)
    return _by_list(files, layout(files.names, split, "none"), named, paths)


def _instead(files: Files, root: Path) -> str:
    """What a source without pictures holds, and the cure."""
    names = [name for left_out in files.left_out.values() for name in left_out]
    if source := next((name for name in sorted(names) if name.lower().endswith(SOURCES)), None):
        cure = f'root = "{shown(str(root / source))}"' if isinstance(files, FolderFiles) else "unpack it"
        return f", but {shown(source)}. Give that file itself: {cure}"
    told = "; ".join(f"{len(own)} {reason}, such as {shown(own[0])}" for reason, own in files.left_out.items())
    endings = f" (names that end in {' '.join(sorted(readable_endings()))})"
    return f"{endings}. Left out: {told}" if told else endings


def _by_layout(files: Files, found: Layout, paths: Sequence[str | Path], lists: Sequence[str] = ()) -> Taken:
    """As the folders say. `lists` are files that may give labels, which nobody has asked for."""
    pictures, labels = FilePictures(files), np.array(found.labels, np.int64)
    training, held_out = (
        None if index is None else Part(pictures, labels, np.array(index, np.int64)) for index in found.parts.values()
    )
    assert training is not None
    notes = list(found.notes)
    if lists and found.classes is None:
        own = {files.names[index].rpartition("/")[0] for index in found.parts["training"] or ()}
        first = next((name for name in lists if name.rpartition("/")[0] in own), lists[0])  # one for what is trained on
        if sum(name.rpartition("/")[2] == first.rpartition("/")[2] for name in lists) > 1:
            first = first.rpartition("/")[2]  # all that are called so
        notes.append(f'There are lists beside the pictures; labels = "{first}" would take their labels.')
    left_out = _joined(files.left_out, found.left_out)
    return Taken(training, held_out, found.classes, paths, left_out, notes, _looked(files))


def _by_list(files: Files, found: Layout, named: Named, paths: Sequence[str | Path]) -> Taken:
    """Parts as the folders say, classes as a list says; what it has no label of is left out."""
    index = {part: np.array(own, np.int64) for part, own in found.parts.items() if own is not None}
    values = {part: [named.of.get(place) for place in own.tolist()] for part, own in index.items()}
    labels = as_classes(values, named.what, named.class_names)
    numbers = np.full(len(files.names), -1, np.int64)
    for part, places in index.items():
        numbers[places] = labels.of[part]
    parts = {part: Part(FilePictures(files), numbers, places) for part, places in index.items()}
    left_out = _joined(files.left_out, found.left_out)
    notes = found.notes + named.notes + list(labels.notes)
    if labels.classes is not None:
        parts, without, more = labelled(parts, named.file)
        left_out, notes = left_out | without, notes + more
    if "training" not in parts:
        rule = f"{named.file} has labels of none of the pictures to train on"
        raise ParameterError(f"{rule}. Name a list that has, or leave `labels` out", "labels")
    held_out = parts.get("held_out")
    return Taken(parts["training"], held_out, labels.classes, paths, left_out, notes, _looked(files))


def _looked(files: Files) -> Looked:
    return files.unpack if isinstance(files, TarFiles) else nothing


def _joined(*several: dict[str, list[str]]) -> dict[str, list[str]]:
    joined: dict[str, list[str]] = {}
    for one in several:
        for reason, names in one.items():
            joined.setdefault(reason, []).extend(names)
    return joined


def _mixed(files: Files, named: Named, split: SplitSetting) -> Layout | None:
    """Where a list names the classes of one part, and folders those of the others: all as if they lay in folders."""
    names = list(files.names)
    for index, label in named.of.items():
        *folders, own = names[index].split("/")
        depth = next((depth for depth, folder in enumerate(folders, 1) if part_name(folder)), None)
        if depth is None:
            return None
        names[index] = "/".join([*folders[:depth], label.replace("/", "_"), own])
    try:
        return layout(names, split, "folders")
    except GanBenchError:
        return None


def _labelled(files: Files, root: Path, labels: str) -> tuple[Named | None, list[Path]]:
    """The labels of the list that is asked for, or of the one that StyleGAN's data have; and the files that say so."""
    others = _others(files)
    if labels == "auto":
        found = [name for name in others if name.rpartition("/")[2] == STYLEGAN]
        with damage_told(f"{root}, {STYLEGAN}"):
            if len(found) != 1 or not is_stylegan(files.read(found[0])):
                return None, []
        labels = found[0]
    file, _ = split_name(labels)
    column = labels[len(file) :]
    if inside := [name for name in others if name == file] or [name for name in others if name.endswith(f"/{file}")]:
        return _labels_inside(files, root, inside, column)
    root = Path(os.path.abspath(root))
    path = root.parent / os.path.expanduser(file)
    if not os.path.isfile(path):
        tables = [name for name in others if name.lower().endswith(TABLES)]
        cure = did_you_mean(file, tables) if tables else f"It may also lie beside {root.name}."
        raise GanBenchError(f"labels: there is no file {file!r} in {root}. {cure}")
    paths: list[Path] = []

    def read(name: str) -> bytes:
        check_regular(path.parent / name)
        content = (path.parent / name).read_bytes()
        paths.append(path.parent / name)
        return content

    with damage_told(path):
        content = read(path.name)
    return labels_in(f"{file}{column}", content, files.names, root.name.partition(".")[0], _if_there(read)), paths


def _labels_inside(files: Files, root: Path, lists: list[str], column: str) -> tuple[Named, list[Path]]:
    """The labels of a list in the source; or of lists that are called alike, each beside pictures of its own."""
    paths: list[Path] = []  # of what is read outside of an archive
    own = {one: _below(files, os.path.dirname(one)) for one in lists}
    if not all(own.values()) or sum(map(len, own.values())) > len(files.names):
        own = {lists[0]: list(range(len(files.names)))}
    found = []
    for one, places in own.items():
        folder = os.path.dirname(one)

        def read(name: str, folder: str = folder) -> bytes:
            content = files.read(os.path.join(folder, name))
            if isinstance(files, FolderFiles):
                paths.append(Path(files.root, folder, name))
            return content

        with damage_told(f"{root}, {one}"):
            content = read(os.path.basename(one))
        around = os.path.basename(folder) if len(own) > 1 else Path(os.path.abspath(root)).name.partition(".")[0]
        names = [files.names[place] for place in places]
        named = labels_in(f"{one}{column}", content, names, around, _if_there(read))
        found.append(replace(named, of={places[index]: label for index, label in named.of.items()}))
    if len(found) == 1:
        return found[0], paths
    return replace(
        found[0],
        file=f"the lists {os.path.basename(lists[0])}",
        what=f"lists called {os.path.basename(lists[0])}, one beside the pictures of each folder",
        of={index: label for one in found for index, label in one.of.items()},
        notes=[note for one in found for note in one.notes],
    ), paths


def _below(files: Files, folder: str) -> list[int]:
    """The pictures in a folder and those in it."""
    return [index for index, name in enumerate(files.names) if not folder or name.startswith(f"{folder}/")]


def _if_there(read: Callable[[str], bytes]) -> Callable[[str], bytes | None]:
    """The same of files that may not be there."""

    def read_if_there(name: str) -> bytes | None:
        try:
            return read(name)
        except (OSError, ValueError):
            return None

    return read_if_there
