"""Drawing class labels as real data have them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gan_bench.api.samples import Samples


class LabelDraw:
    """Draws labels in the proportions of `counts`, samples of each class, from PyTorch's default generator.

    Torch operations of a fixed shape only, so that a CUDA graph can draw. ValueError: no class has samples.
    """

    def __init__(self, counts: Sequence[int], device: torch.device) -> None:
        if not any(counts):
            raise ValueError("no class has samples that labels could be drawn after")
        shares = torch.tensor(counts, dtype=torch.float64).cumsum(0)
        # Without the last: the upper end of the last class is 1, which no number drawn reaches. A class without samples is an
        # interval of no width.
        self.bounds = (shares / shares[-1])[:-1].to(torch.float32).to(device)

    def __call__(self, count: int) -> Tensor:
        """Labels (count,) int64."""
        numbers = torch.rand(count, device=self.bounds.device)
        return torch.bucketize(numbers, self.bounds, right=True)


def class_counts(part: Samples, classes: int) -> list[int]:
    """How many samples of each class there are; those without one are not counted."""
    labels = torch.empty(0, dtype=torch.int64) if part.labels is None else part.labels
    return torch.bincount(labels[labels >= 0], minlength=classes).tolist()
