"""The gallery: each cell's best and last sample grid, and its samples beside their nearest training samples."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gan_bench.findings.comparisons import Comparison, Level
from gan_bench.findings.tables import Results
from gan_bench_reports.pictures import Picture, Size

WIDTH = 300  # CSS pixels that a picture may take there
SAMPLE = 48  # CSS pixels at which what a sample shows is seen


@dataclass
class Moment:
    """A snapshot that is shown."""

    run: str
    seed: int
    step: int
    value: float | None  # of the headline score
    picture: Picture | None = None


@dataclass
class Exhibit:
    """A cell in the gallery."""

    label: str
    cell: tuple[str, ...]  # its `Level.cell`
    score: str | None  # the headline's label
    best: Moment | None  # over all seeds and snapshots; none without a score
    last: Moment  # of the same run
    neighbours: Moment | None
    real: Picture | None = None
    rows: tuple[str, ...] = ()  # the classes of its pictures' rows

    @property
    def moments(self) -> list[Moment]:
        """Best and last, once where they are the same."""
        return [self.best, self.last] if self.best and self.best.step != self.last.step else [self.last]


def columns(pitch: Size | None, most: int) -> int:
    """How many samples stand side by side in the gallery."""
    return min(most, max(WIDTH // (enlargement(pitch) * pitch[0]), 1)) if pitch else most


def enlargement(pitch: Size | None) -> int:
    """The whole factor by which a picture is enlarged there."""
    return math.ceil(SAMPLE / pitch[0]) if pitch else 1


def exhibits(results: Results, comparisons: list[Comparison]) -> list[Exhibit]:
    """One of each cell that has a picture, in the order of the comparisons; without the pictures themselves."""
    labels = dict(zip(results.runs["run"], results.runs["cell"], strict=True))
    steps: dict[str, list[int]] = {}
    for run, step in results.pictures[["run", "step"]].itertuples(index=False):
        steps.setdefault(run, []).append(step)
    neighbours = {run: max(table["step"]) for run, table in results.neighbours.groupby("run")}
    values = {
        score: {(run, step): value for run, step, value in table[["run", "step", "value"]].itertuples(index=False)}
        for score, table in results.snapshots.dropna(subset="value").groupby("score")
    }
    found: dict[tuple[str, ...], Exhibit] = {}
    for facts in comparisons:
        known = values.get(facts.headline.label, {}) if facts.headline else {}
        sign = -1 if facts.headline and facts.headline.better == "higher" else 1
        for level in facts.levels:
            if level.cell in found or not any(run in steps for run in level.runs.values()):
                continue
            best, last = _moments(level, steps, known, sign)
            store = f", {facts.store}" if len(results.stores) > 1 else ""
            found[level.cell] = Exhibit(
                label=(labels.get(last.run) or level.label) + store,
                cell=level.cell,
                score=facts.headline.label if facts.headline else None,
                best=best,
                last=last,
                neighbours=Moment(last.run, last.seed, neighbours[last.run], None) if last.run in neighbours else None,
            )
    return list(found.values())


def _moments(
    level: Level, steps: dict[str, list[int]], values: dict[tuple[str, int], float], sign: int
) -> tuple[Moment | None, Moment]:
    """Best and last: of the run with the best score, or of the first that has a picture where there is no score."""
    shown = [(seed, run) for seed, run in sorted(level.runs.items()) if run in steps]
    scored = [
        (sign * values[run, step], seed, step, run)
        for seed, run in shown
        for step in steps[run]
        if (run, step) in values
    ]
    seed, run = shown[0]
    best = None
    if scored:
        _, seed, step, run = min(scored)
        best = Moment(run, seed, step, values[run, step])
    last = max(steps[run])
    return best, Moment(run, seed, last, values.get((run, last)))
