"""Any folder of pictures."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_bench import Dataset, Field, Parts, SkipSample, Undivided, hookimpl
from gan_bench.errors import GanBenchError

from ._files import SOURCES, Files, FolderFiles, shown
from ._formats import open_picture, readable_endings
from ._layout import Labels, Layout, layout
from ._pictures import PictureDataset, PicturePart, Root, Size, expanded, size_field
from ._split import SplitSetting

if TYPE_CHECKING:
    from PIL import Image


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
    size: Size = size_field(64)
    held_out: float = Field(
        0.1, gt=0, lt=1, description="fraction held out, where no folder is; copies of a picture stay in one part"
    )
    split: SplitSetting = Field(
        "auto",
        description='which folders are the parts: "auto" (by their names), "random" (none), or a table '
        'such as { training = "train", held_out = "test" }',
    )
    labels: Labels = Field(
        "auto",
        description='what gives the classes: "folders", "none", or "auto" (folders, if nearly all pictures lie in them)',
    )

    def files(self) -> list[Path]:
        files, found = _look(self)
        _SEEN.clear()
        _SEEN[self._asked()] = files, found
        return files.paths()

    def classes(self) -> tuple[str, ...] | None:
        return self._seen()[1].classes

    def left_out(self) -> dict[str, list[str]]:
        files, found = self._seen()
        return {reason: list(map(shown, names)) for reason, names in (files.left_out | found.left_out).items()}

    def load(self) -> Parts | Undivided:
        files, found = self._seen()
        _SEEN.clear()
        told: dict[str, Any] = {"notes": list(found.notes), "treatment": self.treatment}
        training, held_out = found.parts["training"], found.parts["held_out"]
        assert training is not None
        samples = self._pictures(files, training, found.labels)
        if held_out is None:
            return Undivided(samples, self.held_out, **told)
        if self.held_out != type(self).model_fields["held_out"].default:
            told["notes"].append(f"held_out = {self.held_out:g} says nothing here, where folders are held out.")
        return Parts(samples, self._pictures(files, held_out, found.labels), **told)

    def _pictures(self, files: Files, chosen: list[int], labels: list[int]) -> PicturePart:
        names = [files.names[index] for index in chosen]

        def failure(index: int, error: Exception) -> SkipSample:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            return SkipSample(f"{shown(names[index])}: {reason}")

        return self.part(_Pictures(files, names, [labels[index] for index in chosen]), failure)

    def _asked(self) -> tuple[Any, ...]:
        return type(self), self.root, self.split, self.labels

    def _seen(self) -> tuple[Files, Layout]:
        """What the last call of `files` saw, if no other dataset was asked since."""
        return _SEEN.get(self._asked()) or _look(self)


# A large folder takes seconds to search. The core asks for its files, then its classes, then its samples: all of one search.
_SEEN: dict[tuple[Any, ...], tuple[Files, Layout]] = {}


def _look(dataset: PictureFolder) -> tuple[Files, Layout]:
    """What lies at a dataset's root, and what it was found to be."""
    try:
        files = files_of(dataset.root)
        if not files.names:
            raise GanBenchError(f"{shown(str(expanded(dataset.root)))} holds no pictures{_instead(dataset, files)}")
        return files, layout(files.names, dataset.split, dataset.labels)
    except GanBenchError as error:
        error.args = (f"dataset {dataset.name}: {error}",)
        raise


def _instead(dataset: PictureFolder, files: Files) -> str:
    """What a source without pictures holds, and the cure."""
    names = [name for left_out in files.left_out.values() for name in left_out]
    if source := next((name for name in sorted(names) if name.lower().endswith(SOURCES)), None):
        return f', but {shown(source)}. Give that file itself: root = "{shown(str(dataset.root / source))}"'
    told = "; ".join(f"{len(names)} {reason}, such as {shown(names[0])}" for reason, names in files.left_out.items())
    endings = f" (names that end in {' '.join(sorted(readable_endings()))})"
    return f"{endings}. Left out: {told}" if told else endings


class _Pictures:
    """Pictures by index, opened but not decoded, with labels."""

    def __init__(self, files: Files, names: list[str], labels: list[int]) -> None:
        self.files, self.names, self.labels = files, names, labels

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        name = self.names[index]
        return open_picture(io.BytesIO(self.files.read(name)), name), self.labels[index]


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [PictureFolder]
