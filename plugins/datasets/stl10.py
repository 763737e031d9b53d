"""STL-10."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gan_bench import Dataset, Field, hookimpl

from ._pictures import Size, size_field
from ._published import PixelArrays
from ._torchvision import TorchvisionDataset

LABELLED = ("train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin")


class Stl10(TorchvisionDataset):
    """Photographs from ImageNet of animals and vehicles, 5,000 and 8,000 of 96x96 (Coates et al. 2011)."""

    name = "stl10"
    homes = ("stl10_binary",)
    required = LABELLED
    origin = "unpack stl10_binary.tar.gz there"
    instead = {
        "stl10_binary.tar.gz": "is still packed: unpack it there",
        **dict.fromkeys(
            ("stl10_matlab", "stl10_matlab.tar.gz", "train.mat"),
            "is STL-10's Matlab version: the binary version is needed, stl10_binary.tar.gz",
        ),
    }

    size: Size = size_field(48)  # as in Miyato et al. 2018
    unlabeled: bool = Field(
        False, description="train on the 100,000 pictures without labels; there are no classes then"
    )

    def wanted(self) -> tuple[str, ...]:
        return ("unlabeled_X.bin", *LABELLED[2:]) if self.unlabeled else LABELLED

    def classes(self) -> tuple[str, ...] | None:
        if self.unlabeled:
            return None
        return ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")

    def published(self) -> tuple[int, int]:
        return 100_000 if self.unlabeled else 5_000, 8_000

    def fetch(self, root: Path) -> None:
        from torchvision.datasets import STL10

        STL10(root, download=True)

    def source(self, place: Path, training: bool) -> PixelArrays:
        part = "test" if not training else "unlabeled" if self.unlabeled else "train"
        files = place / f"{part}_X.bin", place / f"{part}_y.bin"
        with self.reading(files[0]):
            # Mapped, as it has gigabytes. Each picture is red, green and blue, each of them by columns.
            pictures = np.memmap(files[0], np.uint8, "r").reshape(-1, 3, 96, 96).transpose(0, 3, 2, 1)
        if self.unlabeled:
            return PixelArrays(pictures, np.full(len(pictures), -1))
        with self.reading(files[1]):
            labels = np.fromfile(files[1], np.uint8)
            if labels.min() < 1 or labels.max() > 10:
                raise ValueError(f"labels from {labels.min()} to {labels.max()}, not from 1 to 10")
        with self.reading(*files):
            return PixelArrays(pictures, labels - 1)


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [Stl10]
