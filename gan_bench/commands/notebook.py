"""The same as the command line, from Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from gan_bench.errors import GanBenchError
from gan_bench.findings.tables import Results, load


def run(
    grid: str | Path,
    *,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    seeds: str | None = None,
    plugins: Sequence[str | Path] = (),
    only: str | None = None,
    fresh: bool = False,
    stale: Literal["rerun", "keep"] = "rerun",
    most_seeds: int | None = None,
    verify: bool = False,
    **options: Any,
) -> Results:
    """Run a grid file as `gan-bench run` does, and return its tables.

    `overrides` are "KEY=VALUE" as for `--set`; `only`, `fresh`, `stale` and `verify` are as there, and `options` those of
    `gan_bench.commands.run.Execution` (devices, slots, fail_fast, retries, step_seconds). With `most_seeds` it adds seeds to open
    comparisons as `--until-settled` does. Runs that failed stand in the tables
    with their reason. GanBenchError: bad input. KeyboardInterrupt: Ctrl-C or SIGTERM came, and every run is saved.
    """
    from gan_bench.commands.run import Execution, run_grid
    from gan_bench.commands.until_settled import run_until_settled
    from gan_bench.grid import load_grid

    loaded = load_grid(Path(grid), registry_files=[Path(p) for p in plugins], overrides=overrides, seeds=seeds)
    how: dict[str, Any] = {"out": Path(out) if out else None, "fresh": fresh, "stale": stale, "verify": verify}
    how["execution"] = Execution(**options)
    if most_seeds is None:
        outcome = run_grid(loaded, only=only, **how)
    elif only is not None:
        raise GanBenchError("most_seeds is about whole comparisons, and only leaves some of their runs out")
    else:
        grown = run_until_settled(loaded, most_seeds, **how)
        outcome = grown.outcome
    if outcome.stopped:
        raise KeyboardInterrupt("stopped; every run is saved, and the same call goes on from here")
    return load(outcome.store)
