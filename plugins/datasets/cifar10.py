"""CIFAR-10."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from gan_bench import Dataset, hookimpl

from ._published import PixelArrays
from ._torchvision import TorchvisionDataset


class Cifar(TorchvisionDataset):
    """What CIFAR-10 and CIFAR-100 share: pictures of 32x32 in pickles, which are opened if they have the published sums."""

    collection: ClassVar[str]  # torchvision's class
    training: ClassVar[tuple[str, ...]]  # files of the training part
    held_out: ClassVar[str]

    def label_key(self) -> str:
        """Where a pickle has its labels."""
        return "labels"

    def published(self) -> tuple[int, int]:
        return 50_000, 10_000

    def fetch(self, root: Path) -> None:
        self._torchvision()(root, download=True)

    def source(self, place: Path, training: bool) -> PixelArrays:
        batches = [self._batch(place, name) for name in (self.training if training else (self.held_out,))]
        rows = np.concatenate([batch["data"] for batch in batches])  # (N, 3072) uint8: all red values, green, blue
        labels = np.concatenate([batch[self.label_key()] for batch in batches])
        return PixelArrays(rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels)

    def _batch(self, place: Path, name: str) -> Any:
        known = self._torchvision()
        with self.reading(place / name):
            content = (place / name).read_bytes()
            if hashlib.md5(content).hexdigest() != dict([*known.train_list, *known.test_list])[name]:
                raise ValueError("its MD5 sum is not the published one, and a pickle may run any code")
            return pickle.loads(content, encoding="latin1")

    def _torchvision(self) -> Any:
        from torchvision import datasets

        return getattr(datasets, self.collection)


class Cifar10(Cifar):
    """Photographs of animals and vehicles, 50,000 and 10,000 of 32x32 (Krizhevsky 2009)."""

    name = "cifar10"
    collection = "CIFAR10"
    training = tuple(f"data_batch_{i}" for i in range(1, 6))
    held_out = "test_batch"
    homes = ("cifar-10-batches-py",)
    required = (*training, held_out)
    origin = "unpack cifar-10-python.tar.gz there"
    instead = {
        "cifar-10-python.tar.gz": "is still packed: unpack it there",
        **dict.fromkeys(
            ("cifar-10-batches-bin", "data_batch_1.bin", "cifar-10-binary.tar.gz"),
            "is CIFAR-10's binary version: the Python version is needed, cifar-10-python.tar.gz",
        ),
        **dict.fromkeys(
            ("cifar-10-batches-mat", "data_batch_1.mat", "cifar-10-matlab.tar.gz"),
            "is CIFAR-10's Matlab version: the Python version is needed, cifar-10-python.tar.gz",
        ),
        "trainLabels.csv": "is of Kaggle's competition, whose test pictures have no labels: cifar-10-python.tar.gz is needed",
    }

    def classes(self) -> tuple[str, ...]:
        return ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [Cifar10]
