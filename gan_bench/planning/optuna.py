"""Optuna as what draws hyperparameters, by ask and tell (Akiba et al. 2019, KDD; its sampler is TPE, Bergstra et al. 2011).

No study is kept anywhere: draw i of a level is asked of a fresh one, that is told the level's earlier draws and their scores
as the run folders have them, and whose seed is made of the search's and of i. So a command that was killed asks for the same
draws again, whichever of them were already asked for. (A seeded sampler that is made anew on resuming would begin with its
first draws again.) Nothing is pruned.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gan_bench.grid.stages import Values, spaces, with_draws

if TYPE_CHECKING:
    from gan_bench.grid import Cell, Grid
    from gan_bench.grid.search import Bounds


def with_more_draws(grid: Grid, told: Mapping[Cell, Sequence[float | None]]) -> Grid:
    """The grid with the next draws of every level, up to as many as its search has.

    `told` are the scores of those that it has, less being better, None of one that failed.
    """
    assert grid.search is not None
    values: dict[Cell, list[Values]] = {}
    for cell, bounds in spaces(grid).items():
        before = [draw.values for draw in grid.draws[cell]]
        last = min(len(before) + grid.search.sampler.batch, grid.search.draws)
        more = [ask(bounds, grid.search.seed, i, before, told.get(cell, ())) for i in range(len(before), last)]
        values[cell] = before + more
    return with_draws(grid, values)


def ask(
    bounds: Sequence[Bounds], seed: int, number: int, before: Sequence[Values], told: Sequence[float | None]
) -> Values:
    """Draw `number` of a level, after draws of these values were told these scores."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    digest = hashlib.sha256(f"optuna/{seed}/{number}".encode()).digest()
    sampler = optuna.samplers.TPESampler(seed=int.from_bytes(digest[:4]))
    study = optuna.create_study(sampler=sampler, pruner=optuna.pruners.NopPruner())
    spaces = {one.dimension.name: _distribution(one) for one in bounds}
    for values, score in zip(before, told, strict=True):
        params = {one.dimension.name: _inner(one, values[one.dimension.name]) for one in bounds}
        value = math.inf if score is None else score  # only the order counts, and a draw that failed is the last
        study.add_trial(optuna.trial.create_trial(params=params, distributions=spaces, value=value))
    params = study.ask(spaces).params
    return {one.dimension.name: _outer(one, params[one.dimension.name]) for one in bounds}


def _distribution(bounds: Bounds) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if bounds.options is not None:
        return CategoricalDistribution(range(len(bounds.options)))  # by their places, for a value may be a list
    log = bounds.dimension.kind == "log_uniform"
    if bounds.whole:
        return IntDistribution(int(bounds.low), int(bounds.high), log=log)
    return FloatDistribution(bounds.low, bounds.high, log=log)


def _inner(bounds: Bounds, value: Any) -> Any:
    return value if bounds.options is None else bounds.options.index(value)


def _outer(bounds: Bounds, value: Any) -> Any:
    return bounds.near(value) if bounds.options is None else bounds.options[value]
