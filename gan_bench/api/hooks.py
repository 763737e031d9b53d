"""The hooks through which plugins, built in or not, are found and told of events (pluggy)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pluggy

if TYPE_CHECKING:
    from gan_bench.api.kinds import Architecture, Dataset, FeatureExtractor, Metric, Trick
    from gan_bench.api.trackers import Tracker

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
def gan_bench_trackers() -> list[type[Tracker]]:
    """Trackers that this plugin brings."""


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
def gan_bench_grid_ended(store: Path, counts: Mapping[str, int], stopped: bool) -> None:
    """A command that trains a grid has ended: its report is written (called in the parent; of Slurm's, in the last job).

    `counts` are its `runs`, and how many of them are `finished` and `failed`; `stopped`: before all had ended.
    """


@hookspec
def gan_bench_report(stores: list[Path], output: Path) -> str | None:
    """Write a report of the stores beside or at `output` (called in the parent, when a grid ends or `report` is asked).

    What it returns, such as the report's size, is printed by `gan-bench report`.
    """


@hookspec(firstresult=True)
def gan_bench_export(stores: list[Path], format: str) -> str | None:
    """Findings and tables of the stores as text: "md", "tex" or "csv" (called by `report --format`).

    The first plugin that knows the format gives it.
    """


@hookspec(firstresult=True)
def gan_bench_inline(results: Any) -> str | None:
    """A piece of HTML for a notebook, of what `gan_bench.load` or `gan_bench.run` gave (called when a cell shows it).

    The first plugin that has one gives it.
    """


@hookspec(firstresult=True)
def gan_bench_live(stores: list[Path], at_work: Callable[[], bool]) -> LivePage | None:
    """A report of the stores that follows them while `at_work` says that runs train (called by what serves the page).

    A store may not be there yet. The first plugin that has one gives it.
    """


class LivePage(Protocol):
    """What is served. Several threads may ask at a time."""

    def page(self) -> str:
        """The whole page, as HTML."""

    def update(self, since: int) -> str:
        """What has changed since the version that the page has, as JSON."""

    def part(self, number: int) -> str | None:
        """HTML of what the page leaves out for its size, by a number that it names; None where there is no such part."""

    def picture(self, key: str) -> bytes | None:
        """The PNG of this SHA-256 in hexadecimal digits, None where the page has no such picture."""
