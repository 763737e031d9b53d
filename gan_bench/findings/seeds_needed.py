"""What is said of the seeds that a verdict would take: one rule for every sentence.

Nothing is promised that the pairs do not say. Where runs failed, ranks decide, of whose power nothing is known; where the
interval of the effect reaches zero, there may be no difference that any number of seeds would tell.
"""

from __future__ import annotations

from gan_bench.stats.paired import SEEDS_FOR_A_TEST, Finding
from gan_bench.stats.power import MOST_SEEDS, POWER, seeds_for_ranks, seeds_needed


def needs(finding: Finding) -> str:
    """What it would take for a verdict, where there is none yet."""
    if finding.waiting:
        return "There is no verdict before all of these runs have ended."
    if any(finding.failures):
        return _by_ranks(finding)
    least, most = seeds_needed(finding) or (None, None)
    if most == SEEDS_FOR_A_TEST:
        return f"A verdict needs {most} seeds, which would tell such a difference{_chance(finding)}."
    words = f"A verdict needs at least {SEEDS_FOR_A_TEST} seeds"
    if most is None and least == SEEDS_FOR_A_TEST:
        return f"{words}."
    taken = _taken(finding)
    return f"{words}{f'; {taken}' if taken else ''}."


def more_seeds(finding: Finding) -> str:
    """What it would take to tell a difference that these seeds do not tell; "" where nothing is known of that."""
    if any(finding.failures):
        return f" {_by_ranks(finding)}" if finding.tested < seeds_for_ranks(finding.family, finding.share) else ""
    least, most = seeds_needed(finding) or (None, None)
    if least is not None and most is None and least <= finding.n:
        return " How many seeds would tell one, if there is any, these do not say."
    taken = _taken(finding)
    return f" {taken[0].upper()}{taken[1:]}." if taken else ""


def _taken(finding: Finding) -> str:
    """`to tell such a difference takes 9 to 48 seeds (with 80 % probability)`; "" where that is not known."""
    needed = seeds_needed(finding)
    if needed is None:
        return ""
    least, most = needed
    if least is None:
        return f"to tell such a difference takes more than {MOST_SEEDS} seeds"
    least = max(least, finding.n + 1)
    seeds = f"{least} or more" if most is None else f"{least} to {most}" if least < most else f"{most}"
    sure = ", if there is one," if most is None else ""
    return f"to tell such a difference{sure} takes {seeds} seeds{_chance(finding)}"


def _chance(finding: Finding) -> str:
    return f" (with {100 * POWER:.0f} % probability{_among(finding)})"


def _by_ranks(finding: Finding) -> str:
    """With fewer seeds, ranks, which decide where runs failed, could tell nothing."""
    least = seeds_for_ranks(finding.family, finding.share)
    return f"A verdict needs at least {least} seeds where runs failed{_among(finding)}."


def _among(finding: Finding) -> str:
    return f", among {finding.family} tests" if finding.family > 1 else ""
