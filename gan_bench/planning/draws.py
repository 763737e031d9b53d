"""The first stage of a grid with a search: the runs of its draws, and which draw of each level is the best."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from gan_bench.errors import GanBenchError
from gan_bench.grid.stages import drawn, tuned, with_draws
from gan_bench.planning.datasets import dataset_key
from gan_bench.planning.optuna import with_more_draws
from gan_bench.planning.runs import Run
from gan_bench.store.grid_json import GridDraw, GridRun, GridScore, GridSearch, GridTuning, read_grid
from gan_bench.store.state import RunState

if TYPE_CHECKING:
    from gan_bench.grid import Cell, Grid
    from gan_bench.scoring.evaluator import Evaluator

Rank = tuple[int, float]  # runs without a score, and the mean score of the others with the sign that makes less better


@dataclass(frozen=True)
class Search:
    """The draws of a grid, their runs, and what chooses among them."""

    grid: Grid  # as it is written
    runs: Mapping[tuple[Cell, int], Run]  # of the draws, by cell and seed
    scores: Mapping[str, GridScore]  # by `dataset_key`: the first headline, on the selection half
    columns: Sequence[GridScore]  # every number that draws are scored by

    @classmethod
    def of(cls, grid: Grid, runs: Iterable[Run], evaluators: Mapping[str, Evaluator]) -> Search:
        """The search of a grid whose draws have these runs and evaluators."""
        scores: dict[str, GridScore] = {}
        columns: list[GridScore] = []
        for key, evaluator in evaluators.items():
            for one in evaluator.scored():
                columns.append(GridScore(label=one.label, protocol_id=one.protocol_id))
                if one.place == evaluator.headlines[0]:
                    scores[key] = columns[-1]
        return cls(grid, {(run.cell, run.seed): run for run in runs}, scores, columns)

    def chosen(self) -> dict[Cell, int] | None:
        """The best draw of every level; None while a run of some draw has not ended.

        A draw with a failed run, or one without a score, comes after all that have none; of equal ones the first is taken.
        """
        ranks = self._ranks()
        return None if ranks is None else {cell: own.index(min(own)) for cell, own in ranks.items()}

    def told(self) -> dict[Cell, list[float | None]] | None:
        """Each level's draws, in order, as scores of which less is better, None: failed; None while a run has not ended."""
        ranks = self._ranks()
        if ranks is None:
            return None
        return {cell: [None if lacking else score for lacking, score in own] for cell, own in ranks.items()}

    def _ranks(self) -> dict[Cell, list[Rank]] | None:
        found: dict[Cell, list[Rank]] = {}
        for cell, draws in self.grid.draws.items():
            ranks = [self._rank(draw.cell) for draw in draws]
            found[cell] = [rank for rank in ranks if rank is not None]
            if len(found[cell]) < len(ranks):
                return None
        return found

    def _rank(self, cell: Cell) -> Rank | None:
        values = []
        for seed in self._seeds:
            run = self.runs[cell, seed]
            state = run.folder.read()
            if not state.failed and state.finished_steps < run.total_steps:
                return None
            values.append(None if state.failed else self._value(run, state))
        known = [value for value in values if value is not None]
        return len(values) - len(known), mean(known) if known else 0.0

    def _value(self, run: Run, state: RunState) -> float | None:
        """A finished run's last score, with the sign that makes less better."""
        asked = self.scores[dataset_key(run.cell)]
        last = [shot.document for shot in state.snapshots if shot.step == run.total_steps]
        for score in last[0].scores if last and last[0] else ():
            if score.protocol_id == asked.protocol_id and score.value is not None:
                return score.value if score.better == "lower" else -score.value
        return None

    @property
    def _seeds(self) -> Sequence[int]:
        assert self.grid.search is not None
        return self.grid.search.seeds

    def listed(self) -> dict[str, GridRun]:
        """What grid.json says of the draws' runs."""
        return {run.name: listed(run) for run in self.runs.values()}

    def document(self, chosen: Mapping[Cell, int] | None) -> GridSearch:
        """What grid.json says of the search."""
        assert self.grid.search is not None
        levels = []
        for cell, draws in self.grid.draws.items():
            titles = {
                one.title: level.label for one in self.grid.comparisons for level in one.levels if level.cell == cell
            }
            made = [
                GridDraw(values=draw.values, runs={seed: self.runs[draw.cell, seed].name for seed in self._seeds})
                for draw in draws
            ]
            best = {"chosen": chosen[cell]} if chosen else {}
            score = self.scores[dataset_key(cell)]
            levels.append(GridTuning(label=cell.label, levels=titles, score=score, draws=made, **best))
        facts: dict[str, Any] = {} if chosen else {"to_come": runs_to_come(self.grid)}
        if self.grid.search.sampler.name != "random":
            facts |= {"sampler": self.grid.search.sampler.name, "undrawn": undrawn(self.grid)}
        return GridSearch(seed=self.grid.search.seed, seeds=list(self._seeds), levels=levels, **facts)


def listed(run: Run) -> GridRun:
    """What grid.json says of a run."""
    return GridRun(label=run.cell.label, steps=run.total_steps, **({"stale": run.stale} if run.kept else {}))


def undrawn(grid: Grid) -> int:
    """How many draws, of all levels, are not known yet, for they follow from the results of others."""
    assert grid.search is not None
    return sum(grid.search.draws - len(draws) for draws in grid.draws.values())


def runs_to_come(grid: Grid) -> int:
    """How many runs the second stage has."""
    return len(grid.draws) * len(grid.seeds)


def unknown_runs(grid: Grid) -> int:
    """How many runs a search has yet of which the settings are not known: of draws, and of the second stage."""
    assert grid.search is not None
    return undrawn(grid) * len(grid.search.seeds) + runs_to_come(grid)


def stages(grid: Grid, store: Path) -> list[Grid]:
    """The grids that a grid's runs come from, as far as the store tells: the draws', then that of the chosen ones."""
    if grid.search is None:
        return [grid]
    found = None
    with suppress(GanBenchError):
        found = read_grid(store)
    before = {level.label: level for level in found.search.levels} if found and found.search else {}
    if grid.search.sampler.name != "random":  # as far as they were asked for
        known = {cell: before[cell.label].draws if cell.label in before else [] for cell in grid.cells}
        grid = with_draws(
            grid, {cell: [draw.values for draw in own[: grid.search.draws]] for cell, own in known.items()}
        )
        grid = grid if all(grid.draws.values()) else with_more_draws(grid, {})
    chosen = {}
    for cell, draws in grid.draws.items():
        level = before.get(cell.label)
        same = level and [draw.values for draw in level.draws] == [draw.values for draw in draws]
        if level is None or level.chosen is None or not same or undrawn(grid):
            return [drawn(grid)]
        chosen[cell] = level.chosen
    return [drawn(grid), tuned(grid, chosen)]
