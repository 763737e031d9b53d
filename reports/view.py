"""What the page shows of each comparison: its findings (`gan_bench.findings.compare`) with colours, axes and pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from gan_bench.findings.answers import Answer, answer, best_first, by_standing
from gan_bench.findings.compare import compare, tell
from gan_bench.findings.comparisons import Comparison, Difference, Level
from gan_bench.findings.pooling import stores_of
from gan_bench.findings.score_columns import ScoreColumn
from gan_bench.findings.sentences import amount
from gan_bench.findings.tables import Results
from gan_bench_reports.differences import Axis, make_axis
from gan_bench_reports.formats import brief
from gan_bench_reports.heat import Heat, heat
from gan_bench_reports.many import MANY_RUNS, Sample, shortened
from gan_bench_reports.pictures import Picture, Pictures
from gan_bench_reports.shots import Place, take
from gan_bench_reports.sides import Mark, SidesPicture, sides_picture

COLOURS = 8  # of the palette in styles/base.css; the first is the reference levels'
DASHES = ("solid", "dash", "dot", "dashdot")
GLANCE = 6  # levels at most in the picture beside an answer
MANY = 12  # levels above which findings are lines, and not all are drawn in charts at first
GLANCE_APART = 26.0  # percent of its width between two ticks
STRIP = 1200  # CSS pixels in which a comparison's sample grids should stand in one row
SEEN = 300  # CSS pixels up to which one is enlarged all the same


@dataclass
class Cell:
    """The runs of a level, told apart by one colour throughout the page; equal levels of several comparisons are one."""

    index: int
    runs: dict[int, str]  # by seed
    colour: int = 0
    dash: str = "solid"


@dataclass(frozen=True)
class Tile:
    """A level's sample grid: of its first seed, at the last snapshot."""

    step: int
    picture: Picture | None
    real: Picture | None  # of the data that it was trained on
    rows: tuple[str, ...] = ()  # the classes of its rows


@dataclass
class ComparisonView:
    """One comparison."""

    id: str
    facts: Comparison  # what is shown of it
    whole: Comparison  # with all of its levels
    cells: dict[tuple[str, ...], Cell]  # by `Level.cell`, of the whole page
    axis: dict[str, Axis | None]  # of the differences, by score label
    steps: list[int]  # of all snapshots
    real_pictures: list[tuple[str, Picture, tuple[str, ...]]]  # by the dataset's name, with the classes of its rows
    tiles: list[Tile]  # of each level
    any_picture: Picture | None  # gives the room of a missing one
    side: int  # most samples along a side of a picture
    zoom: int  # whole factor by which pictures are enlarged
    sides: SidesPicture | None = None  # where quality and diversity are both tested
    alone: frozenset[str] | None = None  # the runs that are shown by themselves; None: all

    @property
    def by_class(self) -> bool:
        """Whether pictures have a row a class."""
        return any(tile.rows for tile in self.tiles)

    @property
    def pairs(self) -> str:
        """How many seeds the headline score's findings rest on, in words."""
        numbers = sorted({answer.finding.n for answer in self.whole.answers}) or [0]
        few = f"{numbers[0]} to " if len(numbers) > 1 else ""
        return f"{few}{numbers[-1]} seed{'s' if numbers[-1] != 1 else ''}"

    @property
    def figures(self) -> dict[str, dict[str, Any]]:
        """What a saved picture of the differences shows, by score label."""
        return {
            column.label: {
                "title": column.title,
                "better": column.better,
                "reference": self.facts.reference.label,
                "ends": [axis.low, axis.high],
                "ticks": [(axis.low + (axis.high - axis.low) * at / 100, words) for at, words in axis.ticks],
                "rows": [
                    {
                        "label": entry.level.label,
                        "colour": self.cell(entry.level).colour,
                        "seeds": entry.finding.differences,
                        "interval": entry.finding.interval and [*map(axis.clipped, entry.finding.interval)],
                        "mean": entry.finding.mean,
                        "said": f"{amount(entry.finding, entry.finding.mean)}, {brief(entry.verdict)}",
                    }
                    for entry in self.facts.differences[column.label]
                    if entry.finding.n
                ],
            }
            for column in self.facts.scores
            if (axis := self.axis[column.label])
        }

    def cell(self, level: Level) -> Cell:
        """A level's colour and runs."""
        return self.cells[level.cell]

    @property
    def answer(self) -> Answer:
        """What is said of it first."""
        return answer(self.whole)

    @property
    def left_out(self) -> int:
        """How many levels are not shown."""
        return len(self.whole.levels) - len(self.facts.levels)

    @cached_property
    def seeds(self) -> list[int]:
        """Those whose pictures are shown."""
        own = ((seed, run) for level in self.facts.levels for seed, run in level.runs.items())
        return sorted({seed for seed, run in own if self.alone is None or run in self.alone})

    def origins(self, level: Level) -> str:
        """How many runs of a level each store has, where they are of several."""
        if len(self.facts.stores) < 2:
            return ""
        return ", ".join(f"{n} {store}" for store, n in stores_of(list(level.runs.values())).items())

    @property
    def side_by_side(self) -> list[tuple[str, list[tuple[Comparison, Level | None, Difference | None]]]]:
        """By label: in each store that asks the same question, the level and its difference to the reference."""
        parts = self.facts.beside
        labels = dict.fromkeys(level.label for part in parts for level in part.levels)
        levels = [{level.label: level for level in part.levels} for part in parts]
        entries = [{entry.level.label: entry for entry in part.answers} for part in parts]
        return [
            (
                label,
                [
                    (part, own.get(label), found.get(label))
                    for part, own, found in zip(parts, levels, entries, strict=True)
                ],
            )
            for label in labels
        ]

    def entry(self, level: Level, column: ScoreColumn) -> Difference | None:
        """A level's difference to the reference; None of the reference itself."""
        return next((entry for entry in self.facts.differences[column.label] if entry.level is level), None)

    @cached_property
    def heat(self) -> Heat | None:
        """Its heat maps."""
        return heat(self.whole)

    @property
    def many(self) -> bool:
        """Whether there are more levels than a reader wants a sentence and a line of."""
        return len(self.whole.levels) > MANY

    @cached_property
    def drawn(self) -> list[str]:
        """The labels of the levels that charts show at first: all, or of many those named beside the answer."""
        named = [mark.level for mark in self.shown_sides] or [
            self.facts.reference,
            *(entry.level for entry in self.glance),
        ]
        return [level.label for level in (named if self.many else self.facts.levels)]

    @cached_property
    def glance(self) -> list[Difference]:
        """The differences in the picture beside the answer: all in the grid's order, or the best where they are many."""
        answers = self.whole.answers
        return answers if len(answers) <= GLANCE else best_first(answers)[: GLANCE - 1]

    @property
    def shown_sides(self) -> list[Mark]:
        """The levels named beside the picture of both sides, the reference first: all, or those of which most is told."""
        reference = [mark for mark in self.sides.marks if mark.level.reference] if self.sides else []
        return reference + self._marks[: len(self.glance)]

    @cached_property
    def _marks(self) -> list[Mark]:
        """The other levels: in the grid's order, or where they are many those first that stand out."""
        if self.sides is None:
            return []
        marks = {id(mark.level): mark for mark in self.sides.marks if not mark.level.reference}
        if len(marks) <= GLANCE:
            return list(marks.values())
        return [marks[id(one.level)] for one in by_standing(self.whole)]

    @property
    def glance_axis(self) -> Axis | None:
        """The picture's axis."""
        return make_axis([entry.finding for entry in self.glance], GLANCE_APART)

    @property
    def unseen(self) -> str:
        """How many more levels there are, by what is said of them, in words."""
        rest = [mark.said for mark in self._marks[len(self.glance) :]]
        if self.sides is None:
            rest = [entry.verdict for entry in best_first(self.whole.answers)[len(self.glance) :]]
        counts = ", ".join(f"{n} {brief(said)}" for said, n in Counter(rest).items())
        return f"{len(rest)} more: {counts}" if rest else ""


@dataclass
class Builder:
    """Makes the views of all comparisons of the results."""

    results: Results
    pictures: Pictures
    room: Callable[[Results], float] | None = None  # that the pictures of results may take, in characters of the page
    cells: dict[tuple[str, ...], Cell] = field(default_factory=dict)
    sample: Sample | None = None  # of many runs: which are shown

    def __post_init__(self) -> None:
        many = len(self.results.runs) > MANY_RUNS
        self.whole = self.facts = compare(self.results, words=not many)
        self.shown = self.results
        if many:
            self.facts = shortened(self.whole)
            tell(self.results, self.facts)
            self.sample = Sample.of(self.results, self.facts)
            self.shown = self.sample.part(self.results)
        self.runs = self.results.runs.set_index("run")
        self.uses: Counter[tuple[int, str]] = Counter()
        self.shots = take(self.shown, self.facts, self.pictures, self.room and self.room(self.shown))

    def comparisons(self) -> list[ComparisonView]:
        """All comparisons, in the order of `compare`."""
        return [
            self._view(f"comparison-{i}", *both) for i, both in enumerate(zip(self.facts, self.whole, strict=True), 1)
        ]

    def colours(self) -> dict[tuple[str, str], int]:
        """Each level's colour, by its comparison's title and its label."""
        levels = [(facts.title, level) for facts in self.whole for level in facts.levels]
        return {(title, level.label): self.cells[level.cell].colour for title, level in levels}

    def _view(self, id_: str, facts: Comparison, whole: Comparison) -> ComparisonView:
        self._colour(whole.levels)
        places = {run: place for run in facts.runs if (place := self.shots.place.get(run)) in self.shots.real}
        rows = {place: self.shots.rows[run] for run, place in places.items() if run in self.shots.rows}
        real_pictures = [
            (self.shots.datasets[place]["name"], self.shots.classes[place], rows[place])
            if place in rows and place in self.shots.classes
            else (self.shots.datasets[place]["name"], self.shots.real[place], ())
            for place in dict.fromkeys(places.values())
        ]
        side = self.shots.plan.side
        steps = {run: self.shots.runs.get(run, []) for run in facts.runs}
        shown = [picture for shots in steps.values() for _, picture in shots]
        shown += [picture for _, picture, _ in real_pictures]
        widest = max((picture.window(side, side)[0] for picture in shown), default=STRIP)
        return ComparisonView(
            id=id_,
            facts=facts,
            whole=whole,
            cells=self.cells,
            axis={
                score: make_axis([entry.finding for entry in entries]) for score, entries in facts.differences.items()
            },
            steps=sorted({step for shots in steps.values() for step, _ in shots}),
            real_pictures=real_pictures,
            tiles=[self._tile(level, places) for level in facts.levels],
            any_picture=shown[0] if shown else None,
            side=side,
            sides=sides_picture(whole, self.runs),
            alone=self.sample and self.sample.alone,
            zoom=min(max(STRIP // ((len(facts.levels) + len(real_pictures)) * (widest + 16)), SEEN // widest, 1), 3),
        )

    def _tile(self, level: Level, places: dict[str, Place]) -> Tile:
        seeds = [seed for seed, run in level.runs.items() if not self.sample or run in self.sample.alone]
        run = level.runs[min(seeds)] if seeds else ""
        step, picture = self.shots.runs.get(run, [(0, None)])[-1]
        dataset = next((places[run] for run in level.runs.values() if run in places), None)
        return Tile(step, picture, self.shots.real[dataset] if dataset else None, self.shots.rows.get(run, ()))

    def _colour(self, levels: list[Level]) -> None:
        """Give new cells a colour that no other level of this comparison has, and as few elsewhere as can be."""
        cells = [self.cells.setdefault(level.cell, Cell(-1, level.runs)) for level in levels]
        taken = {(cell.colour, cell.dash) for cell in cells if cell.index >= 0}
        looks = [(colour, dash) for dash in DASHES for colour in range(COLOURS)]
        for cell, level in zip(cells, levels, strict=True):
            if cell.index >= 0:
                continue
            allowed = [look for look in looks if look[0] > 0 or level.reference]
            uses = self.uses
            # Colours before patterns: a pattern is for the ninth level of one comparison. A look twice in it if need be.
            cell.colour, cell.dash = min(
                allowed,
                key=lambda look: (look in taken and uses[look], DASHES.index(look[1]), uses[look], look[0]),
            )
            cell.index = uses.total()
            uses[cell.colour, cell.dash] += 1
            taken.add((cell.colour, cell.dash))
