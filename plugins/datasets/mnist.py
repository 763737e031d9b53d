"""MNIST and two datasets in its format."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from gan_bench import Dataset, hookimpl
from gan_bench.errors import GanBenchError
from gan_bench.files import check_regular

from ._pictures import Size, channels_field, size_field
from ._published import PixelArrays, is_file, plain
from ._torchvision import TorchvisionDataset

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
OPENINGS = {  # training labels, as published
    bytes([5, 0, 4, 1, 9, 2, 1, 3, 1, 4]): "mnist",
    bytes([9, 0, 0, 3, 0, 2, 7, 2, 5, 5]): "fashion_mnist",
}
DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # of the package dataset-fashion-mnist


class Mnist(TorchvisionDataset):
    """Handwritten digits, 60,000 and 10,000 of 28x28 (LeCun et al. 1998).

    The files are read where they lie, packed or not: in the folders that torchvision makes, or in `root` itself.
    """

    name = "mnist"
    collection: ClassVar[str] = "MNIST"  # torchvision's class and its folder
    homes: ClassVar[tuple[str, ...]] = ("MNIST/raw",)
    required: ClassVar[tuple[str, ...]] = FILES
    origin = "place these files (or the same with .gz) there, or in that folder itself"
    instead = dict.fromkeys(
        ("mnist.npz", "mnist.pkl.gz", "mnist_train.csv", "train.csv", "fashion-mnist_train.csv"),
        "has the pictures in another format: the four files in MNIST's own are needed, train-images-idx3-ubyte.gz ...",
    )
    labels: ClassVar[tuple[str, ...]] = tuple("0123456789")
    largest: ClassVar[int] = 10**8  # bytes of an unpacked file; the published ones have half of it

    size: Size = size_field(28)
    channels: Literal[1, 3] = channels_field(1)

    def classes(self) -> tuple[str, ...]:
        return self.labels

    def published(self) -> tuple[int, int]:
        return 60_000, 10_000

    def find(self, folder: Path, name: str) -> Path | None:
        """Packed or not, with Kaggle's point in the name (train-images.idx3-ubyte), or in a folder of the file's name."""
        paths = [folder / each for each in (name, name.replace("-idx", ".idx"), f"{name}/{name}")]
        packed = [path.with_name(f"{path.name}.gz") for path in paths]
        return next(filter(is_file, [*paths, *packed]), None)

    def another(self, folder: Path) -> str | None:
        kin = {plain(cls.collection): cls.name for cls in (Mnist, FashionMnist, Kmnist)}
        folder = folder.absolute()
        called = kin.get(plain(folder.parent.name if folder.name == "raw" else folder.name), self.name)
        return None if called == self.name else called

    def fetch(self, root: Path) -> None:
        from torchvision import datasets

        getattr(datasets, self.collection)(root, download=True)

    def source(self, place: Path, training: bool) -> PixelArrays:
        names = self.wanted()[:2] if training else self.wanted()[2:]
        files = [self.located(place, name) for name in names]
        pictures, labels = (self._read(file, dimensions) for file, dimensions in zip(files, (3, 1), strict=True))
        with self.reading(*files):
            part = PixelArrays(pictures, labels)
        theirs = OPENINGS.get(bytes(part.labels[:10]), self.name)
        if training and theirs != self.name:
            raise GanBenchError(
                f"dataset {self.name}: {place} has the files of the dataset {theirs}, as their first labels show. "
                f'Use dataset = "{theirs}", or give `root` the folder of those of {self.name}'
            )
        return part

    def _read(self, file: Path, dimensions: int) -> np.ndarray:
        """The bytes of an IDX file: two zeros, 8 for uint8, the number of dimensions, each as a big-endian int32; then values."""
        with self.reading(file):
            check_regular(file)
            with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as opened:
                content = opened.read(self.largest + 1)
            if len(content) > self.largest:
                raise OSError(f"it has more than {self.largest:,} bytes")
            if content[:4] != bytes([0, 0, 8, dimensions]):
                raise ValueError(f"it is no IDX file of bytes in {dimensions} dimensions")
            shape = np.frombuffer(content, ">u4", dimensions, offset=4)
            return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


class FashionMnist(Mnist):
    """Pictures of clothing, 60,000 and 10,000 of 28x28 (Xiao et al. 2017)."""

    name = "fashion_mnist"
    collection = "FashionMNIST"
    homes = ("FashionMNIST/raw",)
    labels = ("T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "trainer", "bag", "ankle boot")

    def likely(self) -> list[Path]:
        """Where nothing says where the files are, Debian's package comes last."""
        return [*super().likely(), DEBIAN] if self.root is None else super().likely()


class Kmnist(Mnist):
    """Handwritten Japanese characters (kuzushiji), 60,000 and 10,000 of 28x28 (Clanuwat et al. 2018)."""

    name = "kmnist"
    collection = "KMNIST"
    homes = ("KMNIST/raw",)
    labels = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [Mnist, FashionMnist, Kmnist]
