"""Which seeds each comparison of a store has, and at which looks they came (`gan_bench.stats.sequential` says why that counts).

`grid.json` has the looks of a comparison whose seeds were added after its findings could be seen; one without looks has the
grid's seeds, chosen beforehand.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from gan_bench.errors import GanBenchError
from gan_bench.stats.paired import SEEDS_FOR_A_TEST
from gan_bench.stats.sequential import Look, Looks, ended, following, seeds_of, with_look
from gan_bench.store.grid_json import GridComparison, GridDocument, read_grid

if TYPE_CHECKING:
    from gan_bench.grid import Grid


def looks_in(comparison: GridComparison) -> list[Look]:
    """The looks of a comparison of grid.json."""
    return [Look(tuple(look.seeds), look.share) for look in comparison.looks]


def first_looks(grid: Grid, earlier: Looks, most: int) -> dict[str, list[Look]]:
    """The looks that a grid begins or goes on with when seeds are to be added: the first one is the grid's seeds.

    GanBenchError: these are more than `most`.
    """
    if len(grid.seeds) > most:
        raise GanBenchError(
            f"the grid has {len(grid.seeds)} seeds, and at most {most} are to be; raise --most-seeds, or lower --seeds"
        )
    first = [*grid.seeds, *following(grid.seeds, SEEDS_FOR_A_TEST - len(grid.seeds))]
    return {
        comparison.title: list(earlier.get(comparison.title) or with_look([], first)) for comparison in grid.comparisons
    }


def kept_looks(grid: Grid, store: Path, runs: Mapping[str, Mapping[int, Collection[str]]]) -> dict[str, list[Look]]:
    """The looks of the store's comparisons, as the grid's seeds continue them. `runs` are the names of those that each of the
    grid's comparisons compares, by seed.

    - None of a comparison's runs is among those: its settings have changed, and nothing of them has been seen.
    - It has another title, but runs of two levels in common with one that there was: these were seen as often.
    - The grid has the seeds that it had: what was added to them stays.
    - It has those of a comparison and more: if that comparison could be tested and all of its runs have ended, its findings
      could be seen, and the seeds beyond are one more look. If they could not be, nothing was spent.
    - It has other seeds, or fewer: this is another experiment. Its seeds count as chosen beforehand.
    """
    document = GridDocument()
    with suppress(GanBenchError):  # whoever shows the store says so; it is written again
        document = read_grid(store) or document
    kept = {}
    for title, own in runs.items():
        if before := _before(document.comparisons, title, own):
            looks = looks_in(before)
            same = looks and document.seeds == list(grid.seeds)
            kept[title] = looks if same else _continued(before, looks, grid.seeds, store)
    return {title: looks for title, looks in kept.items() if looks}


def _before(known: Sequence[GridComparison], title: str, own: Mapping[int, Collection[str]]) -> GridComparison | None:
    """What a comparison with these runs, by seed, was when the store was written, if it was any.

    Under another title two levels that it had tell: their difference was to be seen. Of several the one that was seen most often.
    """
    same = [one for one in known if one.title == title and not one.runs.isdisjoint(chain(*own.values()))]
    for one in sorted(known, key=lambda one: -len(one.looks)):
        both = one.seeds & own.keys()
        if both and all(len(one.runs_of(seed).intersection(own[seed])) >= 2 for seed in both):
            same.append(one)
    return same[0] if same else None


def _continued(before: GridComparison, looks: list[Look], seeds: Sequence[int], store: Path) -> list[Look]:
    runs = [level.runs for level in before.levels]
    old = seeds_of(looks) or sorted(before.seeds)
    new = [seed for seed in seeds if seed not in old]
    if not new or not set(old) <= set(seeds):
        return []
    waiting = {
        seed for level in runs for seed, run in level.items() if not (store / "runs" / run / "result.json").exists()
    }
    seen = looks[: ended(looks, waiting)]
    if not looks and len(old) >= SEEDS_FOR_A_TEST and not waiting:
        seen = with_look([], old)
    return with_look(seen, (seed for seed in seeds if seed not in seeds_of(seen))) if seen else []
