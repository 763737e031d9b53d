"""Three digits as the channels of one picture: a thousand modes."""

from __future__ import annotations

import numpy as np

from gan_bench import Dataset, Field, Part, Parts, hookimpl

from ._pictures import square_field
from .digits import Digits


class StackedDigits(Dataset):
    """Three random digits as red, green and blue: 1000 equally likely classes (after Metz et al. 2017, section 3.3.2).

    The digits are those of the dataset `digits`; no digit of the training part is in the held-out one.
    """

    name = "stacked_digits"
    size: int = square_field(16)
    training: int = Field(25_600, ge=10, le=10**7, description="pictures in the training part")
    held_out: int = Field(10_000, ge=10, le=10**7, description="pictures in the held-out part")

    @property
    def shape(self) -> tuple[int, ...]:
        return (3, self.size, self.size)

    def classes(self) -> tuple[str, ...]:
        return tuple(f"{number:03}" for number in range(1000))

    def load(self) -> Parts:
        digits = Digits(size=self.size).load()
        return Parts(_Stacked(digits.training, self.training, seed=0), _Stacked(digits.held_out, self.held_out, seed=1))


class _Stacked:
    """Triples of one part's digits, chosen so that each digit 0 to 9 is equally likely."""

    def __init__(self, digits: Part, count: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        labels = np.array([digits[i][1] for i in range(len(digits))])
        self.digits, self.wanted = digits, random.integers(10, size=(count, 3))
        self.chosen = np.empty_like(self.wanted)
        for digit in range(10):
            places = self.wanted == digit
            self.chosen[places] = random.choice(np.flatnonzero(labels == digit), places.sum())

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        channels = [self.digits[int(i)][0] for i in self.chosen[index]]
        return np.concatenate(channels), int(self.wanted[index] @ (100, 10, 1))


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [StackedDigits]
