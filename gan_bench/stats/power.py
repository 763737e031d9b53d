"""How many seeds a verdict takes: what a design can tell before it is trained, and what the pairs that there are say of it.

With n seeds and an effect of delta standard deviations of the paired differences, t has the noncentral t distribution with
n - 1 degrees of freedom and noncentrality delta sqrt(n) (Johnson & Welch 1940, "Applications of the non-central
t-distribution", Biometrika 31). A verdict is promised with a probability of `POWER` at the level of Holm's first step,
0.05 w / m of m tests at a look that spends the share w: whatever becomes of the other tests, it is told there.

What pairs say of delta is an interval, found by inverting that distribution in its noncentrality (Steiger & Fouladi 1997,
"Noncentrality interval estimation and the evaluation of statistical models"), and so are the seeds that it would take
(`seeds_needed`): with an effect of half a standard deviation, which 34 seeds tell, the number that belongs to the effect found in
three seeds is 8 to 616 in 80 % of cases, and less or more in the others.

After failures the verdict is one of ranks, whose p is 2 / 2^n at least (`seeds_for_ranks`); their power depends on how often
runs fail, and no number of seeds is promised.
"""

from __future__ import annotations

import math

from gan_bench.stats.paired import CONFIDENCE, SEEDS_FOR_A_TEST, Finding
from gan_bench.stats.sequential import seeds_at_next_look, share

POWER = 0.8  # probability of a verdict that is promised
MOST_SEEDS = 1000  # beyond which no number is told
LARGEST_T = 100.0  # whose interval is still computed; beyond, no number of seeds changes


def detectable(seeds: int, tests: int, share: float = 1.0) -> float | None:
    """The effect that so many seeds tell with a probability of `POWER` among so many tests, in standard deviations of the
    paired differences; None under `SEEDS_FOR_A_TEST`. `share` is the part of the 5 % that a look spends."""
    from scipy import special  # takes a moment to import

    if seeds < SEEDS_FOR_A_TEST:
        return None
    limit = -special.stdtrit(seeds - 1, (1 - CONFIDENCE) * share / tests / 2)
    return float(special.nctdtrinc(seeds - 1, 1 - POWER, limit)) / math.sqrt(seeds)


def seeds_for(effect: float, tests: int, share: float = 1.0) -> int | None:
    """The fewest seeds that tell an effect of so many standard deviations; None: more than `MOST_SEEDS`."""

    def told(seeds: int) -> bool:
        least = detectable(seeds, tests, share)
        return least is not None and least <= abs(effect)

    low, high = SEEDS_FOR_A_TEST, MOST_SEEDS
    if not told(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if told(middle) else (middle + 1, high)
    return low


def seeds_for_ranks(tests: int, share: float = 1.0) -> int:
    """The fewest seeds with which equal signs alone can be told: 2 / 2^n is at most the level of Holm's first step."""
    return max(SEEDS_FOR_A_TEST, math.ceil(1 + math.log2(tests / ((1 - CONFIDENCE) * share))))


def effect_interval(finding: Finding) -> tuple[float, float]:
    """95 % interval of the effect in standard deviations of the paired differences, of two pairs that differ or more."""
    import numpy as np
    from scipy import special

    d = np.array(finding.differences)
    root = math.sqrt(finding.n)
    t = min(max(float(d.mean()) / float(d.std(ddof=1)) * root, -LARGEST_T), LARGEST_T)
    tail = (1 - CONFIDENCE) / 2
    low, high = (float(special.nctdtrinc(finding.n - 1, p, t)) / root for p in (1 - tail, tail))
    return low, high


def seeds_needed(finding: Finding) -> tuple[int | None, int | None] | None:
    """The fewest and the most seeds with which a difference like this would be told with a probability of `POWER`.

    They belong to the ends of `effect_interval`, so that the number for the true effect lies between them in 95 % of cases.
    No end: more than `MOST_SEEDS`, or, of the most, that there may be no difference at all. Where seeds are added look by look
    they are those of a look to come. None: fewer than three pairs, all of them equal, or runs failed, so that ranks decide.
    """
    if finding.n < 3 or any(finding.failures) or (finding.constant and not finding.mean):
        return None
    if finding.constant:  # the sign-flip test decides, as long as they stay so
        return seeds_for_ranks(finding.family, finding.share), None
    low, high = effect_interval(finding)
    smallest = 0.0 if low < 0 < high else min(abs(low), abs(high))
    return _told_by(max(abs(low), abs(high)), finding), _told_by(smallest, finding)


def _told_by(effect: float, finding: Finding) -> int | None:
    """Seeds that tell an effect: any number, or that of a later look."""
    if not finding.look:
        return seeds_for(effect, finding.family)
    seeds, look = finding.n, finding.look
    while (seeds := seeds_at_next_look(seeds)) <= MOST_SEEDS:
        look += 1
        least = detectable(seeds, finding.family, share(look))
        if least is not None and least <= effect:
            return seeds
    return None
