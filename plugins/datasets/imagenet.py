"""ImageNet's thousand classes, as folders of pictures."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from gan_bench import Dataset, Field, Parts, hookimpl
from gan_bench.errors import GanBenchError, did_you_mean

from ._pictures import Size, size_field
from ._published import NO_PICTURE, PictureFiles, PublishedDataset, is_file, pictures_in, unreadable, unusual_counts

WNID = "^n[0-9]{8}$"
PUBLISHED = 1_281_167, 50_000
SOLUTION, TRUTH = "LOC_val_solution.csv", "ILSVRC2012_validation_ground_truth.txt"


class ImageNet(PublishedDataset):
    """Photographs in a thousand classes, 1,281,167 and 50,000 of many sizes (Russakovsky et al. 2015).

    The folders `train` and `val` hold a folder a class, called by its WordNet id; or `val` holds the pictures themselves, and
    Kaggle's LOC_val_solution.csv, or the development kit with its ground truth, lies there or up to three folders above.
    """

    name = "imagenet"
    homes = ("ILSVRC/Data/CLS-LOC",)  # Kaggle's
    required = ("train/", "val/")
    origin = (
        "unpack ILSVRC2012_img_train.tar in train, each class in a folder called by its WordNet id (n01440764), "
        "and ILSVRC2012_img_val.tar in val"
    )
    instead = dict.fromkeys(
        ("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar", "imagenet-object-localization-challenge.zip"),
        "is still packed: unpack it, so that train has a folder a class (n01440764, ...) and val lies beside train",
    )

    size: Size = size_field(64)
    wnids: tuple[Annotated[str, Field(pattern=WNID)], ...] | None = Field(
        None,
        min_length=1,
        description="WordNet ids of the classes, in the order of their labels (default: all there are)",
    )

    def find(self, folder: Path, name: str) -> Path | None:
        found = super().find(folder, name)
        return found if found and (name == "val/" or _classes(found)) else None

    def listed(self, place: Path) -> Iterable[Path]:
        for training in (True, False):
            yield from map(Path, self._pictures(place, training)[0].files)
        yield from filter(None, (_above(place, name) for name in (SOLUTION, "LOC_synset_mapping.txt")))

    def classes(self) -> tuple[str, ...]:
        """The first name that LOC_synset_mapping.txt has for each, with the id where two are called so; else the id."""
        place = self.place()
        names = dict.fromkeys(self._wnids(place), "")
        if mapping := _above(place, "LOC_synset_mapping.txt"):
            for line in mapping.read_text(encoding="utf-8", errors="replace").splitlines():
                wnid, _, words = line.partition(" ")
                if wnid in names:
                    names[wnid] = words.partition(",")[0].strip()
        times = Counter(names.values())
        return tuple(
            name if name and times[name] == 1 else f"{name} ({wnid})" if name else wnid for wnid, name in names.items()
        )

    def load(self) -> Parts:
        place = self.place()
        sources = [self._pictures(place, training) for training in (True, False)]
        training, held_out = [self.part(source, unreadable(source.files, place)) for source, _ in sources]
        left_out = {NO_PICTURE: [*sources[0][1], *sources[1][1]]}
        there = _classes(place / "train")
        if self.wnids:
            notes = [f"{len(self.wnids):,} of {len(there):,} classes are used."]
        else:
            notes = unusual_counts((len(training), len(held_out)), PUBLISHED)
        if alone := set(_classes(place / "val")).difference(there):
            notes.append(f"{len(alone):,} classes have a folder in val and none in train: they are not read.")
        return Parts(training, held_out, notes=notes, left_out=left_out, treatment=self.treatment)

    def _wnids(self, place: Path) -> list[str]:
        """The classes, in the order of their labels. GanBenchError: one isn't there."""
        there = _classes(place / "train")
        for wnid in self.wnids or ():
            if wnid not in there:
                cure = did_you_mean(wnid, there) if len(there) < 10 else ""
                raise GanBenchError(f"dataset imagenet: {place / 'train'} has no folder {wnid}. {cure}".rstrip())
        return list(self.wnids or there)

    def _pictures(self, place: Path, training: bool) -> tuple[PictureFiles, list[str]]:
        """The pictures of a part with their labels, and what is no picture."""
        folder = place / ("train" if training else "val")
        wnids = self._wnids(place)
        if training or _classes(folder):
            piles = [pictures_in(folder / wnid) for wnid in wnids]
            found = [(file, label) for label, (files, _) in enumerate(piles) for file in files]
            others = [file for _, pile in piles for file in pile]
        else:
            label_of = {wnid: label for label, wnid in enumerate(wnids)}
            truth = self._truth(place)
            files, others = pictures_in(folder)
            if unknown := [file for file in files if _number(file) not in truth]:
                raise GanBenchError(
                    f"dataset imagenet: no list says which class {unknown[0]} is of ({len(unknown)} such). Delete such files, "
                    "or call them as they were published (ILSVRC2012_val_00000001.JPEG)"
                )
            wnid_of = {file: truth[_number(file)] for file in files}
            found = [(file, label_of[wnid]) for file, wnid in wnid_of.items() if wnid in label_of]
        return PictureFiles([file for file, _ in found], [label for _, label in found]), others

    def _truth(self, place: Path) -> dict[int, str]:
        """The classes of validation pictures by their numbers. GanBenchError: no list tells them, or it is damaged."""
        try:
            if solution := _above(place, SOLUTION):
                with solution.open(encoding="utf-8-sig", newline="") as opened:
                    rows = list(csv.reader(opened))[1:]  # ILSVRC2012_val_00048981,n03995372 85 1 499 272 ...
                return {_number(row[0]): row[1].split()[0] for row in rows}
            if truth := _above(place, TRUTH, "ILSVRC2012_devkit_t12/data", "devkit/data", "data"):
                wnids = _wnids_by_number(truth.with_name("meta.mat"))
                return {n: wnids[int(line)] for n, line in enumerate(truth.read_text().split(), 1)}
        except Exception as error:  # a damaged file makes scipy raise nearly anything
            raise GanBenchError(
                f"dataset imagenet: the classes of the validation pictures can't be read ({type(error).__name__}: {error}). "
                f"Place an undamaged {SOLUTION} beside train and val"
            ) from error
        raise GanBenchError(
            f"dataset imagenet: {place / 'val'} has no folder a class, and nothing says which classes its pictures are of. "
            f"Place Kaggle's {SOLUTION} beside train and val, or unpack ILSVRC2012_devkit_t12.tar.gz there"
        )


def _classes(folder: Path) -> list[str]:
    """WordNet ids of the classes that have a folder in a folder."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if re.fullmatch(WNID, entry.name) and entry.is_dir())


def _above(place: Path, name: str, *within: str) -> Path | None:
    """A file in a folder, in one of those within it, or so from up to three folders above."""
    place = place.absolute()
    paths = [up / inner / name for up in (place, *place.parents[:3]) for inner in ("", *within)]
    return next(filter(is_file, paths), None)


def _number(file: str) -> int:
    """12 of ILSVRC2012_val_00000012.JPEG; 0 of what is not called so."""
    found = re.search(r"ILSVRC2012_val_(\d{8})(\.\w+)?$", file)
    return int(found[1]) if found else 0


def _wnids_by_number(meta: Path) -> dict[int, str]:
    """WordNet ids by the development kit's own numbers, 1 to 1000."""
    from scipy.io import loadmat

    return {int(row[0]): str(row[1]) for row in loadmat(meta, squeeze_me=True)["synsets"]}


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [ImageNet]
