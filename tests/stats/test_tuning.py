"""The expected best of k draws: against all subsets, and how often its interval holds the truth."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from gan_bench.stats.tuning import DRAWS_FOR_AN_INTERVAL, best_of

RNG = np.random.default_rng(7)


@pytest.mark.parametrize("better", ["lower", "higher"])
@pytest.mark.parametrize("failed", [0, 3])
def test_is_the_mean_over_all_subsets_of_the_best(better, failed):
    scores = [3.0, 1.0, 4.0, 1.0, 5.0, -9.0]
    best, worst = (min, np.inf) if better == "lower" else (max, -np.inf)
    every = [*scores, *[worst] * failed]
    for found in best_of(scores, failed, better):
        bests = [best(some) for some in combinations(every, found.k)]
        known = [value for value in bests if np.isfinite(value)]
        assert found.mean == pytest.approx(np.mean(known))
        assert found.none == pytest.approx(1 - len(known) / len(bests))


def test_without_a_score_there_is_no_mean():
    assert [(one.k, one.mean, one.none) for one in best_of([], 2, "lower")] == [(1, None, 1.0), (2, None, 1.0)]
    assert best_of([], 0, "lower") == []


@pytest.mark.slow
def test_of_many_draws_not_every_number_is_told():
    found = best_of(RNG.lognormal(size=990).tolist(), 10, "lower")
    assert [one.k for one in found] == [*range(1, 21), 30, 50, 100, 200, 500, 1000]
    means = [one.mean for one in found]
    assert means == sorted(means, reverse=True)


def test_intervals_are_told_where_they_hold():
    scores = RNG.lognormal(size=DRAWS_FOR_AN_INTERVAL).tolist()
    assert all(one.interval is None for one in best_of(scores[:-1], 0, "lower"))
    found = best_of(scores, 0, "lower")
    half = len(scores) // 2
    assert [one.k for one in found if one.interval] == list(range(1, half + 1))
    for one in found[:half]:
        low, high = one.interval
        assert low <= one.mean <= high
    assert found == best_of(scores, 0, "lower")  # no chance in it
    mirrored = best_of([-score for score in scores], 0, "higher")
    for one, other in zip(mirrored[:half], found[:half], strict=True):
        assert one.interval == pytest.approx([-end for end in reversed(other.interval)])


def train_or_dont(share: float):
    """Scores of draws of which a share trains."""

    def draw(rng, size):
        trained = rng.random(size) < share
        return np.where(trained, rng.normal(50, 5, size), rng.normal(400, 50, size))

    return draw


DISTRIBUTIONS = {
    "normal": lambda rng, size: rng.normal(10, 2, size),
    "log-normal": lambda rng, size: rng.lognormal(0, 1, size),
    "uniform": lambda rng, size: rng.random(size),
    "a valley": lambda rng, size: 30 + 1200 * (rng.random(size) - 0.4) ** 2 + rng.normal(0, 3, size),
    "60 % train": train_or_dont(0.6),
    "15 % train": train_or_dont(0.15),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "n", "failing"),
    [(name, *case) for name in DISTRIBUTIONS for case in ((20, 0.0), (30, 0.25))]
    + [(name, 40, 0.0) for name in ("a valley", "15 % train")],  # 12 s each
)
def test_the_interval_covers(name, n, failing):
    """What docs/search.md says of coverage: 93 to 99 % for every k that has an interval."""
    rng, draw, rounds = np.random.default_rng(1), DISTRIBUTIONS[name], 300
    many = np.sort(draw(rng, 400_000))
    below = (np.arange(len(many) + 1) / len(many)) * (1 - failing)
    masses = [-np.diff((1 - below) ** k) for k in range(1, n // 2 + 1)]
    truths = [many @ mass / mass.sum() for mass in masses]  # n is at most 40: every k up to n // 2 is told
    hits, told = np.zeros(n // 2), 0
    for _ in range(rounds):
        failed = int(rng.binomial(n, failing))
        found = best_of(draw(rng, n - failed).tolist(), failed, "lower")[: n // 2]
        if found[0].interval:
            told += 1
            hits += [one.interval[0] <= truth <= one.interval[1] for one, truth in zip(found, truths, strict=True)]
    covered = hits / told
    print(name, n, failing, told, covered.round(3).tolist())
    assert covered.min() >= 0.92, covered
