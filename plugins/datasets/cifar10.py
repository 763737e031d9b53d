"""CIFAR-10."""

from __future__ import annotations

from typing import Any

from gan_bench import Dataset, hookimpl

from ._torchvision import TorchvisionDataset

FOLDER = "cifar-10-batches-py"


class Cifar10(TorchvisionDataset):
    """Photographs of animals and vehicles, 50,000 and 10,000 of 32x32 (Krizhevsky 2009)."""

    name = "cifar10"
    required = (*(f"{FOLDER}/data_batch_{i}" for i in range(1, 6)), f"{FOLDER}/test_batch", f"{FOLDER}/batches.meta")
    origin = "unpack cifar-10-python.tar.gz there"

    def classes(self) -> tuple[str, ...]:
        return ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

    def checksums(self) -> dict[str, str]:
        from torchvision.datasets import CIFAR10

        known = [*CIFAR10.train_list, *CIFAR10.test_list, (CIFAR10.meta["filename"], CIFAR10.meta["md5"])]
        return {f"{FOLDER}/{name}": md5 for name, md5 in known}

    def source(self, training: bool, download: bool = False) -> Any:
        from torchvision.datasets import CIFAR10

        return CIFAR10(self.folder(), train=training, download=download)


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [Cifar10]
