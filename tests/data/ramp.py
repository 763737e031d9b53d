"""A small dataset that tells how often it was decoded."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from gan_bench.api.kinds import ArrayPart, Dataset, Parts


class Ramp(Dataset):
    """Sample i is filled with i; counts its decodings."""

    name = "ramp"
    root: Path | None = None
    brightness: int = 0
    decoded: ClassVar[list[str]] = []

    @property
    def shape(self) -> tuple[int, ...]:
        return (1, 2, 3)

    def classes(self) -> tuple[str, ...]:
        return ("even", "odd")

    def files(self) -> list[Path]:
        return sorted(self.root.rglob("*.bin")) if self.root else []

    def load(self) -> Parts:
        self.decoded.append(self.name)
        samples = np.arange(256, dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 2, 3), np.uint8)
        labels = [i % 2 for i in range(256)]
        return Parts(ArrayPart(samples, labels), ArrayPart(samples[:10], labels[:10]))
