"""How many runs a device trains at a time."""

from __future__ import annotations

SETTLE = 2.0  # seconds after a change in which nothing is measured: graphs are captured then
MEASURE = 4.0  # seconds of a measurement
PAYS = 1.05  # one run more is kept where it makes the whole this much faster
MOST = 16  # slots: beyond them the host can't keep up, and CUDA's streams begin to alias at 32


class Slots:
    """A number of slots: fixed, or found by measuring, one more as long as that pays.

    The number changes when runs train, never what they compute.
    """

    def __init__(self, count: int | None) -> None:
        self.count = count or 1
        self._growing = count is None
        self._most = MOST
        self._rates: dict[int, float] = {}  # slots -> work a second
        self._began: float | None = None  # of this measurement
        self._work = 0.0

    def lower(self, fitting: int) -> None:
        """No more than so many runs fit into the device's memory."""
        self._most = max(1, fitting)
        self.count = min(self.count, self._most)

    def trained(self, work: float, now: float, running: int) -> None:
        """A run has done some work, in whatever unit adds up, while so many were running; `now` in seconds."""
        if not self._growing or running < self.count:
            self._began = None  # not all slots are taken: nothing can be learnt
            return
        if self._began is None:
            self._began, self._work = now + SETTLE, 0.0
        if now >= self._began:
            self._work += work
        if now >= self._began + MEASURE:
            self._decide(self._work / (now - self._began))
            self._began = None

    def _decide(self, rate: float) -> None:
        self._rates[self.count] = rate
        before = self._rates.get(self.count - 1, 0.0)
        if rate < PAYS * before:
            self.count, self._growing = self.count - 1, False
        elif self.count == self._most:
            self._growing = False
        else:
            self.count += 1
