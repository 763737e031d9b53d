"""Any folder of pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gan_bench import Dataset, Field, Parts, Reading, Undivided, hookimpl
from gan_bench.errors import GanBenchError

from ._array_pictures import ASKED
from ._files import shown
from ._pictures import PictureDataset, PicturePart, Root, Size, expanded, size_field, skipped
from ._sources import take
from ._split import SplitSetting
from ._taken import Source, Taken


class PictureFolder(PictureDataset):
    """Any folder of pictures, searched with its subfolders, or a file that holds pictures.

    Folders that are called `train`, `val` or `test` are its parts, other folders beside each other its classes, where all
    pictures but a few lie in them. Pictures that can't be read are left out with a warning.
    """

    name = "folder"
    root: Root = Field(description="the folder, or a .zip, .tar, .npz, .npy, .pt, .csv or .parquet file")
    size: Size = size_field(64)
    held_out: float = Field(
        0.1, gt=0, lt=1, description="fraction held out, where no folder is; copies of a picture stay in one part"
    )
    split: SplitSetting = Field(
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

    def settings(self) -> dict[str, Any]:
        """As `PictureDataset.settings`, without those that were no parameters in stores from before, where they are "auto"."""
        said = super().settings()
        return {name: value for name, value in said.items() if name not in ("split", "labels") or value != "auto"}

    def files(self) -> Sequence[str | Path]:
        found = _take(self)
        _SEEN.clear()
        _SEEN[self._asked()] = found
        return found.paths

    def classes(self) -> tuple[str, ...] | None:
        return self._seen().classes

    def left_out(self) -> dict[str, list[str]]:
        return {reason: list(map(shown, names)) for reason, names in self._seen().left_out.items()}

    def load(self) -> Parts | Undivided:
        found = self._seen()
        _SEEN.clear()  # what is unpacked for its pictures goes with them
        with _told(self):
            notes = found.notes + found.looked()
        training = self._pictures(found.training)
        if found.held_out is None:
            return Undivided(training, self.held_out, notes=notes, treatment=self.treatment)
        if self.held_out != type(self).model_fields["held_out"].default:
            notes.append(f"held_out = {self.held_out:g} says nothing here, where a part of the data is held out.")
        return Parts(training, self._pictures(found.held_out), notes=notes, treatment=self.treatment)

    def check_reading(self, reading: Reading) -> None:
        if not any(ASKED in note for note in reading.notes):  # of arrays, whose pictures are deep no more
            super().check_reading(reading)

    def _pictures(self, source: Source) -> PicturePart:
        def failure(index: int, error: Exception) -> Exception:
            if isinstance(error, GanBenchError):  # of the file as a whole
                return GanBenchError(f"dataset {self.name}: {error}")
            return skipped(source.name(index), error)

        return self.part(source, failure)

    def _asked(self) -> str:
        return self.model_dump_json(include={"root", "split", "labels", "value_range"})

    def _seen(self) -> Taken:
        """What the last call of `files` saw, if no other dataset was asked since."""
        return _SEEN.get(self._asked()) or _take(self)


# A large folder takes seconds to search. The core asks for its files, then its classes, then its samples: all of one search.
_SEEN: dict[str, Taken] = {}


def _take(dataset: PictureFolder) -> Taken:
    """What lies at a dataset's root, and what it was found to be."""
    with _told(dataset):
        return take(expanded(dataset.root), dataset.split, dataset.labels, dataset.value_range)


@contextmanager
def _told(dataset: PictureFolder) -> Iterator[None]:
    try:
        yield
    except GanBenchError as error:
        error.args = (f"dataset {dataset.name}: {error}",)
        raise


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [PictureFolder]
