"""Any folder of pictures."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from gan_bench import Dataset, Field, SkipSample, Undivided, hookimpl
from gan_bench.errors import GanBenchError
from gan_bench.files import check_regular

from ._formats import open_picture, readable_endings
from ._pictures import PictureDataset, Size, expanded, size_field

if TYPE_CHECKING:
    from PIL import Image


class PictureFolder(PictureDataset):
    """Any folder of pictures, searched with its subfolders.

    Where all pictures lie in two or more subfolders, these are the classes; otherwise there are none. Pictures that
    can't be read are left out with a warning.
    """

    name = "folder"
    root: Path = Field(description="the folder")
    size: Size = size_field(64)
    held_out: float = Field(0.1, gt=0, lt=1, description="fraction held out; copies of a picture stay in one part")

    def files(self) -> list[Path]:
        return [Path(file) for file in self._found()]

    def _found(self) -> list[str]:
        """The pictures' files, in the order of their folders and names. (Text: paths take ten times as long to sort.)"""
        root = str(expanded(self.root).absolute())
        if not os.path.isdir(root):
            raise GanBenchError(
                f"dataset folder: there is no folder {root}. Give `root` the folder that holds the pictures"
            )
        endings = readable_endings()
        found: list[str] = []
        seen: set[str] = set()
        for folder, subfolders, names in os.walk(root, followlinks=True):
            if (real := os.path.realpath(folder)) in seen:
                subfolders.clear()  # a link that leads in circles
                continue
            seen.add(real)
            # Hidden files are no pictures: macOS puts ._cat.jpg beside cat.jpg.
            subfolders[:] = [name for name in subfolders if not name.startswith(".")]
            names = [name for name in names if not name.startswith(".")]
            found += [os.path.join(folder, name) for name in names if os.path.splitext(name)[1].lower() in endings]
        if not found:
            known = " ".join(sorted(endings))
            raise GanBenchError(f"dataset folder: {root} holds no pictures (names that end in {known})")
        return sorted(found, key=lambda file: file.split(os.sep))

    def classes(self) -> tuple[str, ...] | None:
        return _classes(_names(self._found()))[0]

    def load(self) -> Undivided:
        files = self._found()
        names = _names(files)
        _, labels = _classes(names)

        def failure(index: int, error: Exception) -> SkipSample:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            return SkipSample(f"{_readable(names[index])}: {reason}")

        return Undivided(self.part(_Pictures(files, labels), failure), self.held_out, treatment=self.treatment)


class _Pictures:
    """Pictures by index, opened but not decoded, with labels."""

    def __init__(self, files: list[str], labels: list[int]) -> None:
        self.files, self.labels = files, labels

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        check_regular(self.files[index])
        return open_picture(self.files[index]), self.labels[index]


def _names(files: list[str]) -> list[str]:
    """The files' paths below their common folder."""
    base = os.path.join(os.path.commonpath({os.path.dirname(file) for file in files}), "")
    return [file.removeprefix(base) for file in files]


def _classes(names: list[str]) -> tuple[tuple[str, ...] | None, list[int]]:
    """The first folder of each path, if all have one, and the class of each file; else None and -1."""
    folders = [name.partition(os.sep)[0] for name in names]
    if not all(os.sep in name for name in names):
        return None, [-1] * len(names)
    number = {folder: index for index, folder in enumerate(sorted(set(folders)))}
    return tuple(map(_readable, number)), [number[folder] for folder in folders]


def _readable(name: str) -> str:
    """A file's name, in which bytes that are no text are replaced."""
    return os.fsencode(name).decode("utf-8", "replace")


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [PictureFolder]
