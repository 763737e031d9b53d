"""The small picture beside a finding: its interval, a dot for each seed, and zero, on one axis for all levels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gan_bench.findings.sentences import amount
from gan_bench.stats.paired import Finding

SMALL = tuple(digit * 10**-power for power in (3, 2, 1) for digit in (1, 2, 5))  # percent: 0.001 to 0.5
PERCENT = (
    *(-99, -95, -90, -80, -65, -50, -35, -20, -10, -5, -2, -1, *(-one for one in SMALL), 0),
    *(*SMALL, 1, 2, 5, 10, 25, 50, 100, 200, 400, 900, 1900, 4900, 9900),
)
FEWEST_APART = 13.0  # percent of the axis between two ticks' labels


@dataclass(frozen=True)
class Axis:
    """Positions, in percent of the width, of differences from `low` to `high`."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]  # position and label

    def at(self, difference: float) -> float:
        """Where a difference stands; one beyond an end stands at the end."""
        return round(100 * (self.clipped(difference) - self.low) / (self.high - self.low), 2)

    def clipped(self, difference: float) -> float:
        """A difference, or the end of the axis that it lies beyond."""
        return min(max(difference, self.low), self.high)

    def beyond(self, difference: float) -> bool:
        """Whether a difference lies outside."""
        return not self.low <= difference <= self.high


def make_axis(findings: Sequence[Finding], apart: float = FEWEST_APART) -> Axis | None:
    """An axis that shows zero, every seed and as much of the intervals as leaves the seeds apart.

    Labels of two ticks stand `apart` percent of its width from each other, or more.
    """
    dots = [d for finding in findings for d in finding.differences]
    if not dots or len({finding.scale for finding in findings}) > 1:
        return None
    low, high = min(0.0, *dots), max(0.0, *dots)
    room = (high - low) or 1.0
    ends = [end for finding in findings if finding.interval for end in finding.interval]
    low = max(min([low, *ends]), low - 0.8 * room)
    high = min(max([high, *ends]), high + 0.8 * room)
    margin = 0.06 * (high - low) or 0.1  # equal scores alone have no range
    low, high = low - margin, high + margin
    return Axis(low, high, tuple(_ticks(findings[0], low, high, apart)))


def _ticks(finding: Finding, low: float, high: float, apart: float) -> list[tuple[float, str]]:
    if finding.scale == "log":
        candidates = [math.log1p(percent / 100) for percent in PERCENT]
    else:
        step = 10 ** math.floor(math.log10(high - low)) / 2
        candidates = [step * i for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
    axis = Axis(low, high, ())
    kept = [(axis.at(0.0), "0")]
    # Outwards from zero, so that zero always has its label and no two labels touch.
    for difference in sorted((c for c in candidates if low < c < high and c), key=abs):
        position = axis.at(difference)
        if 4 < position < 96 and all(abs(position - other) >= apart for other, _ in kept):
            kept.append((position, amount(finding, difference)))
    return sorted(kept)
