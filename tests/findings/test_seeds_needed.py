"""What is said of the seeds that a verdict would take."""

from __future__ import annotations

import numpy as np
import pytest
from tables import findings

from gan_bench.findings.answers import answer
from gan_bench.findings.seeds_needed import more_seeds, needs
from gan_bench.stats.power import seeds_needed


def found(d, levels=1, failed=0, **options):
    """Findings of levels that differ from the reference by so many logarithms, whose last runs may have failed."""
    values = [*np.exp(d), *[None] * failed]
    cells = {("a",): dict.fromkeys(range(len(values)), 1.0)}
    cells |= {(f"b{i}",): dict(enumerate(values)) for i in range(levels)}
    (comparison,) = findings({"Which?": cells}, words=True, **options)
    return comparison


WIDE = [0.1, 0.9, -0.3, 1.2, 0.4]


def test_the_family_is_the_one_that_there_will_be():
    """Three tests that will be made together: 6 seeds, at which one alone is told, would tell each in 59 % of cases."""
    d = np.array([1.0, 1.01, 0.99, 1.02, 0.98]) - 0.9 + np.array([0, 0.06, -0.06, 0.03, -0.03])
    alone, three = found(d), found(d, levels=3)
    assert needs(alone.answers[0].finding) != needs(three.answers[0].finding)
    assert "among" not in needs(alone.answers[0].finding)
    assert "(with 80 % probability, among 3 tests)" in needs(three.answers[0].finding)
    assert [entry.finding.family for entry in three.answers] == [3, 3, 3]


@pytest.mark.slow
@pytest.mark.parametrize("levels", [3, 12])
def test_the_most_seeds_that_are_told_tell_the_effect_among_all_tests(levels):
    """Through the whole chain: pilots of five seeds, and the power that their reports' numbers have for the true effect."""
    rng, effect, told, reports = np.random.default_rng(levels), 2.0, 0, 30
    for _ in range(reports):
        _, most = seeds_needed(found(rng.normal(effect, 1, 5), levels=levels).answers[0].finding)
        grown = found(rng.normal(effect, 1, min(most or 60, 60)), levels=levels)
        told += grown.answers[0].verdict == "worse"
    assert told / reports >= 0.8


def test_a_range_is_told_and_not_a_point():
    assert needs(found(WIDE).answers[0].finding) == "A verdict needs at least 6 seeds."  # there may be no difference
    clear = found([0.5, 0.9, 0.3, 1.2, 0.4]).answers[0]
    assert needs(clear.finding) == (
        "A verdict needs at least 6 seeds; to tell such a difference takes 6 to 119 seeds (with 80 % probability)."
    )
    assert needs(clear.finding) in clear.sentence
    sure = found([0.5, 0.51, 0.49]).answers[0].finding
    assert needs(sure) == "A verdict needs 6 seeds, which would tell such a difference (with 80 % probability)."


def test_what_is_not_told_may_be_nothing():
    same = found([0.1, -0.1, 0.3, -0.3, 0.2, -0.1, 0.0, 0.1])
    assert more_seeds(same.answers[0].finding) == (
        " To tell such a difference, if there is one, takes 14 or more seeds (with 80 % probability)."
    )
    nearly = found([0.1, -0.1, 0.3, -0.3, 0.2, 0.6, 0.5, 0.1])
    assert answer(nearly).rest.endswith(" How many seeds would tell one, if there is any, these do not say.")


def test_where_runs_failed_no_number_is_taken_from_the_t_test():
    """Of 25 % failures the power of ranks may stay low for ever; what is known is how many seeds they need at least."""
    said = found([0.9, 1.0, 0.8, 0.5, -1.1, -1.2], failed=2)
    assert said.answers[0].verdict == "no difference can be told"
    assert more_seeds(said.answers[0].finding) == ""
    assert "would tell" not in said.answers[0].sentence + str(answer(said))
    assert "to tell" not in said.answers[0].sentence.lower() + str(answer(said)).lower()
    among = found([0.9, 1.0, 0.8, 0.5, 0.7], failed=3, levels=9)
    assert more_seeds(among.answers[0].finding) == (
        " A verdict needs at least 9 seeds where runs failed, among 9 tests."
    )
    assert more_seeds(among.answers[0].finding) in str(answer(among))
