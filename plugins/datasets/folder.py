"""Any folder of pictures."""

from __future__ import annotations

import hashlib
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from gan_bench.errors import GanBenchError
from gan_bench.plugin import Dataset, Field, Parts, SkipSample, hookimpl

from ._pictures import PictureDataset, PicturePart, expanded, size_field

if TYPE_CHECKING:
    from PIL import Image

ENDINGS = {".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}


class PictureFolder(PictureDataset):
    """Any folder of pictures, searched with its subfolders; the centre square of each.

    Where all pictures lie in two or more subfolders, these are the classes; otherwise there are none. Pictures that
    can't be read are left out with a warning.
    """

    name = "folder"
    root: Path = Field(description="the folder")
    size: int = size_field(64)
    held_out: float = Field(0.1, gt=0, lt=1, description="fraction held out; copies of a picture stay in one part")

    def files(self) -> list[Path]:
        root = expanded(self.root).absolute()
        if not os.path.isdir(root):
            raise GanBenchError(
                f"dataset folder: there is no folder {root}. Give `root` the folder that holds the pictures"
            )
        found: list[Path] = []
        seen: set[str] = set()
        for folder, subfolders, names in os.walk(root, followlinks=True):
            if (real := os.path.realpath(folder)) in seen:
                subfolders.clear()  # a link that leads in circles
                continue
            seen.add(real)
            # Hidden files are no pictures: macOS puts ._cat.jpg beside cat.jpg.
            subfolders[:] = [name for name in subfolders if not name.startswith(".")]
            names = [name for name in names if not name.startswith(".")]
            found += [Path(folder, name) for name in names if Path(name).suffix.lower() in ENDINGS]
        if not found:
            endings = " ".join(sorted(ENDINGS))
            raise GanBenchError(f"dataset folder: {root} holds no pictures (names that end in {endings})")
        return sorted(found)

    def classes(self) -> tuple[str, ...] | None:
        return _classes(_names(self.files()))

    def load(self) -> Parts:
        files = self.files()
        names = _names(files)
        classes = _classes(names)
        labels = [-1 if classes is None else classes.index(name.parts[0]) for name in names]
        # By content, so that equal pictures stand in the same part, whatever their names.
        contents = [_content(file) for file in files]
        order = sorted(content for content in set(contents) if content)
        if len(order) < 2:
            raise GanBenchError(
                f"dataset folder: {self.root.absolute()} needs two different pictures at least, one to hold out"
            )
        held_out = set(order[: min(max(1, round(len(order) * self.held_out)), len(order) - 1)])

        def part(wanted: bool) -> PicturePart:
            chosen = [index for index, content in enumerate(contents) if (content in held_out) == wanted]

            def failure(index: int, error: Exception) -> SkipSample:
                reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
                return SkipSample(f"{names[chosen[index]]}: {reason}")

            pictures = _Pictures([files[index] for index in chosen], [labels[index] for index in chosen])
            return PicturePart(pictures, self.size, self.channels, failure)

        return Parts(part(False), part(True))


class _Pictures:
    """Pictures by index, opened but not decoded, with labels."""

    def __init__(self, files: list[Path], labels: list[int]) -> None:
        self.files, self.labels = files, labels

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        from PIL import Image

        with warnings.catch_warnings():
            # Pillow only warns of a picture that unpacks to more than 89 million pixels.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return Image.open(self.files[index]), self.labels[index]


def _content(file: Path) -> bytes | None:
    """A hash of the file's bytes; None: it can't be read, which is told of when it is decoded."""
    try:
        return hashlib.sha256(file.read_bytes()).digest()
    except OSError:
        return None


def _names(files: list[Path]) -> list[Path]:
    """The files' paths below their common folder."""
    base = os.path.commonpath([file.parent for file in files])
    return [file.relative_to(base) for file in files]


def _classes(names: list[Path]) -> tuple[str, ...] | None:
    """The first folder of each path, if all have one."""
    return tuple(sorted({name.parts[0] for name in names})) if all(len(name.parts) > 1 for name in names) else None


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [PictureFolder]
