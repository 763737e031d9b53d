"""MNIST and two datasets in its format."""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path
from typing import Any, ClassVar, Literal

from gan_bench import Dataset, hookimpl
from gan_bench.errors import GanBenchError

from ._pictures import channels_field, size_field
from ._torchvision import TorchvisionDataset

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
LARGEST = 10**8  # bytes of an unpacked file; the published ones have half of it


class Mnist(TorchvisionDataset):
    """Handwritten digits, 60,000 and 10,000 of 28x28 (LeCun et al. 1998)."""

    name = "mnist"
    collection: ClassVar[str] = "MNIST"  # torchvision's class and its folder
    required = tuple(f"MNIST/raw/{name}" for name in FILES)
    origin = "place these files (or the same with .gz) there"
    labels: ClassVar[tuple[str, ...]] = tuple("0123456789")

    size: int = size_field(28)
    channels: Literal[1, 3] = channels_field(1)

    def classes(self) -> tuple[str, ...]:
        return self.labels

    def missing(self) -> list[str]:
        for name in self.required:
            self._unpack(self.folder() / name)
        return super().missing()

    def _unpack(self, file: Path) -> None:
        """torchvision reads the unpacked files only, but they are published packed."""
        packed = file.with_name(f"{file.name}.gz")
        if os.path.exists(file) or not os.path.exists(packed):
            return
        partial = file.with_name(f"{file.name}.partial")
        try:
            with gzip.open(packed) as read, partial.open("wb") as written:
                while chunk := read.read(2**20):
                    written.write(chunk)
                    if written.tell() > LARGEST:
                        raise OSError(f"it unpacks to more than {LARGEST:,} bytes")
            partial.replace(file)
        except (OSError, EOFError, zlib.error) as error:
            raise GanBenchError(
                f"dataset {self.name}: {packed} can't be unpacked ({error}). "
                "If it is damaged, delete it, and place it again or set download = true"
            ) from error
        finally:
            partial.unlink(missing_ok=True)

    def source(self, training: bool, download: bool = False) -> Any:
        from torchvision import datasets

        part = getattr(datasets, self.collection)(self.folder(), train=training, download=download)
        if len(part.data) != len(part.targets):
            raise ValueError(f"{len(part.data)} pictures but {len(part.targets)} labels")
        return part


class FashionMnist(Mnist):
    """Pictures of clothing, 60,000 and 10,000 of 28x28 (Xiao et al. 2017)."""

    name = "fashion_mnist"
    collection = "FashionMNIST"
    required = tuple(f"FashionMNIST/raw/{name}" for name in FILES)
    labels = ("T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "trainer", "bag", "ankle boot")


class Kmnist(Mnist):
    """Handwritten Japanese characters (kuzushiji), 60,000 and 10,000 of 28x28 (Clanuwat et al. 2018)."""

    name = "kmnist"
    collection = "KMNIST"
    required = tuple(f"KMNIST/raw/{name}" for name in FILES)
    labels = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [Mnist, FashionMnist, Kmnist]
