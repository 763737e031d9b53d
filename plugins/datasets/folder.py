"""Any folder of pictures."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gan_bench import Dataset, Field, Parts, SkipSample, Undivided, hookimpl
from gan_bench.errors import GanBenchError

from ._files import ENDINGS, Files, FolderFiles
from ._layout import Layout, Split, layout, shown
from ._pictures import PictureDataset, PicturePart, Root, expanded, size_field

if TYPE_CHECKING:
    from PIL import Image

FORMATS = (
    "AVIF",
    "BMP",
    "GIF",
    "JPEG",
    "PNG",
    "PPM",
    "TIFF",
    "WEBP",
)  # Pillow knows others, some of which start programs


def files_of(root: Path) -> Files:
    """The files of whatever lies at `root`. GanBenchError: it can't be read."""
    return FolderFiles(expanded(root))


class PictureFolder(PictureDataset):
    """Any folder of pictures, searched with its subfolders; the centre square of each.

    Folders that are called `train`, `val` or `test` are its parts, other folders beside each other its classes, where all
    pictures but a few lie in them. Pictures that can't be read are left out with a warning.
    """

    name = "folder"
    root: Root = Field(description="the folder")
    size: int = size_field(64)
    held_out: float = Field(
        0.1, gt=0, lt=1, description="fraction held out, where no folder is; copies of a picture stay in one part"
    )
    split: Literal["auto", "random"] | Split = Field(
        "auto",
        description='which folders are the parts: "auto" (by their names), "random" (none), or a table '
        'such as { training = "train", held_out = "test" }',
    )
    labels: Literal["auto", "folders", "none"] = Field(
        "auto", description='what gives the classes: "folders", "none", or "auto" (folders, if nearly all pictures lie in them)'
    )

    def files(self) -> list[Path]:
        return self._look(anew=True)[0].paths()

    def classes(self) -> tuple[str, ...] | None:
        return self._look()[1].classes

    def load(self) -> Parts | Undivided:
        files, found = self._look()
        told = {"left_out": _told(files.left_out | found.left_out), "notes": found.notes}
        training, held_out = (
            None if part is None else self._pictures(files, part, found.labels) for part in found.parts.values()
        )
        assert training
        if held_out is None:
            return Undivided(training, self.held_out, **told)
        return Parts(training, held_out, **told)

    def _pictures(self, files: Files, chosen: list[int], labels: list[int]) -> PicturePart:
        names = [files.names[index] for index in chosen]

        def failure(index: int, error: Exception) -> SkipSample:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            return SkipSample(f"{shown(names[index])}: {reason}")

        return self.part(_Pictures(files, names, [labels[index] for index in chosen]), failure)

    def _look(self, anew: bool = False) -> tuple[Files, Layout]:
        """The files and what they were found to be, as the last call of `files` saw them."""
        key = self.root, self.split, self.labels
        if anew or key not in _LAST:
            with self._told():
                files = files_of(self.root)
                if not files.names:
                    raise GanBenchError(f"{self.root} holds no pictures (names that end in {' '.join(sorted(ENDINGS))})")
                found = files, layout(files.names, self.split, self.labels)
            _LAST.clear()
            _LAST[key] = found
        return _LAST[key]

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except GanBenchError as error:
            raise GanBenchError(f"dataset {self.name}: {error}") from error


_LAST: dict[tuple[Path, str | Split, str], tuple[Files, Layout]] = {}


class _Pictures:
    """Pictures by index, opened but not decoded, with labels."""

    def __init__(self, files: Files, names: list[str], labels: list[int]) -> None:
        self.files, self.names, self.labels = files, names, labels

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        from PIL import Image

        return Image.open(io.BytesIO(self.files.read(self.names[index])), formats=FORMATS), self.labels[index]


def _told(left_out: dict[str, list[str]]) -> dict[str, list[str]]:
    return {reason: list(map(shown, names)) for reason, names in left_out.items()}


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [PictureFolder]
