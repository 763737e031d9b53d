"""Heat maps of a product of axes: each combination's difference to the reference, two axes at a time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gan_bench.findings.comparisons import Comparison, Difference, Level

MOST_MAPS = 6  # one for each combination of the other axes' levels
DEEPEST = 45.0  # percent of the colour in the cell that differs most, so that its text can be read
PALE = 15.0  # the same where no difference can be told


@dataclass(frozen=True)
class Cell:
    """One combination of levels."""

    level: Level
    entry: Difference | None  # none of the reference
    colour: str  # better, worse or empty
    share: float  # of the colour, in percent


@dataclass(frozen=True)
class HeatMap:
    """Rows and columns are the levels of two axes."""

    others: tuple[str, ...]  # the level of each other axis
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[Cell | None, ...], ...]  # by row and column; None where the combination is left out

    @property
    def title(self) -> str:
        """The other axes' levels."""
        return ", ".join(self.others)


@dataclass(frozen=True)
class Heat:
    """All maps of a comparison."""

    row_axis: str
    column_axis: str
    maps: tuple[HeatMap, ...]
    left_out: int  # combinations of the other axes without a map


def heat(comparison: Comparison) -> Heat | None:
    """The maps of a comparison of two axes and more; None of another one, or where there is no score.

    The two axes with the most levels span the maps, the longer one downwards. Of the others' combinations there is one map
    each, the reference's first, `MOST_MAPS` at most.
    """
    if len(comparison.axes) < 2 or not comparison.words or not comparison.answers:
        return None
    values = [list(dict.fromkeys(words[axis] for words in comparison.words)) for axis in range(len(comparison.axes))]
    down, across = sorted(range(len(values)), key=lambda axis: -len(values[axis]))[:2]
    others = [axis for axis in range(len(values)) if axis not in (down, across)]
    levels = dict(zip(comparison.words, comparison.levels, strict=True))
    reference = next(words for words, level in levels.items() if level is comparison.reference)

    def rest(words: Sequence[str]) -> tuple[str, ...]:
        return tuple(words[axis] for axis in others)

    entries = {id(entry.level): entry for entry in comparison.answers}
    largest = max((abs(entry.finding.mean) for entry in comparison.answers if entry.finding.n), default=0.0)
    by_place = {(rest(words), words[down], words[across]): level for words, level in levels.items()}
    combinations = sorted(dict.fromkeys(map(rest, levels)), key=lambda combination: combination != rest(reference))

    def cell(place: tuple[tuple[str, ...], str, str]) -> Cell | None:
        level = by_place.get(place)
        return None if level is None else _cell(level, entries.get(id(level)), largest)

    def named(axis: int, word: str) -> str:
        """A level by itself, with its axis where it is a bare number or truth value."""
        return word if not re.fullmatch(r"[-+.\deE]+|yes|no", word) else f"{comparison.axes[axis]} {word}"

    maps = tuple(
        HeatMap(
            tuple(named(axis, word) for axis, word in zip(others, combination, strict=True)),
            tuple(named(down, word) for word in values[down]),
            tuple(named(across, word) for word in values[across]),
            tuple(tuple(cell((combination, row, column)) for column in values[across]) for row in values[down]),
        )
        for combination in combinations[:MOST_MAPS]
    )
    return Heat(comparison.axes[down], comparison.axes[across], maps, len(combinations) - len(maps))


def _cell(level: Level, entry: Difference | None, largest: float) -> Cell:
    if entry is None or not entry.finding.n or not largest:
        return Cell(level, entry, "", 0.0)
    mean = entry.finding.mean
    better = (mean < 0) == (entry.finding.better == "lower")
    depth = DEEPEST if entry.verdict in ("better", "worse") else PALE
    return Cell(level, entry, "better" if better else "worse", round(depth * abs(mean) / largest, 1))
