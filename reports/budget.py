"""How many pictures, and how many samples of each, a page can hold: what costs most is thinned first.

PNGs of noise can't be made smaller, and a grid of 12 cells, 5 seeds and 20 snapshots has 1200 of them. The full grids stay
in the run folders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gan_bench.findings.tables import Results
from gan_bench_reports import curves
from gan_bench_reports.pictures import Dataset, pitch_of, size_of

PAGE = 12_000_000  # bytes of the page, if pictures can make it so
LEAST = 2_500_000  # bytes that the pictures have, however large the rest is
ALL = 10  # samples along a side of a full grid
LAST = 10**9  # of every so many snapshots one: the last alone
NONE = 0
BASE64 = 4 / 3  # characters for a byte
RULE, HEAD = 60, 90  # bytes of a style rule, and of a PNG without pixels
GALLERY, NEIGHBOURS, REAL = 0.35, 0.15, 0.1  # shares of the room that they may take
# Samples along a side; of the snapshots of each cell's first seed every so many-th; of its other seeds' too.
THINNER = (
    (10, 1, 1), (8, 1, 1), (7, 1, 1), (6, 1, 1), (5, 1, 1), (5, 1, 2), (4, 1, 2), (4, 1, 4), (4, 1, LAST), (3, 1, LAST),
    (3, 2, LAST), (2, 1, LAST), (2, 2, LAST), (2, 4, LAST), (1, 1, LAST), (1, 2, LAST), (1, 4, LAST), (1, 4, NONE),
    (1, LAST, NONE), (1, NONE, NONE),
)  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """What a picture takes, estimated from its file."""

    bytes: float
    columns: int = 1
    rows: int = 1

    def of(self, columns: int, rows: int) -> float:
        """Characters in the page for so many of its samples."""
        share = min(columns, self.columns) * min(rows, self.rows) / (self.columns * self.rows)
        return (HEAD + self.bytes * share) * BASE64 + RULE

    def part(self, side: int) -> Cost:
        """The cost of its first samples alone, so many along a side."""
        columns, rows = min(side, self.columns), min(side, self.rows)
        return Cost(self.bytes * columns * rows / (self.columns * self.rows), columns, rows)


@dataclass
class Wanted:
    """What the page would show if it could be of any size. Costs of pictures, by what they are for."""

    first: list[list[Cost]] = field(default_factory=list)  # of each cell's first seed, by snapshot
    others: list[list[Cost]] = field(default_factory=list)
    real: list[Cost] = field(default_factory=list)
    gallery: list[Cost] = field(default_factory=list)
    neighbours: list[Cost] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """How much of it the page shows; without arguments, everything."""

    side: int = ALL  # samples along a side of the grids that the slider moves
    first: int = 1  # of the snapshots of each cell's first seed, every so many-th
    others: int = 1
    gallery: int = ALL  # samples along a side there
    neighbours: int = ALL  # samples with their neighbours
    real: int = ALL

    def kept(self, count: int, first: bool) -> list[int]:
        """Which of so many snapshots are shown, the last among them."""
        return stride(count, self.first if first else self.others)

    def note(self) -> str:
        """What is left out, in words; "" where nothing is."""
        parts = []
        if self.side < ALL:
            parts.append(f"the slider's grids show {self.side**2} of {ALL**2} samples")
        if self.first != 1:
            parts.append(f"of each cell's first seed {_often(self.first)}")
        if self.others != 1:
            parts.append(f"of the other seeds {_often(self.others)}")
        if not self.gallery:
            parts.append("the gallery is left out")
        return ", and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def _often(every: int) -> str:
    if every in (LAST, NONE):
        return "only the last snapshot is shown" if every else "no snapshot is shown"
    return "every second snapshot is shown" if every == 2 else f"every {every}th snapshot is shown"


def stride(count: int, every: int) -> list[int]:
    """Of `count` things every so many-th, counted from the last."""
    return list(range(count - 1, -1, -every))[::-1] if every else []


def room(results: Results, script: int) -> float:
    """Characters that the page has left for pictures beside `script` bytes of the charts' JavaScript, and its text."""
    lengths = results.curves.groupby("run").size()
    quantities = len(set(results.curves.columns) - curves.NO_QUANTITIES)

    def numbers(points: int) -> float:
        """In curves of so many points, and in their bands."""
        return 2 * 1.3 * lengths.clip(upper=points).sum() * quantities

    data = 7 * min(numbers(curves.MOST), max(curves.NUMBERS, numbers(curves.LEAST))) + 30 * len(results.snapshots)
    text = 300_000 + 6_000 * len(results.runs)
    return max(PAGE - script - data - text, LEAST)


def cost(path: Path, dataset: Dataset) -> Cost:
    """What the PNG at `path` takes, in whole and by its samples."""
    try:
        with path.open("rb") as file:
            head = file.read(33)
        size = path.stat().st_size
    except OSError:
        return Cost(0)
    if len(head) < 33:
        return Cost(0)
    whole = size_of(head)
    pitch = pitch_of(whole, dataset)
    return Cost(size, *((whole[0] - 1) // pitch[0], (whole[1] - 1) // pitch[1]) if pitch else (1, 1))


def plans(wanted: Wanted, room: float) -> Iterator[Plan]:
    """Plans whose cost should fit, the richest first; the last one holds hardly any picture."""
    neighbours = _most(wanted.neighbours, room * NEIGHBOURS, lambda one, n: one.of(ALL, n))
    real = _most(wanted.real, room * REAL, lambda one, n: one.of(n, n))
    gallery = _most(wanted.gallery, room * GALLERY, lambda one, n: one.of(n, n))
    taken = sum(one.of(ALL, neighbours) for one in wanted.neighbours if neighbours)
    taken += sum(one.of(real, real) for one in wanted.real if real)
    for side, firsts, others in THINNER:
        strips = sum(_strip(snapshots, side, firsts) for snapshots in wanted.first)
        strips += sum(_strip(snapshots, side, others) for snapshots in wanted.others)
        # The gallery's pictures are among the slider's where these are as large.
        beside = sum(one.of(gallery, gallery) for one in wanted.gallery if gallery > side or firsts != 1 or others != 1)
        plan = Plan(side, firsts, others, gallery, neighbours, real)
        if taken + strips + beside <= room or plan.first == NONE:
            yield plan


def _strip(snapshots: Sequence[Cost], side: int, every: int) -> float:
    return sum(snapshots[index].of(side, side) for index in stride(len(snapshots), every))


def _most(costs: Iterable[Cost], room: float, of: Callable[[Cost, int], float]) -> int:
    """How many samples along a side, or rows, of all these pictures fit."""
    costs = list(costs)
    return next((n for n in range(ALL, 0, -1) if sum(of(one, n) for one in costs) <= room), 0)
