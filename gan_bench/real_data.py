"""What a metric may read of the real data."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Literal

from torch import Tensor

from gan_bench.data import PreparedData


class RealData:
    """The real data, for a metric's reference. `held_out` and `training` are given as the metric's `reads` says.

    They are computed when they are asked for. `data` has all samples and labels, as decoded, and what is known of them.
    """

    def __init__(self, data: PreparedData, read: Callable[[Literal["training", "held_out"]], Tensor]) -> None:
        self.data, self._read = data, read

    @cached_property
    def held_out(self) -> Tensor:
        """(M, ...): the whole held-out part."""
        return self._read("held_out")

    @cached_property
    def training(self) -> Tensor:
        """(M, ...): as many samples of the training part, chosen at random once and for all; fewer if it has fewer."""
        return self._read("training")
