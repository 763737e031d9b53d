"""Pictures as they are saved: 8 bits a channel, many of them in a sample grid."""

from __future__ import annotations

import torch
from torch import Tensor

ROWS = ROW = 10  # of a sample grid, and pictures in a row


def to_uint8(samples: Tensor) -> Tensor:
    """Values in [-1, 1] (clipped there) as the nearest of the 256 levels; NaN, which no picture can hold, becomes 0."""
    return ((samples.float().clamp(-1, 1) + 1) * 127.5).round().nan_to_num(0).to(torch.uint8)


def from_uint8(pixels: Tensor) -> Tensor:
    """The levels 0 to 255 as float32 in [-1, 1]; `to_uint8` gives exactly the same levels back."""
    return pixels.float() / 127.5 - 1


def as_saved(samples: Tensor) -> Tensor:
    """Pictures in [-1, 1] as they come back from a file. A value that is not finite stays, so that it can't be hidden."""
    return samples.where(~samples.isfinite(), from_uint8(to_uint8(samples)))


def row_classes(classes: int) -> list[int]:
    """The classes that have a row in a sample grid: all, or as many as there are rows, evenly spread over their order."""
    rows = min(classes, ROWS)
    return [row * (classes - 1) // max(rows - 1, 1) for row in range(rows)]
