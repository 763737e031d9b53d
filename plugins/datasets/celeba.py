"""CelebFaces Attributes."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from gan_bench import Dataset, Field, hookimpl
from gan_bench.errors import GanBenchError, did_you_mean

from ._pictures import Size, size_field
from ._published import PictureFiles, file_name
from ._torchvision import TorchvisionDataset

PARTITION, ATTRIBUTES = "list_eval_partition.txt", "list_attr_celeba.txt"
PICTURES = "img_align_celeba/"


class CelebA(TorchvisionDataset):
    """Faces of celebrities, 162,770 and 19,962, aligned; the middle square of 178x218 (Liu et al. 2015).

    The lists are the published ones, or Kaggle's in CSV, whose pictures lie in img_align_celeba/img_align_celeba.
    """

    name = "celeba"
    homes = ("celeba",)
    required = (PARTITION, PICTURES)
    origin = (
        "place CelebA's lists (.txt, or .csv as Kaggle has them) there, and unpack img_align_celeba.zip beside them"
    )
    instead = {
        "img_align_celeba.zip": "is still packed: unpack it where it lies, with the lists beside it",
        "img_align_celeba_png.7z": "holds PNG files: the JPEG files of img_align_celeba.zip are needed",
        "img_celeba.7z": "holds whole photographs: the aligned ones of img_align_celeba.zip are needed",
        "archive.zip": "is still packed: unpack it where it lies",
        "celeba-dataset.zip": "is still packed: unpack it where it lies",
    }

    size: Size = size_field(64)
    attribute: str | None = Field(None, description="one of CelebA's 40 attributes as the label: Smiling, Male, ...")

    def wanted(self) -> tuple[str, ...]:
        return (*self.required, ATTRIBUTES) if self.attribute else self.required

    def classes(self) -> tuple[str, ...] | None:
        return (f"not {self.attribute}", self.attribute) if self.attribute else None

    def published(self) -> tuple[int, int]:
        return 162_770, 19_962

    def find(self, folder: Path, name: str) -> Path | None:
        found = super().find(folder, name)
        if name == PICTURES:
            return found and (super().find(found, PICTURES) or found)
        return found or super().find(folder, name.replace(".txt", ".csv"))

    def fetch(self, root: Path) -> None:
        from torchvision.datasets import CelebA as Source

        Source(root, download=True)

    def source(self, place: Path, training: bool) -> PictureFiles:
        part = self._partition(place)["0" if training else "2"]
        folder = self.located(place, PICTURES)
        files = [os.path.join(folder, name) for name in part]
        if self.attribute is None:
            return PictureFiles(files, [-1] * len(files))
        labels = self._labels(place)
        if unknown := [name for name in part if name not in labels]:
            raise self._damaged(ValueError(f"it lacks {unknown[0]}"), [self.located(place, ATTRIBUTES)])
        return PictureFiles(files, [labels[name] for name in part])

    def in_neither(self, place: Path) -> dict[str, Sequence[str]]:
        parts = self._partition(place)
        return {"of the validation part": parts["1"], "that are in the list and not there": parts[""]}

    def _partition(self, place: Path) -> dict[str, list[str]]:
        """The pictures' names by their part: 0 for training, 1 for validation, 2 for test; "" if they aren't there."""
        there = set(os.listdir(self.located(place, PICTURES)))
        parts: dict[str, list[str]] = {"0": [], "1": [], "2": [], "": []}
        with self.reading(self.located(place, PARTITION)):
            for name, part in self._rows(place, PARTITION):
                if name == "image_id":
                    continue
                if part not in ("0", "1", "2"):
                    raise ValueError(f"{name} is in a part {part!r}, which is none of 0, 1 and 2")
                parts[part if file_name(name) in there else ""].append(name)
        return parts

    def _labels(self, place: Path) -> dict[str, int]:
        """0 or 1 for a picture that lacks or has the attribute, by its name."""
        with self.reading(self.located(place, ATTRIBUTES)):
            # Published lists begin with their length.
            rows = [row for row in self._rows(place, ATTRIBUTES) if len(row) > 1]
            head = rows[0][1:] if rows[0][0] == "image_id" else rows[0]
            if self.attribute not in head:
                cure = did_you_mean(str(self.attribute), head)
                raise GanBenchError(f"dataset celeba: there is no attribute {self.attribute!r}. {cure}")
            column = 1 + head.index(self.attribute)
            return {row[0]: ("-1", "1").index(row[column]) for row in rows[1:]}

    def _rows(self, place: Path, name: str) -> list[list[str]]:
        """The words of each line of a list. ValueError: it is not the published one."""
        file = self.located(place, name)
        content = file.read_bytes()
        lines = content.decode("utf-8-sig").splitlines()
        if file.suffix == ".csv":
            return list(csv.reader(lines))
        from torchvision.datasets import CelebA as Source

        if hashlib.md5(content).hexdigest() != {known: md5 for _, md5, known in Source.file_list}[name]:
            raise ValueError("its MD5 sum is not the published one")
        return [line.split() for line in lines if line.strip()]


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [CelebA]
