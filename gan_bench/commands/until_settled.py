"""Adding seeds to the comparisons that are still open, look after look, until they are settled or a limit is reached."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from gan_bench.errors import GanBenchError
from gan_bench.grid.schema import MAX_RUNS
from gan_bench.planning.looks import first_looks, looks_in
from gan_bench.stats.paired import SEEDS_FOR_A_TEST
from gan_bench.stats.sequential import Look, Looks, next_look, seeds_of

if TYPE_CHECKING:
    from gan_bench.commands.run import Outcome
    from gan_bench.findings.comparisons import Comparison
    from gan_bench.grid import Grid

MOST_SEEDS = 30  # of a comparison, unless the command says otherwise

State = Literal["settled", "open", "stuck"]


@dataclass(frozen=True)
class Growth:
    """How adding seeds has ended."""

    outcome: Outcome
    lines: list[str]  # what became of the comparisons, for a person


def run_until_settled(
    grid: Grid,
    most: int = MOST_SEEDS,
    *,
    leave: Collection[str] = (),
    **options: Any,
) -> Growth:
    """Run a grid, then add seeds to its open comparisons, at most `most` in each, until none is open. `leave` names runs that are
    left as they are; `options` are those of `GridWork`.

    After each look `grid.json` says which seeds there are, so that a command that is killed goes on where it stood. Runs
    that fail are tried once a command, not at every look. GanBenchError: bad input, or more seeds than are allowed.
    """
    from gan_bench.commands.run import tell_end

    growth = _grow(grid, most, leave, options)
    tell_end(grid, growth.outcome, options.get("console"), options.get("engine"))
    return growth


def _grow(grid: Grid, most: int, leave: Collection[str], options: dict[str, Any]) -> Growth:
    from gan_bench.commands.run import GridWork, after_search
    from gan_bench.findings.compare import compare
    from gan_bench.findings.tables import load

    _check_size(grid, most)
    _check_fresh(grid, most)
    work, searched = after_search(grid, leave=leave, **options) if grid.search else (GridWork(grid, **options), None)
    if work is None:
        assert searched is not None
        return Growth(searched, [])
    more: Looks | None = None
    failed = set(leave)

    def add_looks(kept: Looks) -> Looks:
        return first_looks(grid, kept, most) if more is None else more

    while True:
        outcome = work.run(add_looks=add_looks, leave=failed)
        if outcome.stopped:
            return Growth(outcome, [])
        results = load(work.store)
        looks = {asked.title: looks_in(asked) for each in results.grids.values() for asked in each.comparisons}
        failed = {*leave, *results.runs.loc[results.runs["status"] == "failed", "run"]}
        found = {comparison.title: comparison for comparison in compare(results, words=False)}
        more = grown(found, looks, most)
        if more == looks:
            return Growth(outcome, ending(found, looks, most))
        for title, own in more.items():
            if own != looks[title]:
                work.say(f"{title} Still open: adding {_seeds_text(own[-1].seeds)}.")


def state(comparison: Comparison) -> State:
    """Whether every level is told by one headline at least, some are by none, or more seeds would not help: runs or scores
    are missing."""
    if not comparison.tests or any(level.missing for level in comparison.levels):
        return "stuck"
    told = all(any(test.verdict in ("better", "worse") for test in own) for own in comparison.tests)
    return "settled" if told else "open"


def grown(found: Mapping[str, Comparison], looks: Looks, most: int) -> dict[str, Sequence[Look]]:
    """The looks of every comparison, with one more where it is open and may have more seeds."""
    return {
        title: next_look(own, most) if title in found and state(found[title]) == "open" else own
        for title, own in looks.items()
    }


def ending(found: Mapping[str, Comparison], looks: Looks, most: int) -> list[str]:
    """A line for each comparison: settled, or open at the limit, or what keeps it from being settled."""
    lines = []
    for title, comparison in found.items():
        seeds = len(seeds_of(looks[title]))
        said = {
            "settled": f"settled with {seeds} seeds.",
            "open": f"still open with {seeds} seeds, the most that were asked for (--most-seeds {most}).",
            "stuck": "not settled: runs are not finished, or there are no scores.",
        }
        lines.append(f"{title} {said[state(comparison)][0].upper()}{said[state(comparison)][1:]}")
    return lines


def _check_size(grid: Grid, most: int) -> None:
    if most < SEEDS_FOR_A_TEST:
        raise GanBenchError(
            f"a comparison can't be settled with {most} seeds; a verdict needs at least {SEEDS_FOR_A_TEST}"
        )
    if (runs := len(grid.cells) * most) > MAX_RUNS:
        raise GanBenchError(f"{most} seeds would be up to {runs:,} runs, and at most {MAX_RUNS:,} are allowed")


def _check_fresh(grid: Grid, most: int) -> None:
    """GanBenchError: seeds that would be added have chosen the draws."""
    added = range(max(grid.seeds) + 1, max(grid.seeds) + most)
    if grid.search and (taken := [seed for seed in grid.search.seeds if seed in added]):
        raise GanBenchError(
            f"up to {most} seeds would come to seed {taken[0]}, which the search trains with, and what it finds is tested on "
            "fresh ones; give the search other seeds (search.seeds), such as 1000"
        )


def _seeds_text(seeds: Sequence[int]) -> str:
    return f"seeds {seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"seed {seeds[0]}"
