"""Batches of real samples without end: one shuffle of the data after the other."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gan_bench.api.randomness import Stream

if TYPE_CHECKING:
    from gan_bench.api.samples import Samples

AHEAD = 256  # batches whose indices a GPU is given at a time


class Batches:
    """Batches in the order that a seed gives. A GPU finds them by itself, from indices given to it long before.

    There, `reserve` has to be called before steps are captured or replayed: `taken` says how many batches have been
    taken from the indices on the device, and whoever replays a CUDA graph raises it by what the graph takes.
    """

    def __init__(
        self,
        samples: Samples,
        batch_size: int,
        seed: int,
        memory: torch.memory_format,
        resident: bool | None = None,  # None: if the samples lie on a GPU
        labelled: bool = False,
    ) -> None:
        self.samples, self.batch_size, self.memory = samples, batch_size, memory
        self.labels = samples.labels if labelled else None
        self.order = Stream(seed, "data order", torch.device("cpu"))
        self._left = torch.empty(0, dtype=torch.int64)  # indices still to come, the device's among them
        self._before: deque[Tensor] = deque(maxlen=2 + AHEAD * batch_size // len(samples))  # states, one a shuffle
        self.taken = 0  # batches that the device has taken since it began
        # Its indices are those of the batches from one to the other; `_left` begins at the first.
        self._first = self._given = 0
        self._resident = samples.device.type != "cpu" if resident is None else resident
        if self._resident:
            self._indices = torch.zeros(AHEAD * batch_size, dtype=torch.int64, device=samples.device)
            self._position = torch.arange(batch_size, device=samples.device)  # of the next batch among them

    def __call__(self) -> Tensor | tuple[Tensor, Tensor]:
        """The next batch (batch_size, *shape), with its labels (batch_size,) if they are wanted."""
        if self._resident:
            self.reserve(1)
            indices = self._indices.index_select(0, self._position)
            self._position += self.batch_size
            self.taken += 1
        else:
            self._shuffle(self.batch_size)
            indices, self._left = self._left[: self.batch_size], self._left[self.batch_size :]
            self.samples.expect(self._left[: self.batch_size])  # they are read while a step is made of these
        batch = self.samples.batch(indices)
        if batch.dim() == 4:
            batch = batch.contiguous(memory_format=self.memory)
        return batch if self.labels is None else (batch, self.labels.index_select(0, indices))

    def reserve(self, batches: int) -> None:
        """See to it that so many batches can be taken without the host. ValueError: more than fit."""
        if not self._resident or self.taken + batches <= self._given:
            return
        if batches > AHEAD:
            raise ValueError(f"a step takes {batches} batches; at most {AHEAD} can be kept ahead on a GPU")
        self._left = self._untaken()
        self._shuffle(len(self._indices))
        self._indices.copy_(self._left[: len(self._indices)])
        torch.arange(self.batch_size, out=self._position)
        self._first, self._given = self.taken, self.taken + AHEAD

    def state_dict(self) -> dict[str, Tensor]:
        """The position in the data, which does not depend on how far ahead it was shuffled."""
        left = self._untaken()
        ahead = len(left) // len(self.samples)  # whole shuffles of which nothing has been taken
        order = self._before[-ahead] if ahead else self.order.state
        return {"order": order, "left": left[: len(left) - ahead * len(self.samples)].clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from a position."""
        self.order.state, self._left = state["order"].clone(), state["left"].clone()
        self.taken = self._first = self._given = 0

    def _untaken(self) -> Tensor:
        return self._left[(self.taken - self._first) * self.batch_size :]

    def _shuffle(self, count: int) -> None:
        """Append shuffles until `count` indices are left."""
        shuffles = [self._left]
        while sum(map(len, shuffles)) < count:
            self._before.append(self.order.state)
            with self.order:
                shuffles.append(torch.randperm(len(self.samples)))
        self._left = torch.cat(shuffles) if len(shuffles) > 1 else self._left
