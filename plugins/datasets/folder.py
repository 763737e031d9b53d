"""Any folder of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from gan_bench import Dataset, Field, Parts, SkipSample, Undivided, hookimpl
from gan_bench.errors import GanBenchError

from ._layout import Split, shown
from ._pictures import PictureDataset, PicturePart, Root, expanded, size_field
from ._sources import take
from ._taken import Source, Taken

class PictureFolder(PictureDataset):
    """Any folder of pictures, searched with its subfolders, or a file that holds pictures; the centre square of each.

    Folders that are called `train`, `val` or `test` are its parts, other folders beside each other its classes, where all
    pictures but a few lie in them. Pictures that can't be read are left out with a warning.
    """

    name = "folder"
    root: Root = Field(description="the folder, or a .zip, .tar, .npz, .npy, .pt or .parquet file")
    size: int = size_field(64)
    held_out: float = Field(
        0.1, gt=0, lt=1, description="fraction held out, where no folder is; copies of a picture stay in one part"
    )
    split: Literal["auto", "random"] | Split = Field(
        "auto",
        description='which folders are the parts: "auto" (by their names), "random" (none), or a table '
        'such as { training = "train", held_out = "test" }',
    )
    labels: str = Field(
        "auto",
        min_length=1,
        description='what gives the classes: "folders", "none", "auto" (folders, if nearly all pictures lie in them), a list '
        'such as "labels.csv" or "labels.csv:breed", or an array\'s or column\'s name',
    )

    def files(self) -> list[Path]:
        return self._take(anew=True).paths

    def classes(self) -> tuple[str, ...] | None:
        return self._take().classes

    def load(self) -> Parts | Undivided:
        found = self._take()
        _LAST.clear()  # so that what is unpacked for these pictures goes with them
        with self._told():
            notes = found.notes + found.looked()
        told = {"left_out": _told(found.left_out), "notes": notes}
        training = self._pictures(found.training)
        if found.held_out is None:
            return Undivided(training, self.held_out, **told)
        return Parts(training, self._pictures(found.held_out), **told)

    def _pictures(self, source: Source) -> PicturePart:
        def failure(index: int, error: Exception) -> Exception:
            if isinstance(error, GanBenchError):  # of the file as a whole
                return GanBenchError(f"dataset {self.name}: {error}")
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            return SkipSample(f"{source.name(index)}: {reason}")

        return self.part(source, failure)

    def _take(self, anew: bool = False) -> Taken:
        """The source as the settings say to take it, as the last call of `files` saw it."""
        key = self.root, self.split, self.labels
        if anew or key not in _LAST:
            with self._told():
                found = take(expanded(self.root), self.split, self.labels, getattr(self, "value_range", None))
            _LAST.clear()
            _LAST[key] = found
        return _LAST[key]

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except GanBenchError as error:
            raise GanBenchError(f"dataset {self.name}: {error}") from error


_LAST: dict[tuple[Path, str | Split, str], Taken] = {}


def _told(left_out: dict[str, list[str]]) -> dict[str, list[str]]:
    return {reason: list(map(shown, names)) for reason, names in left_out.items()}


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [PictureFolder]
