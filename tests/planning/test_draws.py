"""Which draw of each level is the best, as run folders tell it; and what grid.json says of a search."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fake_store import moment, score, write
from grid_files import BASELINE, load, only_toys  # noqa: F401 - a fixture

from gan_bench.errors import GanBenchError
from gan_bench.grid.stages import drawn, tuned
from gan_bench.planning.datasets import dataset_key
from gan_bench.planning.draws import Search, runs_to_come, stages
from gan_bench.planning.runs import Run
from gan_bench.planning.store_files import write_store
from gan_bench.store.grid_json import GridDocument, GridScore, read_grid
from gan_bench.store.grid_json import write_grid as write_document

TEXT = f"""{BASELINE}[search]
draws = 5
seeds = [1000, 1001]
[search.space]
"optimizer.lr" = {{ log_uniform = [1e-5, 1e-2] }}
[[compare]]
title = "Noise?"
tricks = [[], ["label_noise"]]
"""
STEPS = 100


@pytest.fixture
def grid():
    return load(TEXT)


def runs_of(grid, store):
    """The runs of a grid's cells, without data."""
    return [
        Run(cell, seed, "0", (STEPS,), frozenset({STEPS}), store / "runs" / f"x-{seed}-{index:012x}", None, None)
        for index, cell in enumerate(grid.cells)
        for seed in grid.seeds
    ]


def search_of(grid, store):
    """Its search, chosen by the score a1b2c3d4 of fake stores."""
    chooses = GridScore(label="FD[classifier]", protocol_id="a1b2c3d4")
    runs = {(run.cell, run.seed): run for run in runs_of(drawn(grid), store)}
    return Search(grid, runs, {dataset_key(cell): chooses for cell in grid.cells}, [chooses])


def end(run, value: float | None, *, failed=False, steps=STEPS, **facts):
    """Let a run have ended with a score."""
    if not failed:
        scores = [{**score(0.0), **facts, "value": value}, score(-9.0, protocol_id="bbbbbbbb")]
        shot = run.path / "snapshots" / f"step-{steps:08d}"
        write(shot / "scores.json", {**moment(steps), "scores": scores})
        (shot / "samples.png").write_bytes(b"")
    result = {key: value for key, value in moment(steps).items() if key != "step"}
    write(run.path / "result.json", {**result, "steps": steps, "status": "failed" if failed else "finished"})


def ended(search, values, **facts):
    """Let the runs of every level's draws end with these scores, the same for both seeds; None: the run failed."""
    for draws in search.grid.draws.values():
        for draw, value in zip(draws, values, strict=True):
            for seed in (1000, 1001):
                end(search.runs[draw.cell, seed], value, failed=value is None, **facts)


def numbers(search):
    return list((search.chosen() or {}).values())


def test_the_best_score_is_chosen_whichever_way_it_is_better(grid, tmp_path):
    search = search_of(grid, tmp_path)
    ended(search, [4.0, 2.0, 3.0, 2.0, 9.0])
    assert numbers(search) == [1, 1]  # of equal ones the first
    ended(search, [4.0, 2.0, 3.0, 2.0, 9.0], better="higher")
    assert numbers(search) == [4, 4]


def test_failed_runs_are_worst_and_no_number_stands_for_them_in_a_mean(grid, tmp_path):
    search = search_of(grid, tmp_path)
    ended(search, [1.0, 50.0, 60.0, None, None])
    first, second, *_ = next(iter(grid.draws.values()))
    end(search.runs[first.cell, 1001], None, failed=True)  # the other seed's score of 1 is the best there is
    assert numbers(search) == [1, 0]
    end(search.runs[second.cell, 1001], None)  # finished, and its score could not be computed
    assert numbers(search) == [2, 0]
    ended(search, [None] * 5)
    assert numbers(search) == [0, 0]  # it fails again, and says so


def test_nothing_is_chosen_before_every_draw_has_ended(grid, tmp_path):
    search = search_of(grid, tmp_path)
    assert search.chosen() is None
    ended(search, [4.0, 2.0, 3.0, 2.0, 9.0])
    last = search.runs[grid.draws[grid.cells[1]][4].cell, 1001]
    end(last, 0.1, steps=STEPS // 2)  # when runs were to be shorter
    assert search.chosen() is None
    (last.path / "result.json").unlink()
    assert search.chosen() is None


def test_grid_json_names_draws_runs_and_the_chosen_ones(grid, tmp_path):
    search = search_of(grid, tmp_path)
    first = drawn(grid)
    write_store(first, tmp_path, list(search.runs.values()), {}, [], search)
    found = read_grid(tmp_path)
    assert (found.comparisons, found.seeds, found.search.to_come) == ([], [0, 1], 4)
    assert found.runs.keys() == found.search.runs.keys() == {run.name for run in search.runs.values()}
    assert [level.chosen for level in found.search.levels] == [None, None]
    assert [level.levels for level in found.search.levels] == [{"Noise?": "no tricks"}, {"Noise?": "label_noise"}]
    assert [draw.values for draw in found.search.levels[0].draws] == [draw.values for draw in grid.draws[grid.cells[0]]]
    assert [one.half for one in stages(grid, tmp_path)] == ["selection"]

    ended(search, [4.0, 2.0, 3.0, 2.0, 9.0])
    second = tuned(grid, search.chosen())
    runs = [replace(run, path=run.path.with_name(f"y-{i}-{0:012x}")) for i, run in enumerate(runs_of(second, tmp_path))]
    write_store(second, tmp_path, runs, {}, [], search)
    found = read_grid(tmp_path)
    assert [level.chosen for level in found.search.levels] == [1, 1]
    assert found.runs.keys() == found.search.runs.keys() | {run.name for run in runs}
    assert [one.half for one in stages(grid, tmp_path)] == ["selection", "test"]
    assert stages(grid, tmp_path)[1].cells == second.cells

    more = load(TEXT.replace("draws = 5", "draws = 6"))
    assert [one.half for one in stages(more, tmp_path)] == ["selection"]
    wider = search_of(more, tmp_path)
    write_store(drawn(more), tmp_path, list(wider.runs.values()), {}, [], wider)
    again = read_grid(tmp_path)  # the comparisons stay until the new draws have ended
    assert again.comparisons == found.comparisons
    assert {run.name for run in runs} <= again.runs.keys()
    assert [len(level.draws) for level in again.search.levels] == [6, 6]


def test_a_plan_of_a_store_without_a_search(grid, tmp_path):
    write_document(tmp_path, GridDocument(name="toy", seeds=[0, 1]))
    assert [one.half for one in stages(grid, tmp_path)] == ["selection"]
    assert runs_to_come(grid) == 4
    (tmp_path / "grid.json").write_text("{")
    with pytest.raises(GanBenchError):
        read_grid(tmp_path)
    assert [one.half for one in stages(grid, tmp_path)] == ["selection"]
