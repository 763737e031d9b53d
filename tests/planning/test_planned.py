"""Which runs a grid has in a store: what does not depend on seeds is derived once, and added seeds are not forgotten."""

from __future__ import annotations

import re

import pytest
from stores import gan_bench, write_grid

from gan_bench.console import plain_console
from gan_bench.errors import GridError
from gan_bench.grid import load_grid
from gan_bench.planning.courses import prepare_grid
from gan_bench.planning.planned import plan_runs
from gan_bench.planning.store_files import write_store
from gan_bench.stats.sequential import with_look
from gan_bench.training.dry import dry_pass


@pytest.fixture
def prepared(tmp_path):
    tried = []
    grid = load_grid(write_grid(tmp_path, seeds="seeds = [0, 1]"))
    found = prepare_grid(grid, plain_console(), lambda cell: (tried.append(cell), dry_pass(cell))[1])
    assert tried == [*found.grid.cells, found.grid.baseline]
    return found


def test_runs_carry_what_their_course_has(prepared, tmp_path):
    runs, looks = plan_runs(prepared, tmp_path / "store")
    assert not looks
    assert [(run.cell, run.seed) for run in runs] == [(c.cell, seed) for seed in (0, 1) for c in prepared.courses]
    by_cell = {course.cell: course for course in prepared.courses}
    for run in runs:
        course = by_cell[run.cell]
        assert run.dry is course.dry
        assert run.data is course.data
        assert (run.name, run.identity) == (course.name(run.seed), course.identity(run.seed))


def test_seeds_that_were_added_belong_to_the_plan(prepared, tmp_path):
    store = tmp_path / "runs" / "toy"
    added = with_look(with_look([], range(2)), range(2, 4))
    every, looks = plan_runs(prepared, store, add_looks=lambda kept: {"Which tricks?": added})
    assert [run.seed for run in every] == [0, 0, 1, 1, 2, 2, 3, 3]
    write_store(prepared.grid, store, every, looks, [])
    again, kept = plan_runs(prepared, store)
    assert [run.name for run in again] == [run.name for run in every]
    assert kept == looks
    told = gan_bench("plan", "grid.toml", "--no-pilot", cwd=tmp_path).stdout
    assert "0-3" in told  # as `run` would go on
    assert "2 cells, 8 runs, 8 of them to train" in told


def test_runs_that_two_comparisons_would_have_of_different_lengths_are_told_with_the_line(tmp_path):
    file = tmp_path / "grid.toml"
    file.write_text(
        'name = "a"\nseeds = [0]\ndataset = "digits"\narchitecture = "fcgan"\nsteps = 20\nbatch_size = 64\n'
        '[[compare]]\ntitle = "x"\nbatch_size = [64, 32]\n'
        '[[compare]]\ntitle = "y"\nbudget = "images"\nbatch_size = [32, 16]\n'
    )
    rule = "grid.toml:12: compare[1].budget: the runs of 'fcgan, batch_size 32' would need 20 and 40 steps"
    with pytest.raises(GridError, match=re.escape(rule)):
        prepare_grid(load_grid(file), plain_console())
