"""What a comparison holds: its levels, and what was found of their differences. `gan_bench.findings.compare` fills it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from gan_bench.stats.paired import Finding, Verdict

if TYPE_CHECKING:
    from gan_bench.findings.score_columns import ScoreColumn
    from gan_bench.stats.effects import Effect
    from gan_bench.stats.sequential import Look

Budget = Literal["images", "seconds"]


@dataclass(frozen=True)
class Value:
    """Mean and standard deviation over seeds of one score at one moment."""

    mean: float
    deviation: float
    n: int
    best: bool = False  # the best mean of the comparison's levels


@dataclass
class Level:
    """One row of a comparison's table."""

    label: str
    reference: bool
    runs: dict[int, str]  # by seed
    seeds: dict[str, list[int]]  # by status: finished, failed, unfinished, damaged
    values: dict[str, dict[str, Value]]  # by score label, then last or best
    numbers: dict[str, float | None]  # means: parameters, FLOPs an image, seconds, images a second, peak memory
    stale: int  # runs whose results are out of date
    health: dict[str, int]  # how many runs have which diagnosis, or are "healthy"; of those of which it is known
    mixed: int = 0  # pairs with the reference that were trained on several kinds of devices

    @property
    def cell(self) -> tuple[str, ...]:
        """What it shares with equal levels of other comparisons: its runs."""
        return tuple(sorted(self.runs.values()))

    @property
    def missing(self) -> list[int]:
        """Seeds that have neither finished nor failed."""
        return self.seeds["unfinished"] + self.seeds["damaged"]

    @property
    def troubled(self) -> str:
        """Runs that are missing in the means or out of date, and pairs of mixed kinds of device, in words."""
        counts = {status: len(seeds) for status, seeds in self.seeds.items() if status != "finished"}
        marks = {**counts, "stale": self.stale, "of mixed kinds of device": self.mixed}
        return ", ".join(f"{n} {mark}" for mark, n in marks.items() if n)


@dataclass
class Difference:
    """A level's difference to the reference, with its sentence."""

    level: Level
    finding: Finding
    primary: bool  # whether a verdict is given: of the grid's headlines alone
    seeds: frozenset[int] = frozenset()  # that it is about: those of looks whose runs have all ended
    sentence: str = ""
    details: str = ""
    unpaired: tuple[str, ...] = ()  # why no seed has a score in both, a clause each; empty where one has

    @property
    def verdict(self) -> Verdict:
        """What is said of it."""
        return self.finding.verdict if self.primary else "not tested"


@dataclass
class AxisEffect:
    """A main effect or an interaction of a product comparison, with its sentence."""

    finding: Finding
    change: str  # the levels, in words
    references: str
    others: str  # axes that it is averaged over
    effect: Effect  # as it was computed
    failed: dict[str, list[int]]  # by cell: seeds that are left out because their runs failed
    missing: dict[str, list[int]]  # or have not ended
    unscored: dict[str, list[int]]  # or have no score
    sentence: str = ""


@dataclass(frozen=True)
class AtBudget:
    """A level and its reference at an equal budget."""

    level: Level
    budget: Budget
    amount: float  # images, or seconds of training
    finding: Finding
    sentence: str


@dataclass
class Comparison:
    """One question, and what the runs say to it."""

    stores: list[str]  # whose runs these are
    title: str
    axes: list[str]
    budget: str
    levels: list[Level]
    scores: list[ScoreColumn]  # those that its runs have and the grid asks for, in the grid's order
    headlines: list[ScoreColumn]  # those of them that are tested; the first one ranks
    words: list[tuple[str, ...]]  # of each level its values of the axes; empty where not known or not distinct
    real: dict[str, tuple[float, float]]  # by score label: the floor, and the number of real samples in it
    candidates: int  # most snapshots that a best one was picked from
    best_again: bool  # whether best snapshots have scores on other samples than those they were picked by
    looks: list[Look]  # that were taken while seeds were added; empty where seeds are the grid's
    differences: dict[str, list[Difference]] = field(default_factory=dict)  # by score label
    effects: list[AxisEffect] = field(default_factory=list)  # of a product of axes, by the headline score
    budgets: dict[Budget, list[AtBudget]] = field(default_factory=dict)  # by the headline score
    beside: list[Comparison] = field(default_factory=list)  # the same question in each store that asks it, untested
    apart: str = ""  # why it is not pooled with the same question of another store
    notes: list[str] = field(default_factory=list)  # on how it was pooled
    doubles: list[str] = field(default_factory=list)  # runs that do not count, for another store's copies do

    @property
    def store(self) -> str:
        """The stores in words."""
        return " and ".join(self.stores)

    @property
    def reference(self) -> Level:
        """The level that the others are compared with."""
        return next((level for level in self.levels if level.reference), self.levels[0])

    @property
    def headline(self) -> ScoreColumn | None:
        """The score that ranks: levels, best snapshots, pictures."""
        return self.headlines[0] if self.headlines else None

    @property
    def answers(self) -> list[Difference]:
        """The first headline's differences."""
        return self.differences[self.headline.label] if self.headline else []

    @property
    def tests(self) -> list[list[Difference]]:
        """Of each level but the reference its differences by every headline."""
        by_score = [self.differences[column.label] for column in self.headlines]
        return [list(own) for own in zip(*by_score, strict=True)]

    @property
    def runs(self) -> list[str]:
        """Runs of all levels."""
        return [run for level in self.levels for run in level.runs.values()]

    @property
    def seeds(self) -> list[int]:
        """Seeds of all levels."""
        return sorted({seed for level in self.levels for seed in level.runs})
