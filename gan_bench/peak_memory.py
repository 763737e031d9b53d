"""The most memory that a run took."""

from __future__ import annotations

from pathlib import Path
from weakref import WeakSet

import torch

PROCESS = Path("/proc/self")  # of Linux; nowhere else is the peak of a process to be had afresh for each run


class PeakMemory:
    """The most memory since it was made: on a GPU bytes of its tensors, else resident bytes of the whole process.

    Memory is counted for a process, so there is no number for runs that shared one.
    """

    _counting: WeakSet[PeakMemory] = WeakSet()  # of this process

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.shared = len(self._counting) > 0
        for other in self._counting:
            other.shared = True
        self._counting.add(self)
        self.known = not self.shared and self._begin()

    def _begin(self) -> bool:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            return True
        try:
            (PROCESS / "clear_refs").write_text("5")  # VmHWM begins anew: proc_pid_clear_refs(5)
        except OSError:
            return False
        return True

    def end(self) -> int | None:
        """The peak in bytes, and nothing is counted any more; None where it is not known."""
        self._counting.discard(self)
        if self.shared or not self.known:
            return None
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        lines = (PROCESS / "status").read_text().splitlines()
        return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), None)
