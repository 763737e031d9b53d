"""What a budget of draws buys: the best score that k draws of hyperparameters are expected to find, and how sure that is.

Lucic et al. (2018), "Are GANs created equal?": models can only be compared when each has been tuned equally. Of n draws whose
scores, best first, are x_1, ..., x_n, the mean over all subsets of k of each subset's best is

    E_k = sum_i  C(n - i, k - 1) / C(n, k)  x_i,

since x_i is the best of C(n - i, k - 1) subsets: a U-statistic, unbiased for the expected best of k fresh draws (Tang et al.
2020, "Showing your work doesn't always work", ACL; the plug-in estimate of Dodge et al. 2019 is biased towards too good). A
draw that failed is worse than all others and has no number: a subset of failed draws alone is left out of the mean, and its
share is told instead.

The interval. With F the distribution of scores, F(x_1) < ... < F(x_n) are distributed as n sorted uniform numbers
u_1 < ... < u_n whatever F is, and the best of k draws lies between x_i and x_(i+1) with probability
(1 - u_i)^k - (1 - u_(i+1))^k. So drawing u and putting all of that mass on x_i, or all on x_(i+1), gives the expected best from
below and from above; the interval reaches from the 2.5 % quantile of the one to the 97.5 % quantile of the other. It needs a
value beyond either end of what was seen: below x_1 as far again as a quarter of the draws lie above it, above x_n one more of
the last gap. Jackknife intervals of the same statistic covered 53 to 95 % where draws either train or don't, which is what
learning rates do. tests/stats/test_tuning.py simulates the coverage of these; docs/search.md has the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gan_bench.stats.paired import Better

DRAWS_FOR_AN_INTERVAL = (
    20  # with fewer, a good region that is rarely drawn is easily missed, and no interval knows of it
)
ROUNDS = 4000


@dataclass(frozen=True)
class BestOf:
    """The best that k draws are expected to find."""

    k: int
    mean: float | None  # None: no draw has a score
    interval: tuple[float, float] | None  # 95 %; None with too few scores, or for more than half of the draws
    none: float  # share of the subsets of k in which no draw has a score


def budgets(draws: int) -> list[int]:
    """The numbers of draws that are told of: every small one, some of the large ones, half of them and all."""
    return sorted({k for k in (*range(1, 21), 30, 50, 100, 200, 500, draws // 2, draws) if 1 <= k <= draws})


def best_of(scores: Sequence[float], failed: int, better: Better) -> list[BestOf]:
    """The expected best of k draws, for each of `budgets`. `failed` more draws have no score."""
    sign = 1 if better == "lower" else -1
    x = sign * np.sort(sign * np.asarray(scores, dtype=float))
    n = len(x) + failed
    return [BestOf(k, _mean(x, n, k), _interval(x, n, k), _share(failed, n, k)) for k in budgets(n)]


def _share(part: int, n: int, k: int) -> float:
    """Of the subsets of k out of n, those that lie within a part."""
    return math.comb(part, k) / math.comb(n, k)


def _mean(x: np.ndarray, n: int, k: int) -> float | None:
    i = np.arange(1, n)
    weights = (
        k / n * np.cumprod([1, *np.maximum(n - i - k + 1, 0) / (n - i)])
    )  # C(n - i, k - 1) / C(n, k), one by the other
    return float(x @ weights[: len(x)] / weights[: len(x)].sum()) if len(x) else None


def _interval(x: np.ndarray, n: int, k: int) -> tuple[float, float] | None:
    if len(x) < DRAWS_FOR_AN_INTERVAL or k > n // 2:
        return None
    first = x[0] - (x[len(x) // 4] - x[0])
    last = x[-1] + (x[-1] - x[-2])
    mass = _gaps(n, k)[:, : len(x) + 1]
    mass = mass / mass.sum(axis=1, keepdims=True)
    towards_best, towards_worst = mass @ [first, *x], mass @ [*x, last]
    ends = np.quantile([towards_best, towards_worst], [0.025, 0.975], axis=1)
    return float(ends.min()), float(ends.max())


def _gaps(n: int, k: int) -> np.ndarray:
    """(ROUNDS, n + 1): the chance that the best of k draws lies between the i-th and the next of n, for random u."""
    beyond = (1 - _sorted(n)) ** k
    return np.asarray(beyond[:, :-1] - beyond[:, 1:])


@lru_cache(maxsize=4)
def _sorted(n: int) -> np.ndarray:
    """(ROUNDS, n + 2): u, between 0 and 1."""
    inner = np.sort(np.random.default_rng(0).random((ROUNDS, n)), axis=1)
    return np.concatenate([np.zeros((ROUNDS, 1)), inner, np.ones((ROUNDS, 1))], axis=1)
