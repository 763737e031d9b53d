"""Where a run's time goes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


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
