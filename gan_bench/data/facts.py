"""What samples were found to be: texts counted, numbers as a range."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

KEPT = 12  # of a kind's values, the most frequent


class Facts:
    """The facts of many samples, by kind."""

    def __init__(self) -> None:
        self._counters: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._ranges: dict[str, tuple[float, float]] = {}

    def add(self, facts: Mapping[str, str | float]) -> None:
        """Those of one sample. TypeError, AttributeError: of another type."""
        for kind, value in facts.items():
            if not isinstance(kind, str):
                raise TypeError(f"facts stand by their kind, a text (found: {kind!r})")
            if isinstance(value, str):
                self._counters[kind][value] += 1
            elif math.isfinite(number := float(value)):  # also of NumPy
                low, high = self._ranges.get(kind, (number, number))
                self._ranges[kind] = min(low, number), max(high, number)

    def merge(self, others: Facts) -> None:
        """Add those of other samples."""
        for kind, counter in others._counters.items():
            self._counters[kind].update(counter)
        for kind, ends in others._ranges.items():
            for value in ends:
                self.add({kind: value})

    def as_json(self) -> list[Any]:
        """All of them, for `from_json`."""
        return [self._counters, self._ranges]

    @classmethod
    def from_json(cls, value: list[Any]) -> Facts:
        """TypeError, ValueError: it is not what `as_json` has given."""
        facts, (counters, ranges) = cls(), value
        facts._counters.update({kind: Counter(found) for kind, found in counters.items()})
        facts._ranges = {kind: (low, high) for kind, (low, high) in ranges.items()}
        return facts

    def counts(self) -> dict[str, dict[str, int]]:
        """The most frequent values of each kind with their counts."""
        order = {
            kind: sorted(found.items(), key=lambda one: (-one[1], one[0])) for kind, found in self._counters.items()
        }
        return {kind: dict(order[kind][:KEPT]) for kind in sorted(order)}

    def different(self) -> dict[str, int]:
        """How many values each kind has."""
        return {kind: len(found) for kind, found in sorted(self._counters.items())}

    def ranges(self) -> dict[str, tuple[float, float]]:
        """The smallest and the largest number of each kind."""
        return dict(sorted(self._ranges.items()))
