"""What is known of data without a look at it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Modes:
    """The truth of a mixture of equally likely, round Gaussians."""

    centres: tuple[tuple[float, ...], ...]  # their means, in the samples' own units
    std: float  # standard deviation in each direction


@dataclass(frozen=True)
class DataSpec:
    """What networks must know of the data."""

    shape: tuple[int, ...]  # of one sample: (C, H, W) for images, (2,) for points in the plane
    kind: Literal["image", "points"] = "image"
    classes: tuple[str, ...] | None = None  # None: unlabelled
    modes: Modes | None = None  # None: not known

    @property
    def numel(self) -> int:
        """Numbers in one sample."""
        return math.prod(self.shape)
