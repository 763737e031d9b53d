"""Searches trained for real: a planted optimum is found, more draws keep those there are, and each stage can be looked at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stores import gan_bench, run_folders

from gan_bench.findings.search import searches
from gan_bench.findings.tables import load

GOOD, DEAD = 1e-2, 1e-9  # a learning rate that trains, and one that does not
GRID = f"""
name = "tuned"
dataset = {{ name = "ring", training = 2000 }}
architecture = {{ name = "fcgan", width = 16, depth = 1, latent = 4 }}
seeds = [0, 1]
steps = 300
batch_size = 64
[optimizer]
lr = {DEAD}
betas = [0.5, 0.999]
[evaluate]
snapshots = 2
samples = 500
features = "pixels"
metrics = ["fid"]
[search]
draws = 4
seed = 2
[search.space]
"optimizer.lr" = {{ choice = [{DEAD}, {GOOD}] }}
[[compare]]
title = "Penalty?"
tricks = [[], ["r1"]]
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with a grid and its finished store, runs/tuned."""
    folder = tmp_path_factory.mktemp("search")
    (folder / "grid.toml").write_text(GRID)
    assert "8 draws with 1 of the seeds; then 4 runs of the best draw of each of 2 levels" in plan(folder)
    gan_bench("run", "grid.toml", cwd=folder)
    return folder


def plan(folder: Path, *options: str) -> str:
    return gan_bench("plan", "grid.toml", "--no-pilot", *options, cwd=folder).stdout


def times(store: Path) -> dict[Path, int]:
    return {file: file.stat().st_mtime_ns for file in (store / "runs").rglob("*") if file.is_file()}


def test_tuning_finds_the_planted_optimum_and_tests_it_on_fresh_seeds_and_data(folder):
    store = folder / "runs" / "tuned"
    results = load(store)
    (search,) = searches(results)
    for tuning in search.tunings:
        assert tuning.chosen.values == {"optimizer.lr": GOOD}
        dead = [draw.score for draw in tuning.draws if draw.values["optimizer.lr"] == DEAD]
        assert dead
        assert tuning.chosen.score < min(dead)
        assert len(tuning.tested) == 2
    compared = {run for level in results.grids["tuned"].comparisons[0].levels for run in level.runs.values()}
    for run in compared:
        document = json.loads((store / "runs" / run / "run.json").read_text())
        assert document["seed"] in (0, 1)
        assert document["settings"]["optimizer"]["generator"]["lr"] == GOOD
        for file in (store / "runs" / run).glob("snapshots/*/scores.json"):
            assert {one["protocol"]["split"] for one in json.loads(file.read_text())["scores"]} == {
                "test half of held out"
            }
    assert '<h2 id="tuning-title">Search' in (store / "report.html").read_text()


def test_the_same_command_again_repeats_nothing_and_plan_knows_it(folder):
    store = folder / "runs" / "tuned"
    before = times(store)
    told = gan_bench("run", "grid.toml", cwd=folder).output
    assert "All 4 runs of the search have ended." in told  # of eight draws, with two values of one setting
    assert times(store) == before
    assert "4 cells, 8 runs, 0 of them to train" in (text := plan(folder))
    assert "and 4 runs of the best draw" in text


def test_more_draws_keep_those_there_are(folder):
    store = folder / "runs" / "tuned"
    before = times(store)
    finer = ["--set", "search.draws=6", "--set", 'search.space."tricks.r1.gamma"={ log_uniform = [0.1, 10] }']
    gan_bench("run", "grid.toml", *finer, cwd=folder)
    assert {file: time for file, time in times(store).items() if file in before} == before
    first = len(run_folders(store))
    gan_bench("run", "grid.toml", *finer, "--set", "search.draws=7", cwd=folder)
    assert len(run_folders(store)) - first in (1, 3)  # one new gamma; and two fresh seeds where it is the best
    (search,) = searches(load(store))
    assert [len(tuning.draws) for tuning in search.tunings] == [7, 7]


FAULT = '''
from gan_bench import Field, Trick, hookimpl

class Fault(Trick):
    """Raises after some steps."""
    name = "fault"
    bad: bool = Field(False, description="whether it does")

    def edit(self, recipe):
        def fail():
            if not recipe.step.is_meta and recipe.step > 3:
                raise RuntimeError("a deliberate fault")

        if self.bad:
            recipe.after_g_step(fail)

@hookimpl
def gan_bench_tricks():
    return [Fault]
'''


def test_draws_that_fail_are_the_worst_and_no_failure_of_the_command(tmp_path):
    (tmp_path / "fault.py").write_text(FAULT)
    text = GRID.replace("steps = 300", 'steps = 30\nplugins = ["fault.py"]').replace("[[], [", '[["fault"], ["fault", ')
    text = text.replace('"optimizer.lr" =', '"tricks.fault.bad" =').replace(f"[{DEAD}, {GOOD}]", "[true, false]")
    (tmp_path / "grid.toml").write_text(text)
    told = gan_bench("run", "grid.toml", cwd=tmp_path).output
    assert "runs of the search failed, and count as the worst" in told
    store = tmp_path / "runs" / "tuned"
    (search,) = searches(load(store))
    for tuning in search.tunings:
        failed = [draw for draw in tuning.draws if draw.values["tricks.fault.bad"]]
        assert {draw.status for draw in failed} == {"failed"}
        assert 0 < len(failed) < 4
        assert tuning.chosen.values == {"tricks.fault.bad": False}
    before = times(store)
    gan_bench("run", "grid.toml", cwd=tmp_path)
    assert times(store) == before  # what failed does so again: it is left as it is


def test_optuna_s_draws_are_trained_in_rounds_and_not_repeated(tmp_path):
    pytest.importorskip("optuna", reason="the package optuna is not installed")
    sampler = 'draws = 4\nsampler = { name = "optuna", batch = 2 }'
    space = "{ log_uniform = [1e-4, 1e-2] }"
    text = GRID.replace("steps = 300", "steps = 30").replace("draws = 4", sampler)
    (tmp_path / "grid.toml").write_text(text.replace(f"{{ choice = [{DEAD}, {GOOD}] }}", space))
    assert "4 cells, 4 runs, 4 of them to train" in plan(tmp_path)  # of the first round; the others follow from it
    gan_bench("run", "grid.toml", cwd=tmp_path)
    store = tmp_path / "runs" / "tuned"
    (search,) = searches(load(store))
    assert [len({str(draw.values) for draw in tuning.draws}) for tuning in search.tunings] == [4, 4]
    assert len(run_folders(store)) == 12
    assert "Later draws follow from the results of earlier ones" in (store / "report.html").read_text()
    before = times(store)
    gan_bench("run", "grid.toml", cwd=tmp_path)
    assert times(store) == before
    assert "12 runs, 0 of them to train" in plan(tmp_path)


def test_a_first_stage_alone_can_be_looked_at_and_gone_on_from(tmp_path):
    (tmp_path / "grid.toml").write_text(GRID)
    store = tmp_path / "runs" / "tuned"
    told = gan_bench("run", "grid.toml", "--only", "no tricks", cwd=tmp_path).output
    assert "Which draws are best is known when all have ended" in told
    (search,) = searches(load(store))
    assert (search.missing, search.draws, search.to_come) == (4, 8, 4)
    page = (store / "report.html").read_text()
    assert "4 of 8 draws have ended" in page
    assert 'id="answers"' not in page
    assert "then 4 runs" in plan(tmp_path)
    gan_bench("run", "grid.toml", cwd=tmp_path)
    assert searches(load(store))[0].missing == 0


def test_seeds_are_added_to_the_second_stage(folder):
    told = gan_bench("run", "grid.toml", "--out", "grown", "--until-settled", "--most-seeds", "6", cwd=folder).output
    assert "Penalty? " in told
    results = load(folder / "grown")
    assert sorted(results.runs["seed"].unique()) == [0, 1, 2, 3, 4, 5, 1000]
    words = ["--until-settled", "--most-seeds", "9", "--seeds", "995-996"]
    refused = gan_bench("run", "grid.toml", *words, cwd=folder, code=2).output
    assert "up to 9 seeds would come to seed 1000, which the search trains with" in refused
