"""How long the report of 100 runs takes, and how large it is.

pytest benchmarks/test_report_speed.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gan_bench_reports.page import write_report

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from fake_store import write_store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """7 cells of 15 seeds, each with 8 snapshots and 2000 curve points."""
    return write_store(
        tmp_path_factory.mktemp("stores") / "hundred", seeds=15, snapshots=8, steps=50_000, trouble=False
    )


def test_report_of_100_runs(benchmark, store):
    benchmark.pedantic(write_report, args=([store], store / "report.html"), rounds=3, warmup_rounds=1)
    benchmark.extra_info["runs"] = len(list((store / "runs").iterdir()))
    benchmark.extra_info["megabytes"] = (store / "report.html").stat().st_size / 1e6
