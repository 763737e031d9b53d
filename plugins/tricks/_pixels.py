"""Pictures moved by whole pixels, in torch operations of fixed shape."""

from __future__ import annotations

import torch
from torch import Tensor


def reflect(position: Tensor, size: int) -> Tensor:
    """Positions of any size, mirrored at the first and the last of `size` pixels until they lie within."""
    last = max(size - 1, 1)
    return (last - (position % (2 * last) - last).abs()).clamp(max=size - 1)


def random_shift(count: int, reach: int, device: torch.device) -> Tensor:
    """Whole numbers (count,), each from -reach to reach equally often."""
    return torch.randint(-reach, reach + 1, (count,), device=device)


def shifted(x: Tensor, rows: Tensor, columns: Tensor, *, mirrored: bool) -> Tensor:
    """Pictures (B, C, H, W), each moved down by `rows` and right by `columns` (B,) pixels.

    What comes in at the borders is the picture mirrored there, or zero, which is grey.
    """
    for axis, moved in ((2, rows), (3, columns)):
        size = x.shape[axis]
        source = torch.arange(size, device=x.device) - moved[:, None]  # (B, size)
        line = (-1, 1, size, 1) if axis == 2 else (-1, 1, 1, size)
        taken = x.gather(axis, reflect(source, size).view(line).expand(x.shape))
        x = taken if mirrored else taken * ((source >= 0) & (source < size)).view(line)
    return x
