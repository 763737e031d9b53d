"""EMNIST: letters and digits in MNIST's format."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Literal

from gan_bench import Dataset, Field, hookimpl

from ._published import PixelArrays
from .mnist import Mnist

DIGITS = string.digits
MERGED = DIGITS + string.ascii_uppercase + "abdefghnqrt"  # without small letters that look as the capital does
CLASSES = {
    "byclass": DIGITS + string.ascii_uppercase + string.ascii_lowercase,
    "bymerge": MERGED,
    "balanced": MERGED,
    "letters": string.ascii_uppercase,  # capitals and small ones together
    "digits": DIGITS,
    "mnist": DIGITS,
}
COUNTS = {
    "byclass": (697_932, 116_323),
    "bymerge": (697_932, 116_323),
    "balanced": (112_800, 18_800),
    "letters": (124_800, 20_800),
    "digits": (240_000, 40_000),
    "mnist": (60_000, 10_000),
}


class Emnist(Mnist):
    """Handwritten letters and digits, 112,800 and 18,800 of 28x28 or as another `split` has (Cohen et al. 2017).

    The files have the pictures transposed; here they are upright.
    """

    name = "emnist"
    collection = "EMNIST"
    homes = ("EMNIST/raw", "gzip")
    required = ()
    origin = "unpack EMNIST's gzip.zip there"
    instead = {
        "gzip.zip": "is still packed: unpack it there",
        **dict.fromkeys(
            ("matlab.zip", "matlab", "emnist-balanced.mat", "emnist-letters.mat", "emnist-balanced-train.csv"),
            "has the pictures in another format: EMNIST's gzip.zip is needed",
        ),
    }
    largest = 10**9

    split: Literal["byclass", "bymerge", "balanced", "letters", "digits", "mnist"] = Field(
        "balanced", description="which characters: one of the published splits, each with a training and a test part"
    )

    def wanted(self) -> tuple[str, ...]:
        files = ("train-images-idx3", "train-labels-idx1", "test-images-idx3", "test-labels-idx1")
        return tuple(f"emnist-{self.split}-{name}-ubyte" for name in files)

    def classes(self) -> tuple[str, ...]:
        return tuple(CLASSES[self.split])

    def published(self) -> tuple[int, int]:
        return COUNTS[self.split]

    def another(self, folder: Path) -> str | None:
        return None  # no other files are called so

    def fetch(self, root: Path) -> None:
        from torchvision.datasets import EMNIST

        EMNIST(root, split=self.split, download=True)

    def source(self, place: Path, training: bool) -> PixelArrays:
        source = super().source(place, training)
        labels = source.labels - 1 if self.split == "letters" else source.labels  # letters count from 1
        return PixelArrays(source.pictures.transpose(0, 2, 1), labels)


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [Emnist]
