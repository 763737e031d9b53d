"""What is found of a search: the draws, the best of a budget, and what became of the chosen one."""

from __future__ import annotations

import pytest
from search_store import LEVELS, TITLE, drawn_rates, true_score, write_search

from gan_bench.findings.compare import compare
from gan_bench.findings.search import searches
from gan_bench.findings.tables import load


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return load(write_search(tmp_path_factory.mktemp("search") / "s"))


def test_each_draw_has_its_values_score_and_status(results):
    (search,) = searches(results)
    assert [tuning.label for tuning in search.tunings] == list(LEVELS)
    for tuning in search.tunings:
        scores = [true_score(tuning.label, rate) for rate in drawn_rates(24)]
        assert [draw.values["optimizer.lr"] for draw in tuning.draws] == drawn_rates(24)
        assert [draw.score for draw in tuning.draws] == scores
        assert {draw.status for draw in tuning.draws if draw.score is None} == {"failed"}
        assert tuning.chosen.score == min(score for score in scores if score is not None)
        assert tuning.best[-1].mean == tuning.chosen.score
        assert sum(tuning.tested) / len(tuning.tested) == pytest.approx(1.1 * tuning.chosen.score, rel=0.03)
    assert (search.missing, search.draws, search.to_come) == (0, 48, 0)


def test_scores_of_draws_stand_in_columns_of_their_own_and_in_no_comparison(results):
    assert sorted(column.label for column in results.scores) == ["FD[classifier]", "FD[classifier], selection half"]
    (comparison,) = compare(results)
    assert [column.label for column in comparison.scores] == ["FD[classifier]"]
    assert comparison.title == TITLE
    assert comparison.seeds == list(range(6))
    assert comparison.answers[0].verdict == "worse"  # fcgan, over six seeds


def test_a_search_that_has_not_ended_has_no_best_and_no_comparison(tmp_path):
    results = load(write_search(tmp_path / "s", draws=5, ended=3, tested=False))
    (search,) = searches(results)
    assert (search.missing, search.draws, search.to_come) == (4, 10, 12)
    assert [draw.status for draw in search.tunings[0].draws][3:] == ["unfinished"] * 2
    assert all(tuning.best == [] and tuning.chosen is None and tuning.tested == [] for tuning in search.tunings)
    assert compare(results) == []
    assert results.runs["seed"].tolist() == [1000] * 10
