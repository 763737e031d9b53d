"""Street View House Numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gan_bench import Dataset, hookimpl

from ._torchvision import TorchvisionDataset


class Svhn(TorchvisionDataset):
    """Photographs of house numbers' digits, 73,257 and 26,032 of 32x32 (Netzer et al. 2011)."""

    name = "svhn"
    required = ("train_32x32.mat", "test_32x32.mat")
    origin = "place these files there"
    instead = {
        **dict.fromkeys(
            ("train.tar.gz", "test.tar.gz", "digitStruct.mat", "train/digitStruct.mat"),
            "is of SVHN's format 1, whole photographs: format 2 is needed, train_32x32.mat and test_32x32.mat",
        ),
        "extra_32x32.mat": "is SVHN's extra part, which is not read: train_32x32.mat and test_32x32.mat are needed",
    }

    def classes(self) -> tuple[str, ...]:
        return tuple("0123456789")

    def published(self) -> tuple[int, int]:
        return 73_257, 26_032

    def fetch(self, root: Path) -> None:
        from torchvision.datasets import SVHN

        for split in ("train", "test"):
            SVHN(root, split=split, download=True)

    def source(self, place: Path, training: bool) -> Any:
        from torchvision.datasets import SVHN

        split = "train" if training else "test"
        with self.reading(place / f"{split}_32x32.mat"):
            return SVHN(place, split=split)


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [Svhn]
