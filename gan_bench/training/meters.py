"""What a run costs: where its time goes, and its peak memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from weakref import WeakSet

import torch


class Clock:
    """Where a run's seconds went, over all its sessions: training, evaluation, checkpoints, and waiting for all else.

    Training is what is left of the time between start and end. A GPU works for all of its runs at once, so the time of runs
    that share one includes their turns of the host.
    """

    def __init__(self, before: dict[str, float] | None = None) -> None:
        self._before = before or dict.fromkeys(("training", "evaluation", "checkpoints", "waiting"), 0.0)
        self._now = dict.fromkeys(self._before, 0.0)
        self._opened = time.perf_counter()
        self._started = False

    def start(self) -> None:
        """Training begins; the time since the run was opened was spent waiting."""
        self._now["waiting"] = time.perf_counter() - self._opened - self._now["evaluation"] - self._now["checkpoints"]
        self._started = True

    @contextmanager
    def running(self, kind: str) -> Iterator[None]:
        """What happens inside is of this kind."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._now[kind] += time.perf_counter() - began

    @property
    def training(self) -> float:
        """Seconds of training so far."""
        return self.seconds()["training"]

    def session(self) -> dict[str, float]:
        """Seconds of each kind since the run was opened."""
        now = dict(self._now)
        if self._started:
            now["training"] = time.perf_counter() - self._opened - sum(now.values())
        return now

    def seconds(self) -> dict[str, float]:
        """Seconds of each kind in all sessions."""
        return {kind: self._before[kind] + seconds for kind, seconds in self.session().items()}


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
            torch.cuda.init()  # before it there are no numbers that could begin anew
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
