"""The cats and dogs of the Oxford-IIIT Pet dataset."""

from __future__ import annotations

from typing import Any

from gan_bench import Dataset, hookimpl

from ._pictures import Size, size_field
from ._torchvision import TorchvisionDataset

FOLDER = "oxford-iiit-pet"


class OxfordPets(TorchvisionDataset):
    """Photographs of cats and dogs, 3,680 and 3,669 of many sizes (Parkhi et al. 2012)."""

    name = "oxford_pets"
    required = (f"{FOLDER}/annotations/trainval.txt", f"{FOLDER}/annotations/test.txt", f"{FOLDER}/images")
    origin = f"unpack images.tar.gz and annotations.tar.gz in {FOLDER} there"

    size: Size = size_field(64)

    def classes(self) -> tuple[str, ...]:
        return ("cat", "dog")

    def source(self, training: bool, download: bool = False) -> Any:
        from torchvision.datasets import OxfordIIITPet

        split = "trainval" if training else "test"
        return OxfordIIITPet(self.folder(), split=split, target_types="binary-category", download=download)

    def picture(self, source: Any, index: int) -> str:
        return str(source._images[index])  # torchvision tells the names nowhere else


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [OxfordPets]
