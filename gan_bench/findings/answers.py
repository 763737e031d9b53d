"""The short answer to each comparison: what the page says first, and what is read in ten seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gan_bench.findings.comparisons import Comparison, Difference
from gan_bench.findings.seeds_needed import more_seeds, needs
from gan_bench.findings.sentences import amount, interval_text, no_percent
from gan_bench.findings.sides import Sides, Standing
from gan_bench.stats.paired import Finding, Verdict

NAMED = 3  # levels of one verdict that are named; the others are counted
MANY = 6  # levels beyond which only what is better is named
VERDICTS: tuple[Verdict, ...] = ("better", "worse", "no difference can be told", "not tested")


@dataclass(frozen=True)
class Answer:
    """A lead of a few words, and what follows it; together they are whole sentences."""

    verdict: Standing
    lead: str
    rest: str

    def __str__(self) -> str:
        return self.lead + self.rest


def answer(comparison: Comparison) -> Answer:
    """What the headlines say of a comparison: direction, size, interval and seeds of what stands out, and the others."""
    if comparison.headline is None:
        return Answer("not tested", "No verdict yet", ": there is no score.")
    if not comparison.answers:
        return Answer("not tested", "No verdict", ": there is no other level to compare with.")
    if len(comparison.headlines) > 1:
        return _by_sides(comparison)
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
    seeds += no_percent(finding)
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
        takes = (
            f" {needs(finding)}" if finding.tested else ""
        )  # of scores that can't be compared no number of seeds would do
        return "No verdict yet", f": {'so far ' * bool(finding.n)}{told}.{also}{takes}"
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


def _size_or_why(entry: Difference) -> str:
    finding = entry.finding
    return amount(finding, finding.mean) + no_percent(finding) if finding.n else _unpaired([entry])


def _names(entries: Sequence[Difference]) -> str:
    names = [f"{entry.level.label} ({_size_or_why(entry)})" for entry in entries[:NAMED]]
    if more := len(entries) - NAMED:
        names += [f"{more} more"] if more > 0 else []
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]


def _levels(n: int) -> str:
    return f"{_number(n)} levels" if n > 1 else "one level"


def _number(n: int) -> str:
    return {1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}.get(n, str(n))


def _by_sides(comparison: Comparison) -> Answer:
    """What is better at what: of the level that stands out with its numbers, of the others in a word."""
    levels = by_standing(comparison)
    standing = levels[0].standing
    if standing in ("no difference can be told", "not tested"):
        return _nothing_told(comparison, levels)
    # Of what is worse the worst stands out, of all else the best; several of many are never worth a sentence each.
    first = levels[-1] if all(level.standing == "worse" for level in levels) else levels[0]
    lead = f"{first.level.label} {first.does} than {comparison.reference.label}"
    others = [level for level in levels if level is not first]
    return Answer(standing, lead, f": {first.sizes()}{_other_sides(others)}")


def by_standing(comparison: Comparison) -> list[Sides]:
    """The levels, first those of which more is told and all of it good, each kind from the best to the worst."""
    order: list[Standing] = ["better", "mixed", "worse", "no difference can be told", "not tested"]
    place = {id(entry.level): i for i, entry in enumerate(best_first(comparison.answers))}
    levels = [Sides(comparison, tests) for tests in comparison.tests]
    return sorted(levels, key=lambda one: (order.index(one.standing), -len(one.told), place[id(one.level)]))


def _other_sides(levels: list[Sides]) -> str:
    """The other levels in groups; of many, those that are not better at anything are counted."""
    groups: dict[str, list[Sides]] = {}
    for one in levels:
        untold = {"not tested": "no verdict yet"}.get(one.standing, one.standing)
        groups.setdefault(one.adjectives or untold, []).append(one)
    said = ""
    for words, group in groups.items():
        named = group[0].standing in ("better", "mixed") or len(levels) < MANY
        said += f" {words[0].upper()}{words[1:]}: {_labels(group) if named else _levels(len(group))}."
    return said


def _labels(group: Sequence[Sides]) -> str:
    names = [one.level.label for one in group[:NAMED]]
    if (more := len(group) - NAMED) > 0:
        names.append(f"{more} more")
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]


def _nothing_told(comparison: Comparison, levels: list[Sides]) -> Answer:
    """Of no level anything is told: what differs most by the first headline says how little."""
    entry = max(comparison.answers, key=_size)
    most = next(one for one in levels if one.level is entry.level)
    reference = comparison.reference.label
    without = _unpaired(comparison.answers)
    if not any(test.finding.n for _, test in most.tests):
        return Answer("not tested", "No verdict yet", f": {without}.")
    also = f" {without[0].upper()}{without[1:]}." if without else ""
    which = f"{most.level.label}, which differs most by {comparison.headlines[0].label}, " if len(levels) > 1 else ""
    far = f"{which}{most.so_far()}. {most.seeds()}{also}"
    if levels[0].standing == "not tested":
        return Answer("not tested", "No verdict yet", f": so far {far} {needs(entry.finding)}")
    between = (
        f"between {most.level.label} and {reference}"
        if len(levels) == 1
        else f"between {reference} and {_number(len(levels))} other levels"
    )
    return Answer(
        "no difference can be told", "No difference can be told", f" {between}: {far}{more_seeds(entry.finding)}"
    )
