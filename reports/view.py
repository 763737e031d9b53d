"""What the page shows of each comparison: its findings (`gan_bench.findings`) with colours, axes and pictures."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

from gan_bench.answers import Answer, answer, best_first
from gan_bench.findings import Comparison, Difference, Level, compare
from gan_bench.questions import stores_of
from gan_bench.results import Results, real_folder
from gan_bench_reports.differences import Axis, make_axis
from gan_bench_reports.heat import Heat, heat
from gan_bench_reports.pictures import Picture, Pictures

COLOURS = 8  # of the palette in styles/base.css; the first is the reference levels'
DASHES = ("solid", "dash", "dot", "dashdot")
GLANCE = 6  # levels at most in the picture beside an answer
GLANCE_APART = 26.0  # percent of its width between two ticks
STRIP = 1200  # CSS pixels in which a comparison's sample grids should stand in one row


@dataclass
class Cell:
    """The runs of a level, told apart by one colour throughout the page; equal levels of several comparisons are one."""

    index: int
    runs: dict[int, str]  # by seed
    colour: int = 0
    dash: str = "solid"


@dataclass
class ComparisonView:
    """One comparison."""

    id: str
    facts: Comparison
    cells: dict[tuple[str, ...], Cell]  # by `Level.cell`, of the whole page
    axis: dict[str, Axis | None]  # of the differences, by score label
    steps: list[int]  # of all snapshots
    real_pictures: list[tuple[str, Picture]]  # by the dataset's name
    last_shots: list[tuple[int, Picture | None]]  # of each level's run of the first seed: step and picture
    any_picture: Picture | None  # gives the room of a missing one
    zoom: int  # whole factor by which pictures are enlarged

    @property
    def pairs(self) -> str:
        """How many seeds the headline score's findings rest on, in words."""
        numbers = sorted({answer.finding.n for answer in self.facts.answers}) or [0]
        few = f"{numbers[0]} to " if len(numbers) > 1 else ""
        return f"{few}{numbers[-1]} seed{'s' if numbers[-1] != 1 else ''}"

    def cell(self, level: Level) -> Cell:
        """A level's colour and runs."""
        return self.cells[level.cell]

    @property
    def answer(self) -> Answer:
        """What is said of it first."""
        return answer(self.facts)

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

    @property
    def heat(self) -> Heat | None:
        """Its heat maps."""
        return heat(self.facts)

    @property
    def glance(self) -> list[Difference]:
        """The differences in the picture beside the answer: all in the grid's order, or the best where they are many."""
        answers = self.facts.answers
        return answers if len(answers) <= GLANCE else best_first(answers)[: GLANCE - 1]

    @property
    def glance_axis(self) -> Axis | None:
        """The picture's axis."""
        return make_axis([entry.finding for entry in self.glance], GLANCE_APART)

    @property
    def unseen(self) -> str:
        """How many more levels there are, by verdict, in words."""
        rest = best_first(self.facts.answers)[len(self.glance) :]
        counts = Counter(entry.verdict for entry in rest)
        return f"{len(rest)} more: {', '.join(f'{n} {verdict}' for verdict, n in counts.items())}" if rest else ""


@dataclass
class Builder:
    """Makes the views of all comparisons of the results."""

    results: Results
    pictures: Pictures
    cells: dict[tuple[str, ...], Cell] = field(default_factory=dict)
    shots: dict[str, list[tuple[int, Picture]]] = field(default_factory=dict)  # each run's pictures, by step

    def __post_init__(self) -> None:
        for run, step, path in self.results.pictures.itertuples(index=False):
            if picture := self.pictures.add(path):
                self.shots.setdefault(run, []).append((step, picture))

    def comparisons(self) -> list[ComparisonView]:
        """All comparisons, in the order of `compare`."""
        return [self._view(f"comparison-{i}", facts) for i, facts in enumerate(compare(self.results), 1)]

    def _view(self, id_: str, facts: Comparison) -> ComparisonView:
        self._colour(facts.levels)
        real_pictures = self._real_pictures(facts)
        shown = [picture for run in facts.runs for _, picture in self.shots.get(run, [])]
        shown += [picture for _, picture in real_pictures]
        widest = max((picture.width for picture in shown), default=STRIP)
        return ComparisonView(
            id=id_,
            facts=facts,
            cells=self.cells,
            axis={
                score: make_axis([entry.finding for entry in entries]) for score, entries in facts.differences.items()
            },
            steps=sorted({step for run in facts.runs for step, _ in self.shots.get(run, [])}),
            real_pictures=real_pictures,
            last_shots=[self._last_shot(level) for level in facts.levels],
            any_picture=shown[0] if shown else None,
            zoom=min(max(STRIP // ((len(facts.levels) + len(real_pictures)) * (widest + 16)), 1), 3),
        )

    def _real_pictures(self, facts: Comparison) -> list[tuple[str, Picture]]:
        """Real samples of each dataset that these runs trained on."""
        datasets = [self.results.documents.get(run, {}).get("dataset") or {} for run in facts.runs]
        names = {data["fingerprint"]: data["name"] for data in datasets if data}
        taken: list[tuple[str, Picture]] = []
        for fingerprint, name in names.items():
            with suppress(ValueError):  # no folder of a dataset
                folders = (real_folder(self.results.stores[store], fingerprint) for store in facts.stores)
                pictures = (self.pictures.add(folder / "samples.png") for folder in folders)
                taken += [(name, picture) for picture in pictures if picture][:1]
        return taken

    def _last_shot(self, level: Level) -> tuple[int, Picture | None]:
        run = level.runs[min(level.runs)] if level.runs else ""
        return self.shots.get(run, [(0, None)])[-1]

    def _colour(self, levels: list[Level]) -> None:
        """Give new cells a colour that no other level of this comparison has, and as few elsewhere as can be."""
        cells = [self.cells.setdefault(level.cell, Cell(-1, level.runs)) for level in levels]
        taken = {(cell.colour, cell.dash) for cell in cells if cell.index >= 0}
        looks = [(colour, dash) for dash in DASHES for colour in range(COLOURS)]
        for cell, level in zip(cells, levels, strict=True):
            if cell.index >= 0:
                continue
            known = [other for other in self.cells.values() if other.index >= 0]
            free = [look for look in looks if look not in taken and (look[0] > 0 or level.reference)]
            uses = {look: sum((other.colour, other.dash) == look for other in known) for look in looks}
            # Colours before patterns: a pattern is for the ninth level of one comparison.
            cell.colour, cell.dash = min(free or looks, key=lambda look: (DASHES.index(look[1]), uses[look], look[0]))
            cell.index = len(known)
            taken.add((cell.colour, cell.dash))
