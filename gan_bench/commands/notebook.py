"""The same as the command line, from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from gan_bench.errors import GanBenchError
from gan_bench.findings.tables import Results, load

SAVED = "every run is saved, and the same call goes on from here"


class Stopped(KeyboardInterrupt):
    """A grid was stopped by Ctrl-C, a notebook's "interrupt" or SIGTERM; every run is saved."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the message alone."""
        return [f"{type(self).__name__}: {self}"]


def run(
    grid: str | Path | Mapping[str, Any],
    *,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    seeds: str | Sequence[int] | None = None,
    plugins: Sequence[str | Path] = (),
    only: str | None = None,
    fresh: bool = False,
    stale: Literal["rerun", "keep"] = "rerun",
    most_seeds: int | None = None,
    verify: bool = False,
    devices: str = "auto",
    slots: int | None = None,
    fail_fast: bool = False,
    retries: int = 1,
    step_seconds: float | None = None,
    any_device: bool = False,
    track: str | Sequence[str] = (),
) -> Results:
    """Run a grid as `gan-bench run` does, on this machine, and return its tables.

    `grid` is a grid file, a `gan_bench.Grid`, or a dictionary of what would stand in a file. `overrides` are "KEY=VALUE" as for
    `--set`, `seeds` are whole numbers or text such as "0-7", and `track` names trackers, in a list or in one text with commas;
    all others are as there. With `most_seeds` it adds seeds to open comparisons as `--until-settled` does. Runs that failed
    stand in the tables with their reason. GanBenchError: bad input. KeyboardInterrupt: Ctrl-C, "interrupt" of a notebook or
    SIGTERM came, and every run is saved.
    """
    from gan_bench.commands.run import Execution, run_grid, store_of, told_beside
    from gan_bench.commands.submission import check_unsubmitted
    from gan_bench.commands.until_settled import run_until_settled
    from gan_bench.grid import load_grid
    from gan_bench.grid.plain import seeds_text

    loaded = load_grid(
        grid if isinstance(grid, Mapping) else Path(grid),
        registry_files=[Path(p) for p in plugins],
        overrides=overrides,
        seeds=seeds_text(seeds),
    )
    place = Path(out) if out else None
    store = store_of(loaded, place)
    check_unsubmitted(store)
    how: dict[str, Any] = {"out": place, "fresh": fresh, "stale": stale, "verify": verify}
    how["execution"] = Execution(devices, slots, fail_fast, retries, step_seconds, any_device)
    if most_seeds is not None and only is not None:
        raise GanBenchError("most_seeds is about whole comparisons, and only leaves some of their runs out")
    names = [name.strip() for name in (track.split(",") if isinstance(track, str) else track)]
    try:
        with told_beside(loaded, store, names) as wait_until_told:
            if most_seeds is None:
                outcome = run_grid(loaded, only=only, **how)
            else:
                outcome = run_until_settled(loaded, most_seeds, **how).outcome
            if wait_until_told and not outcome.stopped:
                wait_until_told()
    except KeyboardInterrupt:  # before anything trained
        raise Stopped(SAVED) from None
    if outcome.stopped:
        raise Stopped(SAVED)
    return load(outcome.store)
