"""What a plan says of verdicts before there is a run: as many tests as the report will correct for, and what they tell."""

from __future__ import annotations

import numpy as np
import pytest
from stores import gan_bench, write_grid
from tables import findings

from gan_bench.commands.run import GridWork
from gan_bench.errors import GanBenchError
from gan_bench.grid import load_grid
from gan_bench.planning.family import count_tests, no_verdict_lines, verdict_lines
from gan_bench.stats.sequential import with_look

QUESTIONS = """
[[compare]]
title = "Which tricks help, at which depth?"
"architecture.depth" = [1, 2]
tricks = [[], ["ema"], ["label_noise"]]
exclude = [{ "architecture.depth" = 2, tricks = ["label_noise"] }]

[[compare]]
title = "The same again?"
tricks = [[], ["ema"]]

[[compare]]
title = "Another width?"
"architecture.width" = [4, 6, 8]
"""


@pytest.fixture
def grid(tmp_path):
    def make(seeds="seeds = [0, 1, 2, 3, 4, 5]"):
        text = write_grid(tmp_path, seeds=seeds).read_text().partition("[[compare]]")[0]
        (tmp_path / "grid.toml").write_text(text + QUESTIONS)
        return load_grid(tmp_path / "grid.toml")

    return make


def test_a_plan_counts_the_tests_that_the_report_corrects_for(grid):
    asked = grid()
    rng = np.random.default_rng(0)
    scores = {cell: dict(enumerate(np.exp(rng.normal(size=6)))) for cell in asked.cells}
    names = {cell: f"cell{i}" for i, cell in enumerate(asked.cells)}
    questions, runs_of = {}, {}
    for comparison in asked.comparisons:
        levels = sorted(comparison.levels, key=lambda level: not level.reference)
        cells = {tuple(str(level.values[axis]) for axis in comparison.axes): level.cell for level in levels}
        questions[comparison.title] = {cell: scores[own] for cell, own in cells.items()}
        runs_of |= {cell: (names[own],) for cell, own in cells.items()}
    found = findings(questions, runs_of=runs_of)
    family = {entry.finding.family for comparison in found for entry in comparison.answers}
    # Four levels, ema of the second question being one of them, and two widths; three main effects and an interaction.
    assert count_tests(asked) == 4 + 2 + 3 + 1
    assert family == {count_tests(asked)}
    assert count_tests(asked, headlines=3) == 3 * (4 + 2) + 3 + 1


def test_a_plan_says_which_effect_the_seeds_tell(grid):
    assert list(verdict_lines(grid(), {})) == [
        "verdicts: 6 seeds tell a difference of 2.5 standard deviations (of the paired differences) among 10 tests, with 80 % "
        "probability; one of 1 takes 18 seeds",
        "verdicts: where a run fails, a level needs 9 seeds at least to be told among 10 tests",
    ]


def test_looks_have_their_shares(grid):
    asked = grid()
    looks = {"Another width?": with_look(with_look([], range(6)), range(6, 9))}
    shared = list(verdict_lines(asked, looks))
    assert shared[0] == next(verdict_lines(asked, {}))
    assert shared[2].startswith("verdicts: 9 seeds tell a difference of 2.1 standard deviations")
    assert "among 10 tests, at a look that spends 16 % of the 5 %, with 80 %" in shared[2]


def test_too_few_seeds_are_told_before_anything_trains(grid):
    asked = grid("seeds = [0, 1, 2]")
    said = "verdicts: none, for a verdict needs at least 6 seeds, and there are 3; --seeds 0-7 gives eight"
    assert list(verdict_lines(asked, {})) == no_verdict_lines(asked, {}) == [said]
    assert no_verdict_lines(grid(), {}) == []
    assert no_verdict_lines(asked, {one.title: with_look([], range(6)) for one in asked.comparisons}) == []


def test_plan_and_run_say_it_first(tmp_path, monkeypatch):
    said = "a verdict needs at least 6 seeds, and there is 1;"
    write_grid(tmp_path)
    assert said in gan_bench("plan", "grid.toml", "--no-pilot", cwd=tmp_path).stdout

    def stop(work):
        raise GanBenchError("here it would train")

    monkeypatch.setattr(GridWork, "_alone", stop)
    done = gan_bench("run", "grid.toml", "--devices", "cpu", "--slots", "1", cwd=tmp_path, code=2)
    assert done.stderr.index(said) < done.stderr.index("here it would train")
