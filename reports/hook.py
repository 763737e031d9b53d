"""The report's hook. What makes the page is imported when there is one to make: every process imports this file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gan_bench.api.hooks import hookimpl

if TYPE_CHECKING:
    from gan_bench.findings.tables import Results
    from gan_bench_reports.live import Live


@hookimpl(tryfirst=True)  # before strangers' reports
def gan_bench_report(stores: list[Path], output: Path) -> str:
    """Write the report of the stores to the file `output`."""
    from gan_bench_reports import page

    return page.write_report(stores, output)


@hookimpl
def gan_bench_export(stores: list[Path], format: str) -> str | None:
    """Findings and tables of the stores as text."""
    from gan_bench_reports import exports

    return exports.export(stores, format) if format in exports.FORMATS else None


@hookimpl
def gan_bench_inline(results: Results) -> str:
    """What a notebook shows of results in a cell's output."""
    from gan_bench_reports import inline

    return inline.inline(results)


@hookimpl
def gan_bench_live(stores: list[Path], at_work: Callable[[], bool]) -> Live:
    """The same page, kept current."""
    from gan_bench_reports.live import Live

    return Live(stores, at_work)
