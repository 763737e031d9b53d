"""Which seeds each comparison of a store has, and at which looks they came (`gan_bench.sequential` says why that counts).

`grid.json` has the looks of a comparison whose seeds were added after its findings could be seen; one without looks has the
grid's seeds, chosen beforehand.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_bench.errors import GanBenchError
from gan_bench.run_files import GridDocument, read_object
from gan_bench.sequential import seeds_at_next_look, share
from gan_bench.statistics import SEEDS_FOR_A_TEST

if TYPE_CHECKING:
    from gan_bench.grid import Grid


@dataclass(frozen=True)
class Look:
    """A look at a comparison: the seeds that came with it, and the part of the 5 % that it spends."""

    seeds: tuple[int, ...]
    share: float

    def facts(self) -> dict[str, Any]:
        """As grid.json has it."""
        return {"seeds": list(self.seeds), "share": self.share}


Looks = Mapping[str, Sequence[Look]]  # by the comparison's title; none where the grid's seeds are all there are


def looks_in(comparison: Mapping[str, Any]) -> list[Look]:
    """The looks of a comparison of grid.json."""
    return [Look(tuple(look["seeds"]), look["share"]) for look in comparison.get("looks", [])]


def seeds_of(looks: Iterable[Look]) -> list[int]:
    """All seeds of these looks."""
    return [seed for look in looks for seed in look.seeds]


def ended(looks: Sequence[Look], missing: Collection[int]) -> int:
    """How many looks are complete: none of their seeds is among those whose runs have not ended."""
    return next((i for i, look in enumerate(looks) if set(look.seeds) & set(missing)), len(looks))


def with_look(looks: Sequence[Look], seeds: Iterable[int]) -> list[Look]:
    """One more look."""
    return [*looks, Look(tuple(seeds), share(len(looks) + 1))]


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


def next_look(looks: Sequence[Look], most: int) -> list[Look]:
    """The looks with one more; as they are where there are as many seeds as there are to be."""
    seeds = seeds_of(looks)
    more = following(seeds, min(most, seeds_at_next_look(len(seeds))) - len(seeds))
    return with_look(looks, more) if more else list(looks)


def following(seeds: Collection[int], count: int) -> list[int]:
    """The next unused seeds."""
    return [max(seeds) + 1 + i for i in range(count)]


def kept_looks(grid: Grid, store: Path, runs: Collection[str]) -> dict[str, list[Look]]:
    """The looks of the store's comparisons, as the grid's seeds continue them. `runs` names the runs that these seeds make.

    - None of a comparison's runs is among those: its settings have changed, and nothing of them has been seen.

    - The grid has the seeds that it had: what was added to them stays.
    - It has those of a comparison and more: if that comparison could be tested and all of its runs have ended, its findings
      could be seen, and the seeds beyond are one more look. If they could not be, nothing was spent.
    - It has other seeds, or fewer: this is another experiment. Its seeds count as chosen beforehand.
    """
    document = _read(store / "grid.json")
    had = document.get("seeds")
    before = {comparison["title"]: comparison for comparison in document.get("comparisons", [])}
    kept = {}
    for title in (comparison.title for comparison in grid.comparisons):
        had_runs = {run for level in before.get(title, {}).get("levels", ()) for run in level["runs"].values()}
        if not had_runs.isdisjoint(runs):
            looks = looks_in(before[title])
            same = looks and had == list(grid.seeds)
            kept[title] = looks if same else _continued(before[title], looks, grid.seeds, store)
    return {title: looks for title, looks in kept.items() if looks}


def _continued(before: Mapping[str, Any], looks: list[Look], seeds: Sequence[int], store: Path) -> list[Look]:
    runs = [level["runs"] for level in before["levels"]]
    old = seeds_of(looks) or sorted({int(seed) for level in runs for seed in level})
    new = [seed for seed in seeds if seed not in old]
    if not new or not set(old) <= set(seeds):
        return []
    waiting = {
        int(seed)
        for level in runs
        for seed, run in level.items()
        if not (store / "runs" / run / "result.json").exists()
    }
    seen = looks[: ended(looks, waiting)]
    if not looks and len(old) >= SEEDS_FOR_A_TEST and not waiting:
        seen = with_look([], old)
    return with_look(seen, (seed for seed in seeds if seed not in seeds_of(seen))) if seen else []


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_object(path, GridDocument) or {}
    except (ValueError, RecursionError):
        return {}  # whoever shows the store says so; it is written again
