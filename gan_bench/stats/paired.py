"""How sure a difference between two levels is.

Runs of equal seed share their data order and their random streams as far as their networks are equal, so levels are
compared seed by seed. With x_s and y_s the scores of level and reference at seed s, and n seeds in which both have one:

    d_s = log x_s - log y_s   on the log scale (scores are strictly positive; differences are told in percent),
    d_s = x_s - y_s           on the raw scale,
    m   = sum d_s / n,        v = sum (d_s - m)^2 / (n - 1),
    95 % interval:            m -+ t(0.975; n - 1) sqrt(v / n)
    p value:                  P(|T| >= |m| / sqrt(v / n)), T of Student's t distribution with n - 1 degrees of freedom

Student (1908), "The probable error of a mean", Biometrika 6(1), section 9 (paired differences). This is the test that
verdicts rest on, chosen beforehand: it keeps its level and its coverage with 3 to 10 seeds, where a percentile bootstrap of
the mean covers 75 to 92 % instead of 95; on the log scale, because scores such as the Frechet distance are skewed.
Where runs of a pair failed, the verdict rests on ranks instead, a failure being worse than any score (`rank_p`).

Verdicts of one report are corrected for their number (`holm`); where seeds were added after a look at the findings, for the
number of looks as well (`sequential`). Beside the test stand the exact sign-flip test (`sign_flip_p`), the share of
pairs that improved, the interquartile mean (`interquartile_mean`) and the correlation that pairing by seed has reached.
How many seeds a verdict takes: `gan_bench.stats.power`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
SEEDS_FOR_A_TEST = 6  # with n pairs the smallest two-sided sign-flip p is 2 / 2^n: above 0.05 under 6 pairs
SEEDS_FOR_QUARTILES = 8  # from which a bootstrap of the interquartile mean covers 93 % and more
ENUMERATED = 16  # pairs up to which all sign flips are enumerated
RESAMPLES = 20_000
ROUNDING = 1e-12  # of differences, relative to their size: what varies less is equal

Scale = Literal["log", "raw"]
Better = Literal["lower", "higher"]
Verdict = Literal["better", "worse", "no difference can be told", "not tested"]


@dataclass(frozen=True)
class Finding:
    """A paired difference between a level and the reference; on the log scale all numbers are differences of logarithms."""

    scale: Scale
    better: Better
    seeds: tuple[int, ...]  # in which both have a score, in order
    differences: tuple[float, ...]  # one a seed
    mean: float  # NaN without a pair
    interval: tuple[float, float] | None  # None with fewer than two pairs, or where all pairs differ by the same
    p: float | None  # of the t test, or of ranks where a run of a pair failed; None with fewer than two pairs
    failures: tuple[int, int] = (0, 0)  # seeds in which only the level's run failed, and only the reference's
    correlation: float | None = None  # of the scores in pairs; None where it can't be computed
    corrected: float | None = None  # p by Holm's correction
    family: int = 1  # tests that it was corrected for, or will be
    look: int = 0  # of those that are taken while seeds are added, from 1; 0 where seeds were fixed
    share: float = 1.0  # of the 5 % that this look spends: p and interval are of that share
    without_log: bool = (
        False  # a score is not above 0, so that they are compared raw though their metric's scale is log
    )
    waiting: bool = False  # runs of these seeds have not ended: it is tested once they have

    @property
    def n(self) -> int:
        """Number of pairs of scores."""
        return len(self.seeds)

    @property
    def tested(self) -> int:
        """Number of pairs that the test rests on: failures count where ranks are compared."""
        return self.n + sum(self.failures)

    @property
    def improved(self) -> int:
        """Pairs of scores in which the level is better."""
        return sum((d < 0) if self.better == "lower" else (d > 0) for d in self.differences)

    @property
    def ties(self) -> int:
        """Pairs of equal scores."""
        return sum(d == 0 for d in self.differences)

    @property
    def constant(self) -> bool:
        """Whether all pairs differ by the same: there is no spread then that a t test could rest on."""
        return self.n > 1 and _deviation(np.array(self.differences)) == 0

    def in_units(self, difference: float) -> float:
        """A difference as it is told: percent on the log scale, else the score's own unit."""
        return 100 * math.expm1(min(difference, 700.0)) if self.scale == "log" else difference  # e**710 is no float

    @property
    def verdict(self) -> Verdict:
        """What the corrected test says; with fewer than `SEEDS_FOR_A_TEST` pairs, or before all runs have ended, nothing."""
        if self.p is None or self.tested < SEEDS_FOR_A_TEST or self.waiting:
            return "not tested"
        if (self.p if self.corrected is None else self.corrected) > 1 - CONFIDENCE:
            return "no difference can be told"
        return "better" if _badness(self) < 0 else "worse"


def paired_difference(
    level: Mapping[int, float],
    reference: Mapping[int, float],
    scale: Scale,
    better: Better = "lower",
    failed: tuple[Sequence[int], Sequence[int]] = ((), ()),
) -> Finding:
    """The difference of a level to the reference, paired by seed; a seed that lacks a finite score in either is left out.

    `failed` has the seeds whose runs failed, of the level and of the reference: a failure is worse than any score, so the
    test is then one of ranks. Scores that are not all strictly positive have no logarithm: they are compared on the raw
    scale, and the finding says so.
    """
    seeds = tuple(
        s for s in sorted(level.keys() & reference.keys()) if math.isfinite(level[s]) and math.isfinite(reference[s])
    )
    x = np.array([level[s] for s in seeds], dtype=np.float64)
    y = np.array([reference[s] for s in seeds], dtype=np.float64)
    without_log = scale == "log" and not ((x > 0).all() and (y > 0).all())
    if without_log:
        scale = "raw"
    if scale == "log":
        x, y = np.log(x), np.log(y)
    finding = replace(finding_of(seeds, x - y, scale, better), without_log=without_log)
    only_level = sum(math.isfinite(reference.get(s, math.nan)) for s in failed[0])
    only_reference = sum(math.isfinite(level.get(s, math.nan)) for s in failed[1])
    if only_level or only_reference:
        finding = replace(finding, failures=(only_level, only_reference))
        finding = replace(finding, p=rank_p(finding) if finding.tested > 1 else None)
    if len(seeds) > 2 and x.std() > 0 and y.std() > 0:
        finding = replace(finding, correlation=float(np.corrcoef(x, y)[0, 1]))
    return finding


def finding_of(seeds: tuple[int, ...], d: NDArray[np.float64], scale: Scale, better: Better) -> Finding:
    """Mean, interval and t test of differences.

    Differences that are all the same have no spread for a t test (a score that takes few values, or equal runs): their p is
    that of the sign flips, which is 2 / 2^n, and 1 where they are 0.
    """
    from scipy.special import stdtr  # scipy.stats, which has the same by another name, takes half a second to import

    n = len(d)
    mean = float(d.mean()) if n else math.nan
    if n < 2:
        return Finding(scale, better, seeds, tuple(d.tolist()), mean, None, None)
    error = _deviation(d) / math.sqrt(n)
    p = float(2 * stdtr(n - 1, -abs(mean) / error)) if error > 0 else 2 / 2**n if mean else 1.0
    return Finding(scale, better, seeds, tuple(d.tolist()), mean, t_interval(d), p)


def t_interval(differences: Sequence[float] | NDArray[np.float64], share: float = 1.0) -> tuple[float, float] | None:
    """Student's t interval of the mean, which misses it in 5 % of cases or a share of these.

    None of fewer than two, and of differences that are all the same: without spread it would be a point.
    """
    from scipy.special import stdtrit

    d = np.asarray(differences, dtype=np.float64)
    if len(d) < 2 or not _deviation(d):
        return None
    half = -float(stdtrit(len(d) - 1, (1 - CONFIDENCE) * share / 2)) * _deviation(d) / math.sqrt(len(d))
    return float(d.mean()) - half, float(d.mean()) + half


def _deviation(d: NDArray[np.float64]) -> float:
    """Standard deviation of a sample; 0 where it is nothing but rounding."""
    deviation = float(d.std(ddof=1))
    return deviation if deviation > ROUNDING * float(np.abs(d).max()) else 0.0


def _badness(finding: Finding) -> float:
    """Below 0 where the level is better: the mean difference, or the sum of signed ranks."""
    if any(finding.failures):
        signs, ranks = _signed_ranks(finding)
        return float(signs @ ranks)
    return finding.mean if finding.better == "lower" else -finding.mean


def _signed_ranks(finding: Finding) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each pair its sign (above 0 where the level is worse) and the rank of its size, failures as infinite differences."""
    worse = np.array(finding.differences) * (1 if finding.better == "lower" else -1)
    level, reference = finding.failures
    d = np.concatenate((worse, [math.inf] * level, [-math.inf] * reference))
    d = d[d != 0]
    _, which, times = np.unique(np.abs(d), return_inverse=True, return_counts=True)
    return np.sign(d), (np.cumsum(times) - (times - 1) / 2)[which]


def rank_p(finding: Finding) -> float:
    """Two-sided p of the signed ranks, exact: of all 2^n signs, the share whose sum is as far from 0.

    Wilcoxon (1945), Biometrics Bulletin 1(6); ties have their mean rank. The distribution is counted rank by rank.
    """
    signs, ranks = _signed_ranks(finding)
    doubled = np.rint(2 * ranks).astype(int)  # mean ranks are multiples of a half
    whole = int(doubled.sum())
    ways = np.zeros(whole + 1)  # share of the signs by the sum of the ranks with sign +
    ways[0] = 1.0
    for rank in doubled:
        shifted = np.zeros_like(ways)
        shifted[rank:] = ways[: whole + 1 - rank]
        ways = (ways + shifted) / 2
    sums = 2 * np.arange(whole + 1) - whole
    return float(min(1.0, ways[np.abs(sums) >= abs(signs @ doubled)].sum()))


def sign_flip_p(differences: Sequence[float]) -> float:
    """Two-sided p of the mean under all flips of signs: exact to `ENUMERATED` pairs, beyond by `RESAMPLES` random ones.

    Fisher (1935), "The design of experiments", section 21. At n pairs that differ no p is below 2 / 2^n.
    """
    d = np.array([one for one in differences if one != 0])  # a 0 has no sign to flip
    if len(d) <= ENUMERATED:
        signs = 1 - 2 * ((np.arange(2 ** len(d))[:, None] >> np.arange(len(d))) & 1)
        extra = 0
    else:
        signs = np.random.default_rng(0).choice([-1, 1], (RESAMPLES, len(d)))
        extra = 1  # the signs that were found are one of the ways
    reached = np.abs(signs @ d) >= abs(d.sum()) * (1 - 1e-12)  # sums of equal terms differ in their last bits
    return float((reached.sum() + extra) / (len(signs) + extra))


def smallest_sign_flip_p(differences: Sequence[float]) -> float:
    """The least that `sign_flip_p` can be with as many pairs that differ."""
    n = sum(d != 0 for d in differences)
    return min(1.0, 2 / 2**n) if n <= ENUMERATED else 1 / (RESAMPLES + 1)


def interquartile_mean(differences: Sequence[float], share: float = 1.0) -> tuple[float, float, float]:
    """The mean of the middle half, and its interval by percentile bootstrap over seeds: 95 %, or missing in a share of 5 %.

    Agarwal et al. (2021), "Deep reinforcement learning at the edge of the statistical precipice", section 4.3; strata are
    tasks there, and a finding is about one. For `SEEDS_FOR_QUARTILES` pairs and more.
    """
    d = np.array(differences)
    drawn = np.random.default_rng(0).choice(d, (RESAMPLES // 4, len(d)))
    tail = (1 - CONFIDENCE) * share / 2
    low, high = np.quantile(_middle(drawn), [tail, 1 - tail])
    return float(_middle(d)), float(low), float(high)


def _middle(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of the middle half of the last axis; a quarter of an odd number is rounded down."""
    cut = values.shape[-1] // 4
    mean: NDArray[np.float64] = np.sort(values, axis=-1)[..., cut : values.shape[-1] - cut].mean(axis=-1)
    return mean


def holm(p_values: Sequence[float]) -> list[float]:
    """p values corrected so that under no effect at all one of them is below 0.05 in at most 5 % of families.

    Holm (1979), "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6(2): the
    i-th smallest of k is multiplied by k - i + 1, and none is smaller than one before it.
    """
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for before, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - before) * p_values[index]))
        corrected[index] = largest
    return corrected


def correct(findings: Sequence[Finding]) -> list[Finding]:
    """The findings of one report, corrected for the number of those among them that are tested, or will be.

    Those whose runs have not ended count with p = 1, and so do all of a store that seeds are added to: the family must not
    grow once it has been looked at. Of what is not tested yet, `family` is the number of all that may be, for these tests
    will be made together.
    """
    family = [i for i, one in enumerate(findings) if one.verdict != "not tested" or one.waiting or one.look]
    p_values = [1.0 if findings[i].verdict == "not tested" else findings[i].p or 0.0 for i in family]
    corrected = dict(zip(family, holm(p_values), strict=True))
    return [
        replace(finding, corrected=corrected[i], family=len(family))
        if i in corrected
        else replace(finding, family=len(findings))
        for i, finding in enumerate(findings)
    ]
