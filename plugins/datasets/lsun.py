"""LSUN's scenes and objects, as folders of pictures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from gan_bench import Dataset, Field, Undivided, hookimpl
from gan_bench.errors import GanBenchError

from ._pictures import Size, size_field
from ._published import NO_PICTURE, PictureFiles, PublishedDataset, is_file, pictures_in, unreadable

Category = Annotated[str, Field(pattern="^[a-z]+(_[a-z]+)*$")]


class Lsun(PublishedDataset):
    """Photographs of a scene or object, three million bedrooms for example, of many sizes (Yu et al. 2015).

    The pictures that LSUN's database has for training are read from a folder CATEGORY_train, or CATEGORY, and its subfolders.
    A share of them is held out; the published validation part, which has 300 pictures a category, is not read.
    """

    name = "lsun"
    homes = ("data0/lsun",)  # so in Kaggle's sample of the bedrooms
    origin = (
        "place the pictures in a folder called so; LSUN's own database is exported by "
        "`python data.py export bedroom_train_lmdb --out_dir bedroom_train`, with data.py of github.com/fyu/lsun"
    )

    size: Size = size_field(64)
    categories: tuple[Category, ...] = Field(
        ("bedroom",), min_length=1, description="bedroom, church_outdoor, cat, ...; two or more are the classes"
    )
    held_out: float = Field(0.05, gt=0, lt=1, description="fraction held out; copies of a picture stay in one part")

    def wanted(self) -> tuple[str, ...]:
        return tuple(f"{category}_train/" for category in self.categories)

    def find(self, folder: Path, name: str) -> Path | None:
        places = [folder / name, folder / name.replace("_train/", "/")]
        return next((place for place in places if place.is_dir() and not is_file(place / "data.mdb")), None)

    def stand_ins(self) -> dict[str, str]:
        endings = ("_train_lmdb", "_train_lmdb.zip", "_train/data.mdb", "/data.mdb", ".zip")
        names = [category + ending for category in self.categories for ending in endings]
        return dict.fromkeys(
            [*names, "data.mdb"], f"is LSUN's database, of which the pictures are needed: {self.origin}"
        )

    def listed(self, place: Path) -> Iterable[Path]:
        return (Path(file) for file in self._pictures(place)[0].files)

    def classes(self) -> tuple[str, ...] | None:
        return tuple(name.replace("_", " ") for name in self.categories) if len(self.categories) > 1 else None

    def load(self) -> Undivided:
        place = self.place()
        source, others = self._pictures(place)
        notes = ["LSUN's validation part is not read: a share of the training pictures is held out."]
        part = self.part(source, unreadable(source.files, place))
        return Undivided(part, self.held_out, notes=notes, left_out={NO_PICTURE: others}, treatment=self.treatment)

    def _pictures(self, place: Path) -> tuple[PictureFiles, list[str]]:
        """The pictures with their labels, and what is no picture."""
        found, labels, left_out = [], [], []
        for label, name in enumerate(self.wanted()):
            folder = self.located(place, name)
            files, others = pictures_in(folder)
            if not files:
                raise GanBenchError(
                    f"dataset lsun: {folder} holds no pictures. {self.origin[0].upper()}{self.origin[1:]}"
                )
            found += files
            labels += [label if len(self.categories) > 1 else -1] * len(files)
            left_out += others
        return PictureFiles(found, labels), left_out


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [Lsun]
