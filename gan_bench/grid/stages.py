"""The two stages of a grid with a search: all draws of its levels, and its levels with the best of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from pydantic.fields import FieldInfo

from gan_bench.grid.cells import Cell, Maker
from gan_bench.grid.load import Comparison, Grid, Level
from gan_bench.grid.naming import named_cells
from gan_bench.grid.search import Bounds, Dimension, Draw, Drawing, dimensions_of
from gan_bench.grid.source import Fault

Values = dict[str, Any]  # path -> value, of a draw


def spaces(grid: Grid) -> dict[Cell, list[Bounds]]:
    """What the settings of each level are drawn from."""
    drawing = _drawing(grid)
    return {cell: drawing.bounds(grid.origins[cell][0]) for cell in grid.cells}


def with_draws(grid: Grid, values: Mapping[Cell, Sequence[Values]]) -> Grid:
    """The grid whose levels have these draws. GridError: one is refused by what it is a setting of."""
    drawing, origins = _drawing(grid), dict(grid.origins)
    draws: dict[Cell, tuple[Draw, ...]] = {}
    for cell, each in values.items():
        try:
            made = [
                drawing.one(*grid.origins[cell], index, partial(_known, values=own)) for index, own in enumerate(each)
            ]
        except Fault as fault:
            raise grid.source.error(fault) from fault.__cause__
        origins |= {draw.cell: (settings, put) for draw, settings, put in made if draw.cell not in origins}
        draws[cell] = tuple(draw for draw, _, _ in made)
    return replace(grid, draws=draws, origins=origins)


def _known(dimension: Dimension, _: FieldInfo, values: Values) -> Any:
    return values[dimension.name]


def _drawing(grid: Grid) -> Drawing:
    assert grid.search is not None
    space = dimensions_of(grid.search.space)
    return Drawing(Maker(grid.registry, grid.file.parent), space, grid.search.seed, grid.search.draws)


def drawn(grid: Grid) -> Grid:
    """The grid of the first stage: every draw of a level is a level, scored on the selection half.

    Its comparisons say how long the runs are; nothing is compared in them.
    """
    assert grid.search is not None
    comparisons = [
        replace(
            one,
            levels=tuple(
                Level(f"{level.label}, draw {number}", level.values, False, draw.cell)
                for level in one.levels
                for number, draw in enumerate(grid.draws[level.cell])
            ),
        )
        for one in grid.comparisons
    ]
    cells = dict.fromkeys(draw.cell for cell in grid.cells for draw in grid.draws[cell])
    stage = _with_cells(grid, list(cells), comparisons)
    return replace(stage, seeds=grid.search.seeds, half="selection", written=grid)


def tuned(grid: Grid, chosen: Mapping[Cell, int]) -> Grid:
    """The grid of the second stage: each level with its chosen draw, scored on the test half."""
    best = {cell: grid.draws[cell][number].cell for cell, number in chosen.items()}
    comparisons = [
        replace(one, levels=tuple(replace(level, cell=best[level.cell]) for level in one.levels))
        for one in grid.comparisons
    ]
    return replace(_with_cells(grid, list(dict.fromkeys(best.values())), comparisons), half="test", written=grid)


def _with_cells(grid: Grid, cells: list[Cell], comparisons: list[Comparison]) -> Grid:
    """The grid with other cells, named by what tells them apart."""
    varying, named = named_cells(cells)
    known = {cell: cell for cell in named}
    own = tuple(
        replace(one, levels=tuple(replace(level, cell=known[level.cell]) for level in one.levels))
        for one in comparisons
    )
    return replace(grid, cells=tuple(named), varying=tuple(varying), comparisons=own)
