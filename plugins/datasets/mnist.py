"""MNIST and two datasets in its format."""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from gan_bench import Dataset, hookimpl
from gan_bench.errors import GanBenchError
from gan_bench.files import check_regular

from ._pictures import Size, channels_field, size_field
from ._torchvision import TorchvisionDataset

if TYPE_CHECKING:
    from PIL import Image

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
LARGEST = 10**8  # bytes of an unpacked file; the published ones have half of it


class Mnist(TorchvisionDataset):
    """Handwritten digits, 60,000 and 10,000 of 28x28 (LeCun et al. 1998).

    The files are read where they lie, packed or not: in the folders that torchvision makes, or in `root` itself.
    """

    name = "mnist"
    collection: ClassVar[str] = "MNIST"  # torchvision's class and its folder
    required = tuple(f"MNIST/raw/{name}" for name in FILES)
    origin = "place these files (or the same with .gz) there, or in that folder itself"
    labels: ClassVar[tuple[str, ...]] = tuple("0123456789")

    size: Size = size_field(28)
    channels: Literal[1, 3] = channels_field(1)

    def classes(self) -> tuple[str, ...]:
        return self.labels

    def places(self) -> list[Path]:
        """The four files, packed or not, below torchvision's folder or in the root itself, as Debian's packages have them."""
        own = self.folder() / self.collection / "raw"
        found = [[_packed_or_not(folder / name) for name in FILES] for folder in (own, self.folder())]
        return next((files for files in found if all(map(os.path.exists, files))), found[0])

    def source(self, training: bool, download: bool = False) -> Any:
        if download:
            from torchvision import datasets

            return getattr(datasets, self.collection)(self.folder(), train=training, download=True)
        pictures, labels = self.places()[:2] if training else self.places()[2:]
        part = _Part(self._read(pictures, 3), self._read(labels, 1))
        if len(part.pictures) != len(part.labels):
            raise ValueError(f"{len(part.pictures)} pictures but {len(part.labels)} labels")
        return part

    def _read(self, file: Path, dimensions: int) -> np.ndarray:
        """The bytes of an IDX file: two zeros, 8 for uint8, the number of dimensions, each as a big-endian int32; then values."""
        try:
            check_regular(file)
            with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as opened:
                content = opened.read(LARGEST + 1)
            if len(content) > LARGEST:
                raise OSError(f"it has more than {LARGEST:,} bytes")
            if content[:4] != bytes([0, 0, 8, dimensions]):
                raise ValueError(f"it is no IDX file of bytes in {dimensions} dimensions")
            shape = np.frombuffer(content, ">u4", dimensions, offset=4)
            return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)
        except (OSError, EOFError, zlib.error, ValueError) as error:
            raise GanBenchError(
                f"dataset {self.name}: {file} can't be read ({error}). "
                f"Delete {file}; then {self.origin}, or set download = true"
            ) from error


class _Part:
    """Pictures (N, H, W) and labels (N,), uint8, as torchvision's datasets give them."""

    def __init__(self, pictures: np.ndarray, labels: np.ndarray) -> None:
        self.pictures, self.labels = pictures, labels

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        from PIL import Image

        return Image.fromarray(self.pictures[index]), int(self.labels[index])


def _packed_or_not(file: Path) -> Path:
    """The file, or the packed one where there is only that."""
    packed = file.with_name(f"{file.name}.gz")
    return packed if os.path.exists(packed) and not os.path.exists(file) else file


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
