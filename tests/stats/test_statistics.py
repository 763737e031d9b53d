"""Paired differences: exact small cases, and coverage by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from gan_bench.findings.sentences import amount, details, sentence
from gan_bench.stats.paired import (
    correct,
    holm,
    interquartile_mean,
    paired_difference,
    rank_p,
    sign_flip_p,
    smallest_sign_flip_p,
)


def by_seed(values) -> dict[int, float]:
    return dict(enumerate(map(float, values)))


def words(finding, **others) -> str:
    return sentence(finding, **{"level": "ema", "reference": "none", "score": "FD[c]", **others})


def test_small_case_by_hand():
    finding = paired_difference({0: 3.0, 1: 5.0, 2: 10.0}, {0: 2.0, 1: 3.0, 2: 7.0}, "raw")
    assert finding.differences == (1.0, 2.0, 3.0)
    assert finding.mean == 2.0
    half = 4.302652729911275 / math.sqrt(3)  # t(0.975; 2) and a deviation of 1
    assert finding.interval == pytest.approx((2 - half, 2 + half))
    assert finding.p == pytest.approx(stats.ttest_1samp([1, 2, 3], 0).pvalue)


def test_agrees_with_scipy_paired_test_on_logs():
    rng = np.random.default_rng(1)
    x, y = rng.lognormal(1, 0.5, (2, 7))
    finding = paired_difference(by_seed(x), by_seed(y), "log")
    reference = stats.ttest_rel(np.log(x), np.log(y))
    assert finding.p == pytest.approx(reference.pvalue)
    assert finding.interval == pytest.approx(tuple(reference.confidence_interval(0.95)))


def test_log_scale_is_told_in_percent():
    finding = paired_difference(by_seed([5, 10]), by_seed([10, 20]), "log")
    assert finding.in_units(finding.mean) == pytest.approx(-50)
    assert amount(finding, finding.mean) == "−50 %"


def test_pairs_by_seed_and_leaves_out_what_has_no_partner_or_no_value():
    finding = paired_difference({0: 1.0, 1: 2.0, 2: math.nan, 5: 9.0}, {1: 1.0, 2: 1.0, 0: 1.0, 7: 3.0}, "raw")
    assert finding.seeds == (0, 1)
    assert finding.differences == (0.0, 1.0)


@pytest.mark.parametrize(("level", "n"), [({}, 0), ({3: 1.0}, 1)])
def test_no_interval_without_two_pairs(level, n):
    finding = paired_difference(level, {3: 2.0}, "log")
    assert (finding.n, finding.interval, finding.p) == (n, None, None)
    assert finding.verdict == "not tested"


def test_no_pair_and_one_pair_in_words():
    assert words(paired_difference({}, {3: 2.0}, "log")) == (
        "ema is not tested against none in FD[c]: there is no seed in which both have a score."
    )
    assert words(paired_difference({3: 1.0}, {3: 2.0}, "log")) == (
        "FD[c] of ema is 50 % lower than that of none in the one seed that both have. A verdict needs at least 6 seeds. "
        "Lower is better."
    )


@pytest.mark.parametrize(("n", "verdict"), [(2, "not tested"), (5, "not tested"), (6, "better"), (9, "better")])
def test_a_verdict_needs_six_pairs(n, verdict):
    finding = paired_difference(by_seed([1 + 0.01 * i for i in range(n)]), by_seed([9.0] * n), "log")
    assert finding.interval[1] < 0
    assert finding.verdict == verdict


def test_scores_without_a_logarithm_are_compared_raw():
    finding = paired_difference(by_seed([0.0, -1.0]), by_seed([1.0, 1.0]), "log")
    assert finding.scale == "raw"
    assert finding.mean == -1.5


def test_equal_differences():
    equal = paired_difference(by_seed([1] * 6), by_seed([1] * 6), "raw")
    assert equal.verdict == "no difference can be told"
    assert (equal.mean, equal.p, equal.interval) == (0.0, 1.0, None)
    assert words(equal) == (
        "No difference can be told between ema and none in FD[c]: their scores are equal in all 6 seeds. Lower is better."
    )
    assert "is equal to that of none in all 2 seeds" in words(
        paired_difference(by_seed([1, 1]), by_seed([1, 1]), "raw")
    )


@pytest.mark.parametrize("n", [2, 6, 9])
def test_equal_differences_that_are_not_0_have_no_spread_to_test_by(n):
    """A count of classes may differ by 1 in every seed: the t test would call that certain, with an interval of no width."""
    finding = paired_difference(by_seed([0.1 + i + 1 for i in range(n)]), by_seed([0.1 + i for i in range(n)]), "raw")
    assert (finding.interval, finding.p) == (None, 2 / 2**n)
    said = words(finding, level="a", reference="b")
    if n == 2:
        assert said.startswith(
            "FD[c] of a is 1 higher than that of b on average (the same in all 2 seeds). A verdict needs"
        )
    else:
        assert f"1 higher on average (the same in all {n} seeds), p = {2 / 2**n:.2g} by the sign-flip test." in said


@pytest.mark.parametrize(("better", "verdict"), [("lower", "worse"), ("higher", "better")])
def test_direction_is_the_metrics(better, verdict):
    finding = paired_difference(by_seed([11, 12, 13, 14, 15, 17]), by_seed(range(1, 7)), "raw", better)
    assert finding.verdict == verdict
    assert words(finding).startswith(f"ema is {verdict} than none: FD[c] is 10.2 higher on average (95 % interval +9")


def test_sentence_under_six_seeds_has_size_interval_and_seeds_and_no_verdict():
    assert words(paired_difference(by_seed([50, 52, 48]), by_seed([100, 100, 100]), "log")) == (
        "FD[c] of ema is 50 % lower than that of none in the geometric mean (95 % interval −55 % to −45 %; 3 seeds). "
        "A verdict needs 6 seeds, which would tell such a difference (with 80 % probability). Lower is better."
    )


def test_sentence_when_nothing_can_be_told():
    said = words(paired_difference(by_seed([9, 11, 10] * 2), by_seed([10, 10, 10.5] * 2), "raw"))
    assert said.startswith("No difference can be told between ema and none in FD[c]: the mean difference is −0.167 (")


def test_p_from_six_pairs():
    assert "p < 0.001" in words(paired_difference(by_seed([1, 1.1, 0.9, 1, 1.05, 0.95]), by_seed([2] * 6), "log"))


def test_failures_and_unfinished_runs_are_said():
    finding = paired_difference(by_seed([1, 2]), by_seed([2, 4.1]), "log")
    said = words(finding, failed={"ema": [4, 2], "none": []}, missing={"none": [3]})
    assert "Seeds 2, 4 of ema failed, so this holds only for seeds that succeed in both." in said
    assert said.endswith("Not finished: seed 3 of none.")


def test_seeds_without_a_score_are_said():
    finding = paired_difference(by_seed([1, 2, math.nan]), by_seed([2, 4.1, 3]), "log")
    assert words(finding, unscored={"ema": [2], "none": []}).endswith(" Seed 2 of ema has no score.")
    said = words(finding, unscored={"ema": [2, 3], "none": [4]})
    assert said.endswith(" Seeds 2, 3 of ema have no score and seed 4 of none has no score.")


@pytest.mark.slow
@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize(("scale", "low", "high"), [("raw", 0.94, 0.96), ("log", 0.94, 0.96)])
def test_interval_covers_at_its_rate(n, scale, low, high):
    """Pairs share a part of their noise; normal scores on the raw scale, log-normal ones on the log scale."""
    rng = np.random.default_rng(n)
    trials, effect = 4000, 0.3
    shared = rng.normal(size=(trials, n))
    x, y = (1 + shared + rng.normal(size=(trials, n)) + shift for shift in (effect, 0.0))
    if scale == "log":
        x, y = np.exp(x), np.exp(y)
    covered = 0
    for level, reference in zip(x, y, strict=True):
        interval = paired_difference(by_seed(level), by_seed(reference), scale).interval
        covered += interval[0] <= effect <= interval[1]
    assert low < covered / trials < high


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_a_verdict_needs_the_corrected_p():
    clear = paired_difference(by_seed([1, 1.1, 0.9, 1, 1.05, 0.95]), by_seed([2] * 6), "log")
    weak = paired_difference(by_seed([9, 9.9, 9.5, 9.8, 9.6, 9.95]), by_seed([10] * 6), "raw")
    few = paired_difference(by_seed([1, 1.1]), by_seed([2, 2]), "raw")
    assert 0.025 < weak.p < 0.05
    assert weak.verdict == "better"
    first, second, third = correct([clear, weak, few])
    assert (first.verdict, second.verdict, third.verdict) == (
        "better",
        "better",
        "not tested",
    )  # the largest is not multiplied
    first, second, other = correct([weak, weak, clear])
    assert first.corrected == second.corrected == pytest.approx(2 * weak.p)
    assert (first.verdict, other.verdict) == ("no difference can be told", "better")
    assert f"{2 * weak.p:.2g} after Holm's correction for 3 tests" in words(first)


def test_sign_flips_agree_with_scipy():
    d = np.random.default_rng(3).normal(0.5, 1, 9)
    theirs = stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
    assert sign_flip_p(d) == pytest.approx(theirs)
    assert sign_flip_p([1.0] * 6) == 2 / 2**6
    ties = [0.0] * 14 + [1.0] * 3  # three signs can be flipped, of however many pairs
    assert sign_flip_p(ties) == smallest_sign_flip_p(ties) == 2 / 2**3
    assert sign_flip_p([0.0] * 20) == smallest_sign_flip_p([0.0] * 20) == 1
    many = np.random.default_rng(4).normal(0.3, 1, 30)
    assert sign_flip_p(many) == pytest.approx(stats.ttest_1samp(many, 0).pvalue, abs=0.02)


def test_signed_ranks_agree_with_scipy():
    for n, seed in ((6, 0), (11, 1), (25, 2)):
        d = np.random.default_rng(seed).normal(0.4, 1, n)
        finding = paired_difference(by_seed(d), by_seed(np.zeros(n)), "raw")
        assert rank_p(finding) == pytest.approx(stats.wilcoxon(d, method="exact").pvalue)


def test_failures_are_the_worst_that_can_be():
    """Eight seeds: the level is better where both succeed, but three of its runs failed."""
    level, reference = by_seed([1, 1.1, 0.9, 1, 1.05]), by_seed([2] * 8)
    finding = paired_difference(level, reference, "log", "lower", ([5, 6, 7], []))
    assert finding.mean < 0
    assert (finding.n, finding.tested, finding.failures) == (5, 8, (3, 0))
    assert finding.verdict == "no difference can be told"
    said = words(finding, failed={"ema": [5, 6, 7], "none": []})
    assert "by signed ranks, failures worst" in said
    assert said.endswith(
        "Seeds 5, 6, 7 of ema failed, so the mean difference holds only for seeds that succeed in both."
    )
    worse = paired_difference({0: 1.0}, reference, "log", "lower", (range(1, 8), []))
    assert worse.verdict == "worse"
    better = paired_difference(by_seed([1] * 8), {}, "log", "lower", ([], range(8)))
    assert better.verdict == "better"
    assert words(better).startswith("ema is better than none: no seed succeeds in both, p = 0.0078 by signed ranks")
    neither = paired_difference({}, {}, "log", "lower", (range(8), range(8)))
    assert neither.verdict == "not tested"


def test_what_stands_beside_the_test():
    x, y = by_seed([1, 1.2, 0.9, 1, 1.05, 0.95, 1.1, 1.3]), by_seed([2, 2.3, 1.9, 2, 2.1, 2.0, 1.05, 2.4])
    said = "; ".join(details(paired_difference(x, y, "raw")))
    assert said.startswith("7 of 8 pairs improved; exact sign-flip test p = ")
    assert "(smallest possible 0.0078)" in said
    assert "interquartile mean −1.02 (95 % bootstrap interval −" in said
    assert (
        f"correlation of the pairs {np.corrcoef(list(x.values()), list(y.values()))[0, 1]:+.2f}".replace("-", "−")
        in said
    )


def test_interquartile_mean_by_hand():
    middle, low, high = interquartile_mean([100, 1, 2, 3, 4, 5, 6, -100])
    assert middle == 3.5
    assert -100 < low < 3.5 < high < 100


@pytest.mark.parametrize("n", [8, 12])
def test_bootstrap_of_the_interquartile_mean_covers(n):
    """Agarwal et al. report 95 % from about 10 runs; at 8 it is 93 to 94 %."""
    rng = np.random.default_rng(n)
    covered = 0
    for _ in range(400):
        _, low, high = interquartile_mean(rng.normal(size=n))
        covered += low <= 0 <= high
    assert covered / 400 > 0.90


def test_under_no_effect_at_most_one_report_in_twenty_has_a_finding():
    """Reports of ten comparisons of identical levels, whose pairs share a reference: tests that depend on each other."""
    rng, reports = np.random.default_rng(5), 400
    wrong = 0
    for _ in range(reports):
        reference = by_seed(np.exp(rng.normal(size=6)))
        findings = [paired_difference(by_seed(np.exp(rng.normal(size=6))), reference, "log") for _ in range(10)]
        wrong += any(finding.verdict in ("better", "worse") for finding in correct(findings))
    assert wrong / reports <= 0.05
