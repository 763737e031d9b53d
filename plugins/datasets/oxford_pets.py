"""The cats and dogs of the Oxford-IIIT Pet dataset."""

from __future__ import annotations

from pathlib import Path

from gan_bench import Dataset, hookimpl

from ._pictures import Size, size_field
from ._published import PictureFiles, file_name
from ._torchvision import TorchvisionDataset


class OxfordPets(TorchvisionDataset):
    """Photographs of cats and dogs, 3,680 and 3,669 of many sizes (Parkhi et al. 2012)."""

    name = "oxford_pets"
    homes = ("oxford-iiit-pet",)
    required = ("annotations/trainval.txt", "annotations/test.txt", "images/")
    origin = "unpack images.tar.gz and annotations.tar.gz in oxford-iiit-pet there"
    instead = dict.fromkeys(("images.tar.gz", "annotations.tar.gz"), "is still packed: unpack it where it lies")

    size: Size = size_field(64)

    def classes(self) -> tuple[str, ...]:
        return ("cat", "dog")

    def published(self) -> tuple[int, int]:
        return 3_680, 3_669

    def fetch(self, root: Path) -> None:
        from torchvision.datasets import OxfordIIITPet

        OxfordIIITPet(root, download=True)

    def source(self, place: Path, training: bool) -> PictureFiles:
        """By a list with a line a picture: its name, breed, species (1: cat, 2: dog), breed of the species."""
        listed = place / "annotations" / ("trainval.txt" if training else "test.txt")
        files, labels = [], []
        with self.reading(listed):
            for line in listed.read_text(encoding="utf-8").splitlines():
                picture, _, species, _ = line.split()
                files.append(str(place / "images" / file_name(f"{picture}.jpg")))
                labels.append(("1", "2").index(species))
        return PictureFiles(files, labels)


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [OxfordPets]
