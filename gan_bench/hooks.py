"""The hooks through which plugins, built in or not, are found and told of events (pluggy)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from gan_bench.plugin import Architecture, Dataset, FeatureExtractor, Metric, Trick
    from gan_bench.server import LivePage

hookspec = pluggy.HookspecMarker("gan_bench")
hookimpl = pluggy.HookimplMarker("gan_bench")


@hookspec
def gan_bench_architectures() -> list[type[Architecture]]:
    """Architectures that this plugin brings."""


@hookspec
def gan_bench_datasets() -> list[type[Dataset]]:
    """Datasets that this plugin brings."""


@hookspec
def gan_bench_tricks() -> list[type[Trick]]:
    """Training tricks that this plugin brings."""


@hookspec
def gan_bench_metrics() -> list[type[Metric]]:
    """Metrics that this plugin brings."""


@hookspec
def gan_bench_features() -> list[type[FeatureExtractor]]:
    """Feature extractors that this plugin brings."""


@hookspec
def gan_bench_run_started(folder: Path) -> None:
    """A run starts or goes on in its folder (called in the worker that trains it)."""


@hookspec
def gan_bench_snapshot_taken(folder: Path, step: int) -> None:
    """A snapshot is complete: picture, weights and scores lie in the run folder (called in the worker)."""


@hookspec
def gan_bench_run_ended(folder: Path) -> None:
    """A run has finished or failed: its result.json is written (called in the worker)."""


@hookspec
def gan_bench_report(stores: list[Path], output: Path) -> str | None:
    """Write a report of the stores beside or at `output` (called in the parent, when a grid ends or `report` is asked).

    `gan-bench report` prints what it returns: the size of what was written, say, and what was left out of it.
    """


@hookspec(firstresult=True)
def gan_bench_live(stores: list[Path], at_work: Callable[[], bool]) -> LivePage | None:
    """A report of the stores that follows them while `at_work` says that runs train (called by what serves the page).

    A store may not be there yet. The first plugin that has one gives it.
    """
