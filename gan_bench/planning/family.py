"""Which verdicts a grid can give, before anything is trained: its tests, and the effects that its seeds tell among them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gan_bench.canonical import canonical
from gan_bench.planning.runs import comparison_seeds
from gan_bench.stats.effects import effects
from gan_bench.stats.paired import SEEDS_FOR_A_TEST
from gan_bench.stats.power import MOST_SEEDS, POWER, detectable, seeds_for, seeds_for_ranks

if TYPE_CHECKING:
    from gan_bench.grid import Comparison, Grid
    from gan_bench.stats.sequential import Looks


def count_tests(grid: Grid, headlines: int = 1, looks: Looks | None = None) -> int:
    """The tests that a report of this grid corrects together (`gan_bench.findings.differences.correct_together`).

    Each level against its comparison's reference by each headline, equal runs once; and main effects and interactions of every
    product of axes, by the first.
    """
    pairs, product = set(), 0
    for comparison in grid.comparisons:
        own = (looks or {}).get(comparison.title)
        seeds = own[0].seeds if own else tuple(grid.seeds)
        reference = next(level for level in comparison.levels if level.reference)
        pairs |= {(level.cell, reference.cell, seeds) for level in comparison.levels if level is not reference}
        product += _effects(comparison)
    return headlines * len(pairs) + product


def _effects(comparison: Comparison) -> int:
    if len(comparison.axes) < 2:
        return 0
    cells = [tuple(canonical(level.values[axis]) for axis in comparison.axes) for level in comparison.levels]
    reference = next(cell for cell, level in zip(cells, comparison.levels, strict=True) if level.reference)
    return len(effects({cell: {} for cell in cells}, reference, "raw", "lower"))


def verdict_lines(grid: Grid, looks: Looks, headlines: int = 1) -> Iterator[str]:
    """What a plan says of the verdicts that there can be: a line or two for all comparisons of as many seeds."""
    tests = count_tests(grid, headlines, looks)
    designs = dict.fromkeys(
        (len(comparison_seeds(grid, one.title, looks)), own[-1].share if (own := looks.get(one.title)) else 1.0)
        for one in grid.comparisons
    )
    among = f"among {tests} tests" if tests > 1 else "in the one test"
    for seeds, share in designs:
        effect = detectable(seeds, tests, share)
        if effect is None:
            yield _too_few(seeds)
            continue
        look = f", at a look that spends {100 * share:.2g} % of the 5 %" if share < 1 else ""
        more = seeds_for(1.0, tests, share)
        one = f"{more} seeds" if more else f"more than {MOST_SEEDS} seeds"
        yield (
            f"verdicts: {seeds} seeds tell a difference of {effect:.2g} standard deviations (of the paired differences) "
            f"{among}{look}, with {100 * POWER:.0f} % probability; one of 1 takes {one}"
        )
        ranks = seeds_for_ranks(tests, share)
        if ranks > seeds:
            yield f"verdicts: where a run fails, a level needs {ranks} seeds at least to be told {among}"


def no_verdict_lines(grid: Grid, looks: Looks) -> list[str]:
    """What is worth saying before anything trains: that no comparison has seeds enough for a verdict, where that is so."""
    most = max((len(comparison_seeds(grid, one.title, looks)) for one in grid.comparisons), default=SEEDS_FOR_A_TEST)
    return [_too_few(most)] if most < SEEDS_FOR_A_TEST else []


def _too_few(seeds: int) -> str:
    return (
        f"verdicts: none, for a verdict needs at least {SEEDS_FOR_A_TEST} seeds, and there "
        f"{'are' if seeds > 1 else 'is'} {seeds}; --seeds 0-7 gives eight"
    )
