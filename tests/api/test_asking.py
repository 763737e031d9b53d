"""Hooks that strangers' code answers, or breaks."""

from __future__ import annotations

import json

import pytest
from fake_store import write_store
from stores import gan_bench, write_grid

from gan_bench.api.asking import ask
from gan_bench.api.registry import Registry
from gan_bench.live.beside import make_server
from gan_bench.live.server import listen

BREAKS = """
import sys
from gan_bench import hookimpl

@hookimpl(tryfirst=True)
def gan_bench_report(stores, output):
    (stores[0] / "seen.txt").write_text(str(output.exists()))
    raise ValueError("no \\x1b[2J tracker")

@hookimpl
def gan_bench_export(stores, format):
    sys.exit("gone")

@hookimpl
def gan_bench_live(at_work):
    return [][1]
"""


@pytest.fixture
def store(tmp_path):
    (tmp_path / "breaks.py").write_text(BREAKS)
    return write_store(tmp_path / "store", seeds=1, snapshots=1, steps=50, trouble=False)


def test_a_report_that_raises_costs_only_itself(store, tmp_path):
    done = gan_bench("report", "store", "--plugin", "breaks.py", cwd=tmp_path, code=1)
    assert done.stderr.splitlines()[-1] == (
        "Warning: gan_bench_report at breaks.py:5 failed: breaks.py:8: ValueError: no \\x1b[2J tracker"
    )
    assert (store / "report.html").stat().st_size > 1e5


def test_the_built_in_report_comes_before_strangers(store, tmp_path):
    (tmp_path / "breaks.py").write_text(BREAKS.replace("(tryfirst=True)", ""))
    gan_bench("report", "store", "--plugin", "breaks.py", cwd=tmp_path, code=1)
    assert (store / "seen.txt").read_text() == "True"


def test_a_format_is_asked_of_the_next_plugin(store, tmp_path):
    text = gan_bench("report", "store", "--format", "csv", cwd=tmp_path).stdout
    done = gan_bench("report", "store", "--format", "csv", "--plugin", "breaks.py", cwd=tmp_path, code=1)
    assert done.stdout == text
    assert done.stderr == "Warning: gan_bench_export at breaks.py:10 failed: breaks.py:12: SystemExit: gone\n"


def test_a_page_that_raises_leaves_the_next_one(store, tmp_path, capsys):
    with listen(0) as listener:
        make_server(listener, "token", [store], [tmp_path / "breaks.py"], lambda: False).server_close()
    assert "IndexError: list index out of range" in capsys.readouterr().err


def test_our_own_exceptions_come_through(store, tmp_path):
    told: list[str] = []
    manager = Registry.load().manager
    (store / "grid.json").write_text("{")
    with pytest.raises(Exception, match=r"grid\.json"):
        ask(manager, "gan_bench_export", told.append, stores=[store], format="csv")
    assert ask(manager, "gan_bench_export", told.append, stores=[store], format="docx") == []
    assert told == []


@pytest.mark.slow
def test_a_grid_has_succeeded_whatever_a_stranger_makes_of_it(store, tmp_path):
    grid = write_grid(tmp_path, steps="steps = 4")
    done = gan_bench("run", grid, "--out", "trained", "--plugin", "breaks.py", cwd=tmp_path)
    assert "Warning: gan_bench_report at breaks.py:5 failed: breaks.py:8: ValueError" in done.stderr
    assert (tmp_path / "trained" / "report.html").stat().st_size > 1e5
    assert json.loads((tmp_path / "trained" / "grid.json").read_text())
