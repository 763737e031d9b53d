"""The scalars that a run reports, averaged over windows of steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gan_bench.store.checksums import TIMES

REPORTS = 64  # scalars that a run may report
TAKEN = TIMES | {
    *("run", "step", "d_steps", "images", "crc"),
    *("loss_d", "loss_g", "logit_real", "logit_fake", "grad_norm_d", "grad_norm_g"),
    *("skipped_d", "skipped_g", "loss_scale_d", "loss_scale_g"),
}  # names of the curves' other columns


class Window:
    """Sums of reported scalars since the window began; they stay on the device until the window ends."""

    def __init__(self, device: torch.device) -> None:
        # For each name, in order, a sum, and how many values were left out of it.
        self.table = torch.zeros(2, REPORTS, dtype=torch.float64, device=device)
        self.sums: dict[str, Tensor] = {}  # views into the table
        self.left_out: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}

    def report(self, name: str, value: Tensor) -> None:
        """Count one more value of a trick's scalar. ValueError: it can't have this name, or there are too many."""
        if name in TAKEN:
            raise ValueError(f"a trick can't report {name!r}, which the curves have already")
        self.add(name, value)

    def add(self, name: str, value: Tensor, *, unless: Tensor | None = None) -> None:
        """Count one more value of this name, `unless` that scalar on the device is 1 in place of 0."""
        if name not in self.sums:
            self._make_room(name)
        value = value.detach()
        if unless is not None:
            value = torch.where(unless > 0, 0, value)
            self.left_out[name] += unless
        self.sums[name] += value
        self.counts[name] += 1

    def read(self) -> Callable[[], dict[str, float | None]]:
        """The means so far, None for what was not reported in this window: a function that waits for the device."""
        counts, table = dict(self.counts), self.table
        if table.device.type == "cpu":
            table = table.clone()
        else:
            table = table.to("cpu", non_blocking=True)  # into pinned memory; the device goes on meanwhile
            copied = torch.cuda.Event()
            copied.record()

        def means() -> dict[str, float | None]:
            if self.table.device.type != "cpu":
                copied.synchronize()
            columns = zip(counts.items(), *table.tolist(), strict=False)
            return {name: total / (count - out) if count > out else None for (name, count), total, out in columns}

        return means

    def means(self) -> dict[str, float | None]:
        """The means so far."""
        return self.read()()

    def clear(self) -> None:
        """Begin a new window."""
        self.table.zero_()
        self.counts = dict.fromkeys(self.counts, 0)

    def state_dict(self) -> dict[str, Any]:
        """Partial sums, for the checkpoint."""
        parts = {"sums": self.sums, "left_out": self.left_out}
        return {
            **{part: {name: number.clone() for name, number in own.items()} for part, own in parts.items()},
            "counts": dict(self.counts),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from partial sums."""
        for name, total in state["sums"].items():
            if name not in self.sums:
                self._make_room(name)
            self.sums[name].copy_(total)
        for name, number in state.get("left_out", {}).items():  # the first checkpoints have none
            self.left_out[name].copy_(number)
        self.counts = dict(state["counts"])

    def _make_room(self, name: str) -> None:
        if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= 100:
            raise ValueError(f"what is reported needs a name of 1 to 100 readable characters (found: {name!r})")
        if len(self.sums) == REPORTS:
            raise ValueError(f"a run reports at most {REPORTS} scalars; {name!r} is one too many")
        self.sums[name], self.left_out[name] = self.table[:, len(self.sums)]
        self.counts[name] = 0
