"""What published datasets share: where their files lie, what is missing, damaged or another dataset's, and the cure."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gan_bench import Field, SkipSample
from gan_bench.errors import GanBenchError
from gan_bench.files import check_regular

from ._formats import open_picture, readable_endings
from ._pictures import PictureDataset, Root, expanded, skipped

if TYPE_CHECKING:
    from PIL import Image

NO_PICTURE = "with an unknown ending"  # why files are left out
DEPTH, FOLDERS, ENTRIES = 3, 300, 1000  # how far files are searched for: levels, folders, and entries of each


class PublishedDataset(PictureDataset):
    """A published dataset, read from files as they were published, unpacked or uploaded again.

    The files may lie in the folder below `root` that is usual, in a part of its path, or in `root` itself; or a folder or two
    further down, where one alone has them and is called as the dataset is. Files that lie anywhere else near `root` are not
    read: the error says where they are.
    """

    root: Root | None = Field(
        None, description="folder of the files (default: $GAN_BENCH_DATA, else data/ in the cache folder)"
    )

    homes: ClassVar[tuple[str, ...]] = ("",)  # usual folders of the files below `root`, the first is the publisher's
    required: ClassVar[tuple[str, ...]]  # files there, and folders, whose names end in /
    origin: ClassVar[str]  # how one comes by the files, as an instruction
    instead: ClassVar[dict[str, str]] = {}  # what may lie there in their place, and the cure

    def wanted(self) -> tuple[str, ...]:
        """What is required with these parameters."""
        return self.required

    def stand_ins(self) -> dict[str, str]:
        """What may lie in place of that: see `instead`."""
        return self.instead

    def find(self, folder: Path, name: str) -> Path | None:
        """Where a required file or folder lies in a folder, under any of its names."""
        path = folder / name
        return path if (os.path.isdir(path) if name.endswith("/") else is_file(path)) else None

    def another(self, folder: Path) -> str | None:
        """The dataset with files of the same names whose folder it is, by what it is called."""
        return None

    def listed(self, place: Path) -> Iterable[Path]:
        """Every file that the samples are read from."""
        for name in self.wanted():
            found = self.located(place, name)
            yield from (found / each for each in sorted(os.listdir(found))) if found.is_dir() else [found]

    def folder(self) -> Path:
        """The root."""
        if self.root is not None:
            return expanded(self.root)
        if chosen := os.environ.get("GAN_BENCH_DATA"):
            return expanded(Path(chosen))
        from gan_bench.data.cache import cache_root  # imports torch, which starting up must not

        return cache_root() / "data"

    def missing(self, folder: Path) -> list[str]:
        """What is required and not in a folder."""
        return [name for name in self.wanted() if self.find(folder, name) is None]

    def likely(self) -> list[Path]:
        """Where the files are looked for and read, in this order."""
        return self._homes_in(self.folder())

    def place(self) -> Path:
        """The folder in which all files lie. GanBenchError: there is none, or more than one, and what to do."""
        self.check_root()
        for place in self.likely():
            if not self.missing(place) and self.another(place) is None:
                return place
        root = self.folder()
        below = [folder for folder in _folders(root) if not self.missing(folder)]
        own = [folder for folder in below if self._is_called_so(folder.relative_to(root))]
        if len(own) == 1:
            return own[0]
        raise GanBenchError(f"dataset {self.name}: {self._lack()}. {self._what_to_do(below)}")

    def check_root(self) -> None:
        """GanBenchError: it is no folder."""
        root = self.folder()
        if is_file(root):
            folder = f"Give `root` a folder instead, and {self.origin}, so that it has {', '.join(self.wanted())}"
            raise GanBenchError(f"dataset {self.name}: {root} is a file. {self._elsewhere(self._beside()) or folder}")

    def files(self) -> list[Path]:
        return list(self.listed(self.place()))

    def located(self, place: Path, name: str) -> Path:
        """Where a required file or folder lies, or ought to."""
        return self.find(place, name) or place / name

    def _homes_in(self, folder: Path) -> list[Path]:
        """The usual folders below a folder, without one or more of the first in their paths, and the folder itself."""
        paths = [Path(home).parts for home in self.homes]
        return list(dict.fromkeys(folder.joinpath(*path[i:]) for path in paths for i in range(len(path) + 1)))

    def _is_called_so(self, path: Path) -> bool:
        """Whether a folder below the root is, or is in, one that is called as the dataset is."""
        own = {plain(self.name), *(plain(Path(home).parts[0]) for home in self.homes if home)}
        return not own.isdisjoint(map(plain, path.parts)) and self.another(path) is None

    def _beside(self) -> list[Path]:
        """Folders above the root, and those beside it that are called as the dataset is, that have the files."""
        above = self.folder().absolute().parent
        siblings = [folder for folder in _folders(above, depth=1) if self._is_called_so(Path(folder.name))]
        places = [*(place for folder in (above, *siblings) for place in self._homes_in(folder)), above.parent]
        return [place for place in dict.fromkeys(places) if not self.missing(place)]

    def _lack(self) -> str:
        """The root, and what is not there."""
        root = self.folder()
        places = [place for place in self.likely() if place.is_relative_to(root)]
        place = min(places, key=lambda place: len(self.missing(place)))
        below = "".join(f"{part}/" for part in place.relative_to(root).parts)
        if missing := self.missing(place):
            return f"{root} lacks {', '.join(below + name for name in missing)}"
        other = self.another(place)
        return f'{place} is called as those of {other} are, whose files have the same names: dataset = "{other}" reads them'

    def _what_to_do(self, below: list[Path]) -> str:
        """The cure, where folders below the root have the files, if any."""
        if told := self._elsewhere(below) or self._elsewhere(self._beside()):
            return told
        for place in (*self.likely(), self.folder().absolute().parent):
            for name, cure in self.stand_ins().items():
                if os.path.exists(place / name):
                    return f"{place / name} {cure}"
        others = [f"(Those in {place} are of the dataset {self.another(place)}.) " for place in below[:1]]
        cure = self.cure()
        return "".join([*others, cure[0].upper(), cure[1:]])

    def _elsewhere(self, places: list[Path]) -> str | None:
        """What to say of folders that have the files."""
        own = [place for place in places if self.another(place) is None]
        return f"They lie in {' and in '.join(map(str, own[:3]))}: give root = {str(own[0])!r}" if own else None

    def cure(self) -> str:
        """What to do where nothing is there."""
        return f"{self.origin}; or say with root = ... (or $GAN_BENCH_DATA) where the files are"


class PixelArrays:
    """Pictures (N, H, W) or (N, H, W, 3) and labels (N,), by index; what is mapped from a file stays there."""

    def __init__(self, pictures: np.ndarray, labels: Sequence[int] | np.ndarray) -> None:
        if len(pictures) != len(labels):
            raise ValueError(f"{len(pictures)} pictures but {len(labels)} labels")
        self.pictures, self.labels = pictures, np.asarray(labels)

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        from PIL import Image

        return Image.fromarray(np.ascontiguousarray(self.pictures[index])), int(self.labels[index])


class PictureFiles:
    """Pictures' files and labels by index, opened but not decoded."""

    def __init__(self, files: Sequence[str], labels: Sequence[int]) -> None:
        self.files, self.labels = files, labels

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        check_regular(self.files[index])
        return open_picture(self.files[index]), self.labels[index]


def unreadable(files: Sequence[str], place: Path) -> Callable[[int, Exception], SkipSample]:
    """For `PictureDataset.part`: a picture that can't be read is left out, by its name below a folder."""

    return lambda index, error: skipped(os.path.relpath(files[index], place), error)


def unusual_counts(counts: tuple[int, int], published: tuple[int, int]) -> list[str]:
    """A note where the parts have not as many pictures as they were published with."""
    if counts == published:
        return []
    told = "{:,} and {:,}".format
    return [f"The parts have {told(*counts)} pictures, not the published {told(*published)}."]


def is_file(path: Path) -> bool:
    """Whether something is there that is no folder: where it can't be read, that is told as it is read."""
    return os.path.exists(path) and not os.path.isdir(path)


def pictures_in(folder: Path) -> tuple[list[str], list[str]]:
    """The pictures' files in a folder and its subfolders, and the others; hidden ones are in neither.

    Each in the order of folders and names.
    """
    found: tuple[list[str], list[str]] = [], []
    endings = tuple(readable_endings())
    for above, subfolders, names in os.walk(folder):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                found[not name.lower().endswith(endings)].append(os.path.join(above, name))
    for files in found:
        files.sort(key=lambda file: file.split(os.sep))
    return found


def _folders(root: Path, depth: int = DEPTH) -> Iterator[Path]:
    """Folders below a root that are not hidden: the nearest first, and not more than a person would look through."""
    level, left = [root], FOLDERS
    for _ in range(depth):
        below: list[Path] = []
        for folder in level:
            try:
                with os.scandir(folder) as entries:
                    inside = sorted(Path(e) for e in islice(entries, ENTRIES) if e.is_dir() and e.name[0] != ".")
            except OSError:  # not there, or not to be read
                continue
            below += inside
        level = below[:left]
        left -= len(level)
        yield from level


def plain(name: str) -> str:
    """A name without capitals, hyphens and the like: "Fashion-MNIST" as "fashionmnist"."""
    return "".join(filter(str.isalnum, name.lower()))


def file_name(text: str) -> str:
    """The same. ValueError: it is no name of a file in a folder, but leads elsewhere."""
    if not text or text != os.path.basename(text) or text in (".", ".."):
        raise ValueError(f"{text!r} is no name of a picture")
    return text
