"""The short answer to each comparison: what the page says first, and what is read in ten seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gan_bench.findings.comparisons import Comparison, Difference
from gan_bench.findings.seeds_needed import more_seeds, needs
from gan_bench.findings.sentences import amount, interval_text
from gan_bench.stats.paired import Finding, Verdict

NAMED = 3  # levels of one verdict that are named; the others are counted
MANY = 6  # levels beyond which only what is better is named
VERDICTS: tuple[Verdict, ...] = ("better", "worse", "no difference can be told", "not tested")


@dataclass(frozen=True)
class Answer:
    """A lead of a few words, and what follows it; together they are whole sentences."""

    verdict: Verdict
    lead: str
    rest: str

    def __str__(self) -> str:
        return self.lead + self.rest


def answer(comparison: Comparison) -> Answer:
    """What the headline score says of a comparison: direction, size, interval and seeds of what stands out, and the others."""
    if comparison.headline is None:
        return Answer("not tested", "No verdict yet", ": there is no score.")
    if not comparison.answers:
        return Answer("not tested", "No verdict", ": there is no other level to compare with.")
    groups = by_verdict(comparison.answers)
    verdict, entries = next(iter(groups.items()))
    if verdict == "worse" and len(entries) == len(comparison.answers) > 1:
        return _all_worse(comparison, entries)
    if verdict == "worse" and len(comparison.answers) > MANY:
        return _none_better(comparison, entries)
    # Of what is better the best, of what is worse the worst, and else what differs most.
    first = {"better": entries[0], "worse": entries[-1]}.get(verdict) or max(entries, key=_size)
    lead, rest = _first(comparison, verdict, first, entries)
    groups[verdict] = [entry for entry in entries if entry is not first]
    return Answer(verdict, lead, rest + _others(groups, verdict, len(comparison.answers) > MANY))


def by_verdict(entries: Sequence[Difference]) -> dict[Verdict, list[Difference]]:
    """Differences by verdict, those of each from the best to the worst."""
    ordered = best_first(entries)
    groups = {verdict: [entry for entry in ordered if entry.verdict == verdict] for verdict in VERDICTS}
    return {verdict: group for verdict, group in groups.items() if group}


def best_first(entries: Sequence[Difference]) -> list[Difference]:
    """Differences from the best mean to the worst; those without one last."""

    def badness(entry: Difference) -> float:
        mean = entry.finding.mean if entry.finding.better == "lower" else -entry.finding.mean
        return math.inf if math.isnan(mean) else mean

    return sorted(entries, key=badness)


def size_text(finding: Finding, score: str, reference: str = "") -> str:
    """`FD[classifier] is 34 % lower (95 % interval −38 % to −30 %; 8 seeds)`, or than that of a reference. Of a pair or more."""
    seeds = f"{finding.n} seed{'s' if finding.n > 1 else ''}"
    if failed := sum(finding.failures):
        seeds += f", {failed} more failed"
    seeds += "; not in percent, for a score is not above 0" * finding.without_log
    interval = (
        f"95 % interval {interval_text(finding)}; " if finding.interval else "the same in all " * finding.constant
    )
    told = amount(finding, finding.mean).lstrip("+−")
    equal = "equal" if finding.constant or finding.n == 1 else "equal on average"
    change = f"{told} {'lower' if finding.mean < 0 else 'higher'}" if finding.mean else equal
    than = f" {'than' if finding.mean else 'to'} that of {reference}" if reference else ""
    return f"{score} is {change}{than} ({interval}{seeds})"


def _size(entry: Difference) -> float:
    return abs(entry.finding.mean) if entry.finding.n else -1.0


def _first(comparison: Comparison, verdict: Verdict, entry: Difference, alike: Sequence[Difference]) -> tuple[str, str]:
    """The lead and what follows it, of the level that stands out among the `alike`, which have its verdict."""
    assert comparison.headline is not None
    finding, score = entry.finding, comparison.headline.label
    level, reference = entry.level.label, comparison.reference.label
    if verdict in ("better", "worse"):
        size = size_text(finding, score) if finding.n else _unpaired([entry])
        return f"{level} is {verdict} than {reference}", f": {size}."
    without = _unpaired(alike)
    one_unit = len({one.finding.scale for one in alike}) == 1
    most = f"{level}, which differs most," if one_unit else level
    of = level if len(alike) == 1 else most if finding.mean else f"each{' that has one' * bool(without)}"
    told = size_text(finding, f"{score} of {of}", reference) if finding.n else without
    also = f" {without[0].upper()}{without[1:]}." if without and finding.n else ""
    if verdict == "not tested":
        return "No verdict yet", f": {'so far ' * bool(finding.n)}{told}.{also} {needs(finding)}"
    both = (
        f"between {level} and {reference}"
        if len(alike) == 1
        else f"between {reference} and {_number(len(alike))} other levels"
    )
    return "No difference can be told", f" {both}: {told}.{also}{_left_out_zero(finding)}{more_seeds(finding)}"


def _unpaired(entries: Sequence[Difference]) -> str:
    """Why there is no pair of scores, of those that have none."""
    return " and ".join(dict.fromkeys(reason for entry in entries for reason in entry.unpaired))


def _left_out_zero(finding: Finding) -> str:
    """Why there is no verdict all the same where the interval, taken alone, leaves out zero."""
    if not finding.interval or finding.interval[0] <= 0 <= finding.interval[1] or finding.family < 2:
        return ""
    return f" Alone, its interval leaves out zero; among {finding.family} tests, that is no finding."


def _all_worse(comparison: Comparison, entries: list[Difference]) -> Answer:
    assert comparison.headline is not None
    score, nearest, farthest = comparison.headline.label, entries[0], entries[-1]
    return Answer(
        "worse",
        f"{comparison.reference.label} is better than {'both' if len(entries) == 2 else f'all {_number(len(entries))}'} others",
        f": with {nearest.level.label}, the nearest, {size_text(nearest.finding, score)}; "
        f"with {farthest.level.label}, the farthest, {size_text(farthest.finding, score)}.",
    )


def _none_better(comparison: Comparison, worse: list[Difference]) -> Answer:
    """Of many levels, where some are worse and of the rest no difference can be told."""
    assert comparison.headline is not None
    nearest = best_first(comparison.answers)[0]
    size = size_text(nearest.finding, comparison.headline.label) if nearest.finding.n else "no score"
    rest = len(comparison.answers) - len(worse)
    return Answer(
        "worse",
        f"No level is better than {comparison.reference.label}",
        f": of {len(comparison.answers)} others {_number(len(worse))} {'are' if len(worse) > 1 else 'is'} worse, and "
        f"of {_number(rest)} no difference can be told; with {nearest.level.label}, the best of them, {size}.",
    )


def _others(groups: dict[Verdict, list[Difference]], first: Verdict, many: bool) -> str:
    """What is said of the levels that the first sentence does not name; of many, those that are not better are counted."""
    words = {
        "better": "Better as well" if first == "better" else "Better",
        "worse": "Worse as well" if first == "worse" else "Worse",
        "no difference can be told": "No difference can be told",
        "not tested": "No verdict yet",
    }
    said = [
        f" {words[verdict]}: {_names(entries) if verdict == 'better' or not many else _levels(len(entries))}."
        for verdict, entries in groups.items()
        if entries and not (verdict == first and verdict in ("no difference can be told", "not tested"))
    ]
    return "".join(said)


def _names(entries: Sequence[Difference]) -> str:
    names = [
        f"{entry.level.label} ({_amount(entry.finding) if entry.finding.n else _unpaired([entry])})"
        for entry in entries[:NAMED]
    ]
    if more := len(entries) - NAMED:
        names += [f"{more} more"] if more > 0 else []
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]


def _amount(finding: Finding) -> str:
    return amount(finding, finding.mean) + ", not in percent, for a score is not above 0" * finding.without_log


def _levels(n: int) -> str:
    return f"{_number(n)} levels" if n > 1 else "one level"


def _number(n: int) -> str:
    return {1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}.get(n, str(n))
