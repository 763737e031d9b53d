"""`gan_bench.run`: its options are those of the command, typed, and a grid is a file, a dictionary or a `Grid`."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stores import GRID, write_grid

import gan_bench
from gan_bench.cli.run import command
from gan_bench.commands import notebook
from gan_bench.commands.run import Execution, Outcome
from gan_bench.errors import GanBenchError

ELSEWHERE = {
    "allow_plugins",
    "until_settled",
    "watch",
    "port",
    "on",
    "address",
    "detach",
}  # or said by calling it


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """What is run, with which options."""
    calls: list[Any] = []

    def run_grid(grid: Any, **options: Any) -> Outcome:
        calls.append((grid, options))
        if options["only"] == "interrupted":
            raise KeyboardInterrupt
        return Outcome(tmp_path, 0, 0, stopped=options["only"] == "stopped")

    monkeypatch.setattr("gan_bench.commands.run.run_grid", run_grid)
    monkeypatch.setattr(notebook, "load", lambda store: store)
    return calls


def test_its_options_are_those_of_the_command_and_typed():
    parameters = inspect.signature(gan_bench.run).parameters
    options = {option.name for option in command.params} - ELSEWHERE
    assert set(parameters) == options
    assert all(one.annotation is not inspect.Parameter.empty for one in parameters.values())
    assert not any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values())


def test_options_reach_the_run(asked, tmp_path):
    file = write_grid(tmp_path)
    how = {"devices": "cpu", "slots": 2, "fail_fast": True, "retries": 3, "step_seconds": 1.5, "any_device": True}
    gan_bench.run(file, out=tmp_path / "x", seeds="3-4", overrides=["steps=7"], verify=True, **how)
    [(grid, options)] = asked
    assert options["execution"] == Execution("cpu", 2, True, 3, 1.5, True)
    assert (options["out"], options["verify"], grid.seeds, grid.steps) == (tmp_path / "x", True, (3, 4), 7)


@pytest.mark.parametrize("seeds", [range(3), (0, 1, 2), np.arange(3), [np.int64(0), 1, 2], "0-2"])
def test_seeds_are_whole_numbers_of_any_kind_or_text(asked, tmp_path, seeds):
    gan_bench.run(write_grid(tmp_path), seeds=seeds)
    gan_bench.run(gan_bench.Grid(**{**tomllib.loads(GRID), "seeds": seeds}))
    gan_bench.run({**tomllib.loads(GRID), "seeds": seeds})
    assert [grid.seeds for grid, _ in asked] == [(0, 1, 2)] * 3


@pytest.mark.parametrize(
    "seeds", [3, np.int64(3), [0.5], [0.0], [True], [-1], [[0]], ["x"], (), [0, 0], {0, 1}, range(10**9)]
)
def test_other_seeds_are_one_error(asked, tmp_path, seeds):
    with pytest.raises(GanBenchError, match="seeds"):
        gan_bench.run(write_grid(tmp_path), seeds=seeds)
    with pytest.raises(GanBenchError, match="seeds"):
        gan_bench.Grid(**{**tomllib.loads(GRID), "seeds": seeds})
    with pytest.raises(GanBenchError, match="seeds"):
        gan_bench.run({**tomllib.loads(GRID), "seeds": seeds})
    assert not asked


@pytest.mark.parametrize("names", [["lines", "memory"], "lines, memory"])
def test_trackers_are_told_while_it_runs_and_waited_for(asked, tmp_path, monkeypatch, names):
    """One process tells them, as for the command (`tests/whole/test_tracking.py`)."""

    @contextmanager
    def beside(*task: Any) -> Iterator[Any]:
        asked.append(task)
        yield lambda: asked.append("waited")

    monkeypatch.setattr("gan_bench.commands.track.beside", beside)
    monkeypatch.setattr("gan_bench.commands.run.trackers", lambda manager, names, tell: None)
    gan_bench.run(write_grid(tmp_path), out=tmp_path / "x", track=names)
    (store, told, plugins), (grid, _), waited = asked
    assert (store, list(told), plugins, waited) == (tmp_path / "x", ["lines", "memory"], grid.plugin_files, "waited")
    asked.clear()
    with pytest.raises(KeyboardInterrupt):
        gan_bench.run(write_grid(tmp_path), track=names, only="stopped")
    assert "waited" not in asked


@pytest.mark.parametrize("names", ["tensorbord", ["tensorbord"], "", ["tensorbord", "mlflow"]])
def test_a_tracker_that_is_unknown_is_refused_before_anything_trains(asked, tmp_path, names):
    with pytest.raises(GanBenchError, match=r"no tracker is called '(tensorbord|)'"):
        gan_bench.run(write_grid(tmp_path), track=names)
    assert not asked


def test_a_grid_is_a_file_a_dictionary_or_written_in_python(asked, tmp_path):
    file = write_grid(tmp_path)
    for grid in (file, str(file), tomllib.loads(GRID), gan_bench.Grid(**tomllib.loads(GRID))):
        gan_bench.run(grid)
    assert len({tuple(grid.cells) for grid, _ in asked}) == 1


@pytest.mark.parametrize("when", ["interrupted", "stopped"])  # while data are prepared, while it trains
def test_a_stopped_one_is_an_interrupt_that_a_notebook_tells_in_a_line(asked, tmp_path, when):
    with pytest.raises(KeyboardInterrupt) as raised:
        gan_bench.run(write_grid(tmp_path), only=when)
    assert raised.value._render_traceback_() == ["Stopped: every run is saved, and the same call goes on from here"]


def test_a_store_on_slurm_is_left_alone(asked, tmp_path, monkeypatch):
    def refuse(store: Path) -> None:
        raise GanBenchError(f"jobs of {store} are at work")

    monkeypatch.setattr("gan_bench.commands.submission.check_unsubmitted", refuse)
    with pytest.raises(GanBenchError, match="jobs of store are at work"):
        gan_bench.run(write_grid(tmp_path), out="store")
    assert not asked
