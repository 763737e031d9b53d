"""Looking again while seeds are added: p values and intervals that hold at every look.

Whoever adds seeds until a test succeeds, and tests each time as if it were the only time, finds something in far more than 5 %
of the cases in which there is nothing. So the 5 % are spent bit by bit. A **look** k = 1, 2, ... is a test of all seeds that
there are by then. With p_k the p value of look k by itself (t test, or ranks where runs failed), and its share

    w_k = (1/5) (4/5)^(k-1),            sum over all k = 1, 2, ... of w_k = 1,

what is reported at look k is

    q_k = min(1, p_k / w_k)             instead of p_k,
    I_k = Student's t interval at level 1 - 0.05 w_k  instead of 0.95, so that it excludes 0 exactly where q_k < 0.05.

Under no effect P(p_k <= a) <= a at each look, so that by Boole's inequality, for every a and whatever rule says when to stop,

    P(q_k <= a at any look k)           <= sum_k P(p_k <= a w_k)  <= a sum_k w_k = a,
    P(I_k misses the truth at any k)    <= sum_k 0.05 w_k = 0.05.

Nothing else is assumed: no number of looks or seeds planned beforehand, no joint distribution of the looks, any test. So it
serves ranks and main effects as it serves the t test, holds where failed runs make pairs fewer, and lets a limit be raised
later. That is why it is taken rather than bounds from the joint distribution of t statistics (with the same spending 7 %
narrower at 14 to 32 pairs) or a t confidence sequence with a Gaussian mixture (Lai 1976, Annals of Statistics 4(2); Wang &
Ramdas 2023, "Anytime-valid t-tests and confidence sequences for Gaussian means with unknown variance": 35 % wider at 6
pairs, 8 % at 32).

Several tests: Holm's correction is made of the q_k that stand at the moment. Where m of the hypotheses are true, Holm is
wrong only if one of these has q <= a / m, and the chance that one ever has is at most m (a / m) = a. So the 5 % hold for all
reports of a growing store together, though comparisons stop at different looks, as long as the family is counted whole from
the first look on (`gan_bench.stats.paired.correct`).

Slud & Wei (1982), "Two-sample repeated significance tests based on the modified Wilcoxon statistic", JASA 77(380): shares
fixed beforehand. Lan & DeMets (1983), "Discrete sequential boundaries for clinical trials", Biometrika 70(3): spending.
Jennison & Turnbull (1989), "Interim analyses: the repeated confidence interval approach", JRSS B 51(3): the intervals. Maurer
& Bretz (2013), "Multiple testing in group sequential trials using graphical approaches", Statistics in Biopharmaceutical
Research 5(4): several tests.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gan_bench.stats.paired import SEEDS_FOR_A_TEST, Finding, t_interval

if TYPE_CHECKING:
    pass

FIRST = 0.2  # share of the 5 % that is spent at the first look
RATIO = 1 - FIRST  # of each share to the one before: with it the shares of all looks sum to 1
GROWTH = 1.5  # seeds at a look to those at the one before: looks that differ little would waste their share


def share(look: int) -> float:
    """Part of the 5 % that look 1, 2, ... spends."""
    return FIRST * RATIO ** (look - 1)


def seeds_at_next_look(seeds: int) -> int:
    """How many seeds the look after one of `seeds` has: 6, 9, 14, 21, 32, 48, ..."""
    return max(SEEDS_FOR_A_TEST, math.ceil(GROWTH * seeds))


def at_look(finding: Finding, look: int, spent: float) -> Finding:
    """A finding as it is reported at a look that spends this share of the 5 %."""
    p = None if finding.p is None else min(1.0, finding.p / spent)
    return replace(finding, look=look, share=spent, p=p, interval=t_interval(finding.differences, spent))


@dataclass(frozen=True)
class Look:
    """A look at a comparison: the seeds that came with it, and the part of the 5 % that it spends."""

    seeds: tuple[int, ...]
    share: float

    def facts(self) -> dict[str, Any]:
        """As grid.json has it."""
        return {"seeds": list(self.seeds), "share": self.share}


Looks = Mapping[str, Sequence[Look]]  # by the comparison's title; none where the grid's seeds are all there are


def seeds_of(looks: Iterable[Look]) -> list[int]:
    """All seeds of these looks."""
    return [seed for look in looks for seed in look.seeds]


def ended(looks: Sequence[Look], missing: Collection[int]) -> int:
    """How many looks are complete: none of their seeds is among those whose runs have not ended."""
    return next((i for i, look in enumerate(looks) if set(look.seeds) & set(missing)), len(looks))


def with_look(looks: Sequence[Look], seeds: Iterable[int]) -> list[Look]:
    """One more look."""
    return [*looks, Look(tuple(seeds), share(len(looks) + 1))]


def next_look(looks: Sequence[Look], most: int) -> list[Look]:
    """The looks with one more; as they are where there are as many seeds as there are to be."""
    seeds = seeds_of(looks)
    more = following(seeds, min(most, seeds_at_next_look(len(seeds))) - len(seeds))
    return with_look(looks, more) if more else list(looks)


def following(seeds: Collection[int], count: int) -> list[int]:
    """The next unused seeds."""
    return [max(seeds) + 1 + i for i in range(count)]
