"""Which numbers of a grid's metrics are tested: those that `[evaluate] headline` names, or the first of each side."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, get_args

from gan_bench.api.kinds import Metric, Number, Side, named
from gan_bench.errors import did_you_mean
from gan_bench.grid.schema import Asked
from gan_bench.grid.source import Fault

Place = tuple[int, str]  # the metric's place among the grid's, and its number's name, "" where it has but one


@dataclass(frozen=True)
class _Named:
    """A number, and how a grid file may call it."""

    place: Place
    number: Number
    short: str
    features: str  # "" where the metric reads samples
    label: str  # as far as it can be known before features are there

    @property
    def full(self) -> str:
        return f"{self.short}[{self.features}]" if self.features else self.short

    def is_called(self, text: str) -> bool:
        """By its name or label, with its features or without."""
        found = re.fullmatch(r"([^][]+)(?:\[([^][]+)\])?", text.casefold())
        if not found:
            return False
        asked, features = found.groups()
        known = self.features.casefold()
        rightly = not features or features == known or (known and features.startswith(f"{known}-"))  # inception-2048
        return bool(rightly) and asked in (self.short.casefold(), self.label.partition("[")[0].casefold())


def headlines(asked: Asked, metrics: Sequence[Metric]) -> tuple[Place, ...]:
    """The numbers that are tested, the one that ranks first. Fault: a name that is none, or of several numbers.

    Unless they are named: the first distance, the first quality and the first diversity; before them the very first number,
    if it is none of these.
    """
    numbers = [
        number for index, metric in enumerate(metrics) for number in _numbers(index, metric, _features(asked, index))
    ]
    if asked.headline is None:
        first = {number.number.side: number.place for number in reversed(numbers)}
        sides = [first[side] for side in get_args(Side) if side in first]
        return tuple(sides if numbers[0].number.side else [numbers[0].place, *sides])
    found: list[Place] = []
    for index, text in enumerate(asked.headline):
        called = [number for number in numbers if number.is_called(text)]
        at = ("evaluate", "headline", index)
        if not called:
            cure = did_you_mean(text, [number.full for number in numbers])
            raise Fault("none of the grid's metrics has a number of this name", at, value=text, cure=cure)
        if len(called) > 1:
            several = dict.fromkeys(number.full for number in called)
            cure = f"Write one of {', '.join(several)}."
            if len(several) == 1:
                cure = "They differ in their parameters alone, which no headline says: leave one of them out."
            raise Fault(f"{len(called)} numbers have this name", at, value=text, cure=cure)
        if called[0].place in found:
            raise Fault("this number stands there twice", at, value=text)
        found.append(called[0].place)
    return tuple(found)


def _features(asked: Asked, index: int) -> str:
    return str(asked.metrics[index].get("features", asked.features)["name"])


def _numbers(index: int, metric: Metric, features: str) -> list[_Named]:
    seen: Any = SimpleNamespace(label=features, protocol={})  # what features are called is known once they are prepared
    found = []
    for name, number in metric.every_number().items():
        try:
            label = named(name, metric, seen) if name else metric.label(seen)
        except Exception:  # noqa: BLE001 - a stranger's label may need more of them; its name will do
            label = name or metric.name
        own = "" if metric.reads == "samples" else features
        found.append(_Named((index, name), number, name or metric.name, own, label))
    return found
