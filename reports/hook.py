"""The report's hook. What makes the page is imported when there is one to make: every process imports this file."""

from __future__ import annotations

from pathlib import Path

from gan_bench.hooks import hookimpl


@hookimpl
def gan_bench_report(stores: list[Path], output: Path) -> None:
    """Write the report of the stores to the file `output`."""
    from gan_bench_reports import page

    page.write_report(stores, output)
