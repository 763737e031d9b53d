"""How sure a difference between two levels is.

Runs of equal seed share their data order and their random streams as far as their networks are equal, so levels are
compared seed by seed. With x_s and y_s the scores of level and reference at seed s, and n seeds in which both have one:

    d_s = log x_s - log y_s   on the log scale (scores are strictly positive; differences are told in percent),
    d_s = x_s - y_s           on the raw scale,
    m   = sum d_s / n,        v = sum (d_s - m)^2 / (n - 1),
    95 % interval:            m -+ t(0.975; n - 1) sqrt(v / n)
    p value:                  P(|T| >= |m| / sqrt(v / n)), T of Student's t distribution with n - 1 degrees of freedom

Student (1908), "The probable error of a mean", Biometrika 6(1), section 9 (paired differences). The t interval is taken
because it keeps its coverage with 3 to 10 seeds, where a percentile bootstrap of the mean covers 75 to 92 % instead of 95;
and the log scale because scores such as the Frechet distance are skewed, for which the t interval covers too little.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

CONFIDENCE = 0.95
SEEDS_FOR_A_TEST = 6  # with n pairs the smallest two-sided sign-flip p is 2 / 2^n: above 0.05 under 6 pairs

Verdict = Literal["better", "worse", "no difference can be told", "not tested"]


@dataclass(frozen=True)
class Finding:
    """A paired difference between a level and the reference; on the log scale all numbers are differences of logarithms."""

    scale: Literal["log", "raw"]
    seeds: tuple[int, ...]  # in which both have a score, in order
    differences: tuple[float, ...]  # one a seed
    mean: float  # NaN without a pair
    interval: tuple[float, float] | None  # None with fewer than two pairs
    p: float | None

    @property
    def n(self) -> int:
        """Number of pairs."""
        return len(self.seeds)

    def in_units(self, difference: float) -> float:
        """A difference as it is told: percent on the log scale, else the score's own unit."""
        return 100 * math.expm1(min(difference, 700.0)) if self.scale == "log" else difference  # e**710 is no float

    def verdict(self, better: str) -> Verdict:
        """What the interval says, for a metric of which the `lower` or the `higher` value is better.

        With fewer than `SEEDS_FOR_A_TEST` pairs nothing is tested: an interval alone is no verdict.
        """
        if self.interval is None or self.n < SEEDS_FOR_A_TEST:
            return "not tested"
        low, high = self.interval
        if low <= 0 <= high:
            return "no difference can be told"
        return "better" if (high < 0) == (better == "lower") else "worse"


def paired_difference(
    level: Mapping[int, float], reference: Mapping[int, float], scale: Literal["log", "raw"]
) -> Finding:
    """The difference of a level to the reference, paired by seed; a seed that lacks a finite score in either is left out.

    Scores that are not all strictly positive have no logarithm: they are compared on the raw scale, and the finding says so.
    """
    seeds = tuple(
        s for s in sorted(level.keys() & reference.keys()) if math.isfinite(level[s]) and math.isfinite(reference[s])
    )
    x = np.array([level[s] for s in seeds], dtype=np.float64)
    y = np.array([reference[s] for s in seeds], dtype=np.float64)
    if scale == "log" and not ((x > 0).all() and (y > 0).all()):
        scale = "raw"
    d = np.log(x) - np.log(y) if scale == "log" else x - y
    n = len(d)
    mean = float(d.mean()) if n else math.nan
    if n < 2:
        return Finding(scale, seeds, tuple(d.tolist()), mean, None, None)
    from scipy import stats  # takes half a second to import

    error = float(d.std(ddof=1)) / math.sqrt(n)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * error
    p = float(2 * stats.t.sf(abs(mean) / error, n - 1)) if error > 0 else float(mean == 0)
    return Finding(scale, seeds, tuple(d.tolist()), mean, (mean - half, mean + half), p)


def sentence(
    finding: Finding,
    *,
    level: str,
    reference: str,
    score: str,
    better: str,
    failed: Mapping[str, Sequence[int]] | None = None,
    missing: Mapping[str, Sequence[int]] | None = None,
    unscored: Mapping[str, Sequence[int]] | None = None,
) -> str:
    """A finding in plain words.

    `score` is the metric's title with its protocol, `better` its better direction; `failed`, `missing` and `unscored` give,
    by level, the seeds whose runs failed, are not finished, or finished without this score.
    """
    verdict = finding.verdict(better)
    if verdict == "not tested":
        words = _not_tested(finding, level, reference, score)
    elif verdict == "no difference can be told":
        words = (
            f"No difference can be told between {level} and {reference} in {score}: the mean difference is "
            f"{amount(finding, finding.mean)} {_interval(finding)}{_p(finding)}."
        )
    else:
        words = (
            f"{level} is {verdict} than {reference}: {score} is {_lower_or_higher(finding)} on average "
            f"{_interval(finding)}{_p(finding)}."
        )
    return words + _left_out(failed or {}, missing or {}, unscored or {})


def amount(finding: Finding, difference: float) -> str:
    """A difference with its sign and unit: `−12 %`, `+0.031`."""
    value = finding.in_units(difference)
    digits = (
        f"{abs(value):.3g}"
        if finding.scale == "raw"
        else f"{abs(value):.2g}"
        if abs(value) < 10
        else f"{abs(value):.0f}"
    )
    sign = "" if float(digits) == 0 else "−" if value < 0 else "+"
    return f"{sign}{digits}{' %' if finding.scale == 'log' else ''}"


def interval_text(finding: Finding) -> str:
    """`−39 % to −5.1 %`; a dash where there is no interval."""
    return " to ".join(amount(finding, end) for end in finding.interval) if finding.interval else "–"


def _lower_or_higher(finding: Finding) -> str:
    return f"{amount(finding, finding.mean).lstrip('+−')} {'lower' if finding.mean < 0 else 'higher'}"


def _interval(finding: Finding) -> str:
    return f"(95 % interval {interval_text(finding)}; {finding.n} seeds)"


def _p(finding: Finding) -> str:
    assert finding.p is not None
    value = "p < 0.001" if finding.p < 0.001 else f"p = {finding.p:.2g}"
    return f", {value} by the paired t test, not corrected for the number of findings"


def _not_tested(finding: Finding, level: str, reference: str, score: str) -> str:
    if finding.n == 0:
        return f"{level} is not tested against {reference} in {score}: there is no seed in which both have a score."
    basis = "in the one seed that both have" if finding.n == 1 else f"on average {_interval(finding)}"
    than = f"{_lower_or_higher(finding)} than" if finding.mean else "equal to"
    return (
        f"{score} of {level} is {than} that of {reference} {basis}. A verdict needs at least {SEEDS_FOR_A_TEST} seeds."
    )


def _left_out(
    failed: Mapping[str, Sequence[int]], missing: Mapping[str, Sequence[int]], unscored: Mapping[str, Sequence[int]]
) -> str:
    """What became of the seeds that are in no pair."""
    failures = _clauses(failed, " failed", " failed")
    without = _clauses(unscored, " has no score", " have no score")
    waiting = _clauses(missing)
    return (
        (
            f" {failures[0].upper() + failures[1:]}, so this holds only for seeds that succeed in both."
            if failures
            else ""
        )
        + (f" {without[0].upper() + without[1:]}." if without else "")
        + (f" Not finished: {waiting}." if waiting else "")
    )


def _clauses(levels: Mapping[str, Sequence[int]], one: str = "", many: str = "") -> str:
    """`seed 2 of ema failed and seeds 0, 1 of hinge failed`, with the verb for one and for many seeds."""
    return " and ".join(
        f"{_seeds(seeds)} of {level}{one if len(seeds) == 1 else many}" for level, seeds in levels.items() if seeds
    )


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, sorted(seeds)))}"
