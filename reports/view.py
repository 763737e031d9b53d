"""What the page shows of each comparison and run, ready for the templates."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from gan_bench.effects import effects
from gan_bench.finding_text import details, effect_sentence, sentence
from gan_bench.grid.labels import plugin_text, tricks_text
from gan_bench.results import Results, ScoreColumn, real_folder, run_key
from gan_bench.settings_text import text
from gan_bench.statistics import SEEDS_FOR_A_TEST, Finding, Verdict, correct, paired_difference
from gan_bench_reports.differences import Axis, make_axis
from gan_bench_reports.pictures import Picture, Pictures

COLOURS = 8  # of the palette in page.css; the first is the reference levels'
DASHES = ("solid", "dash", "dot", "dashdot")
STRIP = 1200  # CSS pixels in which a comparison's sample grids should stand in one row


@dataclass
class Cell:
    """The runs of a level, told apart by one colour throughout the page; equal levels of several comparisons are one."""

    index: int
    runs: dict[int, str]  # by seed
    colour: int = 0
    dash: str = "solid"


@dataclass(frozen=True)
class Value:
    """Mean and standard deviation over seeds of one score at one moment."""

    mean: float
    deviation: float
    n: int
    best: bool = False


@dataclass
class FindingView:
    """A level's difference to the reference, with its sentence."""

    level: LevelView
    finding: Finding
    primary: bool  # whether a verdict is given: of the grid's first metric alone
    sentence: str = ""
    details: str = ""

    @property
    def verdict(self) -> Verdict:
        """What is said of it."""
        return self.finding.verdict if self.primary else "not tested"


@dataclass
class EffectView:
    """A main effect or an interaction of a product comparison, with its sentence."""

    finding: Finding
    change: str  # the levels, in words
    references: str
    others: str  # axes that it is averaged over
    turns: bool
    sentence: str = ""


@dataclass
class LevelView:
    """One row of a comparison's table."""

    label: str
    reference: bool
    cell: Cell
    seeds: dict[str, list[int]]  # by status: finished, failed, unfinished, damaged
    values: dict[str, dict[str, Value]]  # by score label, then last or best
    numbers: dict[str, float | None]  # means: parameters, seconds, images a second
    stale: int  # runs whose results are out of date

    @property
    def missing(self) -> list[int]:
        """Seeds that have neither finished nor failed."""
        return self.seeds["unfinished"] + self.seeds["damaged"]

    @property
    def troubled(self) -> str:
        """Runs that are missing in the means, and those that are out of date, in words."""
        counts = {status: len(seeds) for status, seeds in self.seeds.items() if status != "finished"}
        return ", ".join(f"{n} {status}" for status, n in {**counts, "stale": self.stale}.items() if n)


@dataclass
class ComparisonView:
    """One comparison."""

    id: str
    title: str
    axes: list[str]
    budget: str
    levels: list[LevelView]
    findings: dict[str, list[FindingView]]  # by score label
    effects: list[EffectView]  # of a product of axes, by the headline score
    axis: dict[str, Axis | None]
    real: dict[str, tuple[float, float]]  # by score label: the floor, and the number of real samples in it
    looks: int  # most snapshots that a best one was picked from
    seeds: list[int]
    steps: list[int]  # of all snapshots
    real_pictures: list[tuple[str, Picture]]  # by the dataset's name
    last_shots: list[tuple[int, Picture | None]]  # of each level's run of the first seed: step and picture
    any_picture: Picture | None  # gives the room of a missing one
    zoom: int  # whole factor by which pictures are enlarged

    @property
    def reference(self) -> LevelView:
        """The level that the others are compared with."""
        return next((level for level in self.levels if level.reference), self.levels[0])

    @property
    def headline(self) -> str | None:
        """The score that the short answer is about: the first of the grid's metrics."""
        return next(iter(self.findings), None)

    @property
    def pairs(self) -> str:
        """How many seeds the headline score's findings rest on, in words, and how many it takes where they are too few."""
        numbers = sorted({view.finding.n for view in self.findings[self.headline]} if self.headline else ()) or [0]
        few = f"{numbers[0]} to " if len(numbers) > 1 else ""
        seeds = f"{few}{numbers[-1]} seed{'s' if numbers[-1] != 1 else ''}"
        return seeds if numbers[0] >= SEEDS_FOR_A_TEST else f"{seeds}; a verdict needs at least {SEEDS_FOR_A_TEST}"

    def by_verdict(self) -> dict[Verdict, list[FindingView]]:
        """Levels other than the reference, by what the headline score says of them."""
        groups: dict[Verdict, list[FindingView]] = {}
        if self.headline is None:
            return groups
        for verdict in ("better", "worse", "no difference can be told", "not tested"):
            if entries := [view for view in self.findings[self.headline] if view.verdict == verdict]:
                groups[verdict] = entries
        return groups


@dataclass
class Builder:
    """Makes the views of all comparisons of the results."""

    results: Results
    pictures: Pictures
    cells: dict[tuple[str, ...], Cell] = field(default_factory=dict)
    shots: dict[str, list[tuple[int, Picture]]] = field(default_factory=dict)  # each run's pictures, by step

    def __post_init__(self) -> None:
        self.runs = self.results.runs.set_index("run")
        self.scored = set(self.results.snapshots[["run", "score"]].itertuples(index=False, name=None))
        for run, step, path in self.results.pictures.itertuples(index=False):
            if picture := self.pictures.add(path):
                self.shots.setdefault(run, []).append((step, picture))

    def comparisons(self) -> list[ComparisonView]:
        """All comparisons, store by store, in the grid's order."""
        views: list[ComparisonView] = []
        for store, grid in self.results.grids.items():
            for comparison in grid["comparisons"]:
                views.append(self._comparison(f"comparison-{len(views) + 1}", store, comparison))
        self._correct(views)
        for view in views:
            self._put_into_words(view)
        return views

    @staticmethod
    def _correct(views: list[ComparisonView]) -> None:
        """Correct what is tested for the number of tests in this report; of equal runs there is one."""
        tests: dict[Any, list[FindingView | EffectView]] = {}
        for view in views:
            for entry in view.findings.get(view.headline or "", []):
                tests.setdefault((view.headline, entry.level.cell.index, view.reference.cell.index), []).append(entry)
            for index, effect in enumerate(view.effects):
                tests[view.id, index] = [effect]
        for same, finding in zip(tests.values(), correct([same[0].finding for same in tests.values()]), strict=True):
            for test in same:
                test.finding = finding

    def _put_into_words(self, view: ComparisonView) -> None:
        for score, entries in view.findings.items():
            column = self.results.score(score)
            for entry in entries:
                both = (entry.level, view.reference)
                entry.sentence = sentence(
                    entry.finding,
                    level=entry.level.label,
                    reference=view.reference.label,
                    score=column.title,
                    primary=None if entry.primary else str(view.headline),
                    failed={each.label: each.seeds["failed"] for each in both},
                    missing={each.label: each.missing for each in both},
                    unscored={each.label: self._unscored(each, column) for each in both},
                )
                entry.details = "; ".join(details(entry.finding))
        for effect in view.effects:
            effect.sentence = effect_sentence(
                effect.finding,
                change=effect.change,
                references=effect.references,
                score=self.results.score(str(view.headline)).title,
                others=effect.others,
                turns=effect.turns,
            )

    def _comparison(self, id_: str, store: str, comparison: dict[str, Any]) -> ComparisonView:
        cells = self._colour([self._cell(store, level["runs"]) for level in comparison["levels"]], comparison["levels"])
        levels = [self._level(cell, level) for cell, level in zip(cells, comparison["levels"], strict=True)]
        runs = [run for level in levels for run in level.cell.runs.values()]
        mine = self.results.snapshots[self.results.snapshots["run"].isin(runs)]
        scores = [column for column in self.results.scores if column.label in set(mine["score"])]
        for column in scores:
            self._mark_best(column, levels)
        real = self.results.real[self.results.real["store"] == store]
        floors = {row.score: (row.value, row.generated) for row in real.itertuples() if not math.isnan(row.value)}
        real_pictures = self._real_pictures(store, runs)
        shown = [picture for run in runs for _, picture in self.shots.get(run, [])] + [p for _, p in real_pictures]
        widest = max((picture.width for picture in shown), default=STRIP)
        view = ComparisonView(
            id=id_,
            title=comparison["title"],
            axes=comparison.get("axes", []),
            budget=comparison.get("budget", "steps"),
            levels=levels,
            findings={},
            effects=[],
            axis={},
            real={column.label: floors[column.label] for column in scores if column.label in floors},
            looks=int(mine.groupby("run")["step"].nunique().max()) if len(mine) else 0,
            seeds=sorted({seed for level in levels for seed in level.cell.runs}),
            steps=sorted({step for run in runs for step, _ in self.shots.get(run, [])}),
            real_pictures=real_pictures,
            last_shots=[self._last_shot(level) for level in levels],
            any_picture=shown[0] if shown else None,
            zoom=min(max(STRIP // ((len(levels) + len(real_pictures)) * (widest + 16)), 1), 3),
        )
        for column in scores:
            others = [level for level in levels if level is not view.reference]
            view.findings[column.label] = [
                self._finding(level, view.reference, column, primary=column is scores[0]) for level in others
            ]
            view.axis[column.label] = make_axis([entry.finding for entry in view.findings[column.label]])
        if scores and len(view.axes) > 1:
            view.effects = self._effects(view, [level.get("values") for level in comparison["levels"]], scores[0])
        return view

    def _effects(self, view: ComparisonView, values: list[Any], column: ScoreColumn) -> list[EffectView]:
        """What each axis does, and how that depends on another; none of a store that does not say each level's values."""
        if not all(isinstance(each, dict) and each.keys() >= set(view.axes) for each in values):
            return []
        words = [tuple(_level_text(axis, each[axis]) for axis in view.axes) for each in values]
        if len(set(words)) < len(words):
            return []
        scores = {name: self._last_scores(level, column) for name, level in zip(words, view.levels, strict=True)}
        reference = words[view.levels.index(view.reference)]
        found = effects(scores, reference, "log" if column.scale == "log" else "raw", _better(column))
        return [
            EffectView(
                effect.finding,
                change=" together with ".join(level for _, level in effect.changed),
                references=" and ".join(reference[axis] for axis, _ in effect.changed)
                + (", beyond the sum of both alone" if len(effect.changed) > 1 else ""),
                others=" and ".join(
                    axis for i, axis in enumerate(view.axes) if i not in {axis for axis, _ in effect.changed}
                ),
                turns=effect.turns,
            )
            for effect in found
        ]

    def _real_pictures(self, store: str, runs: list[str]) -> list[tuple[str, Picture]]:
        """Real samples of each dataset that these runs trained on."""
        datasets = [self.results.documents.get(run, {}).get("dataset") or {} for run in runs]
        names = {data["fingerprint"]: data["name"] for data in datasets if data}
        taken: list[tuple[str, Picture]] = []
        for fingerprint, name in names.items():
            with suppress(ValueError):  # no folder of a dataset
                picture = self.pictures.add(real_folder(self.results.stores[store], fingerprint) / "samples.png")
                taken += [(name, picture)] if picture else []
        return taken

    def _last_shot(self, level: LevelView) -> tuple[int, Picture | None]:
        run = level.cell.runs[min(level.cell.runs)] if level.cell.runs else ""
        return self.shots.get(run, [(0, None)])[-1]

    def _cell(self, store: str, runs: dict[str, str]) -> Cell:
        keyed = {int(seed): run_key(run, store, self.results.stores) for seed, run in runs.items()}
        return self.cells.setdefault(tuple(sorted(keyed.values())), Cell(-1, keyed))

    def _colour(self, cells: list[Cell], levels: list[dict[str, Any]]) -> list[Cell]:
        """Give new cells a colour that no other level of this comparison has, and as few elsewhere as can be."""
        taken = {(cell.colour, cell.dash) for cell in cells if cell.index >= 0}
        looks = [(colour, dash) for dash in DASHES for colour in range(COLOURS)]
        for cell, level in zip(cells, levels, strict=True):
            if cell.index >= 0:
                continue
            known = [other for other in self.cells.values() if other.index >= 0]
            free = [look for look in looks if look not in taken and (look[0] > 0 or level["reference"])]
            uses = {look: sum((other.colour, other.dash) == look for other in known) for look in looks}
            # Colours before patterns: a pattern is for the ninth level of one comparison.
            cell.colour, cell.dash = min(free or looks, key=lambda look: (DASHES.index(look[1]), uses[look], look[0]))
            cell.index = len(known)
            taken.add((cell.colour, cell.dash))
        return cells

    def _level(self, cell: Cell, level: dict[str, Any]) -> LevelView:
        seeds: dict[str, list[int]] = {status: [] for status in ("finished", "failed", "unfinished", "damaged")}
        for seed, run in cell.runs.items():
            seeds[self.runs.at[run, "status"]].append(seed)
        finished = self.runs.loc[[cell.runs[seed] for seed in seeds["finished"]]]
        known = self.runs.loc[list(cell.runs.values())]
        values = {
            column.label: {moment: _value(finished[f"{column.label} {moment}"]) for moment in ("last", "best")}
            for column in self.results.scores
        }
        numbers = {
            "generator_parameters": _mean(known, "generator_parameters"),
            "discriminator_parameters": _mean(known, "discriminator_parameters"),
            "seconds": _mean(finished, "seconds"),
            "images_per_second": _mean(finished, "images_per_second"),
        }
        stale = int((known["stale"] != "").sum())
        return LevelView(level["label"], level["reference"], cell, seeds, values, numbers, stale)

    @staticmethod
    def _mark_best(column: ScoreColumn, levels: list[LevelView]) -> None:
        """Mark the best mean of each moment, where there are at least two to choose from."""
        for moment in ("last", "best"):
            scored = [level for level in levels if level.values[column.label][moment].n]
            if len(scored) < 2:
                continue
            choose = min if column.better == "lower" else max
            best = choose(scored, key=lambda level: level.values[column.label][moment].mean)
            value = best.values[column.label][moment]
            best.values[column.label][moment] = Value(value.mean, value.deviation, value.n, best=True)

    def _finding(self, level: LevelView, reference: LevelView, column: ScoreColumn, primary: bool) -> FindingView:
        finding = paired_difference(
            self._last_scores(level, column),
            self._last_scores(reference, column),
            "log" if column.scale == "log" else "raw",
            _better(column),
            (level.seeds["failed"], reference.seeds["failed"]),
        )
        return FindingView(level, finding, primary)

    def _unscored(self, level: LevelView, column: ScoreColumn) -> list[int]:
        """Seeds that finished without this score; none where no run of the level has it, as on another dataset."""
        if not any((run, column.label) in self.scored for run in level.cell.runs.values()):
            return []
        return [seed for seed, value in self._last_scores(level, column).items() if math.isnan(value)]

    def _last_scores(self, level: LevelView, column: ScoreColumn) -> dict[int, float]:
        """Scores of the finished runs, at their last snapshot, by seed."""
        return {
            seed: float(self.runs.at[level.cell.runs[seed], f"{column.label} last"]) for seed in level.seeds["finished"]
        }


def _better(column: ScoreColumn) -> Literal["lower", "higher"]:
    return "higher" if column.better == "higher" else "lower"


def _level_text(axis: str, value: Any) -> str:
    """One axis' value in words."""
    if axis == "tricks" and isinstance(value, list):
        return tricks_text([trick if isinstance(trick, dict) else {"name": text(trick)} for trick in value])
    if isinstance(value, dict):
        return plugin_text(value)
    return text(value) if "." not in axis else f"{axis.rpartition('.')[2]} {text(value)}"


def _value(values: pd.Series) -> Value:
    values = values.dropna()
    return Value(float(values.mean()), float(values.std(ddof=1)), len(values))


def _mean(table: pd.DataFrame, name: str) -> float | None:
    values = table[name].dropna() if name in table else []
    return float(sum(values) / len(values)) if len(values) else None
