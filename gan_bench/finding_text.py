"""Findings in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gan_bench.statistics import (
    MOST_SEEDS,
    SEEDS_FOR_A_TEST,
    SEEDS_FOR_QUARTILES,
    Finding,
    interquartile_mean,
    seeds_needed,
    sign_flip_p,
)

BySeed = Mapping[str, Sequence[int]]  # by level: seeds of which something is to be said


def sentence(
    finding: Finding,
    *,
    level: str,
    reference: str,
    score: str,
    primary: str | None = None,
    failed: BySeed | None = None,
    missing: BySeed | None = None,
    unscored: BySeed | None = None,
) -> str:
    """A finding in plain words.

    `score` is the metric's title with its protocol; `primary` that of the score that is tested, where this is another one;
    `failed`, `missing` and `unscored` give, by level, the seeds whose runs failed, are not finished, or finished without
    this score.
    """
    if primary is not None or finding.verdict == "not tested":
        words = _not_tested(finding, level, reference, score, primary)
    elif finding.verdict == "no difference can be told":
        words = (
            f"No difference can be told between {level} and {reference} in {score}: the mean difference is "
            f"{amount(finding, finding.mean)} {_interval(finding)}{_p(finding)}. {more_seeds(finding)}"
        )
    else:
        size = (
            f"{score} is {_lower_or_higher(finding)} on average {_interval(finding)}"
            if finding.n
            else "no seed succeeds in both"
        )
        words = f"{level} is {finding.verdict} than {reference}: {size}{_p(finding)}."
    return words + _left_out(finding, failed or {}, missing or {}, unscored or {})


def effect_sentence(finding: Finding, *, change: str, references: str, score: str, others: str, turns: bool) -> str:
    """A main effect or an interaction of a product of axes in plain words."""
    if finding.n == 0:
        return f"{change}: no seed has all the scores that this takes."
    size = f"{amount(finding, finding.mean)} {_interval(finding)}"
    told = {"better": "improves", "worse": "worsens"}.get(finding.verdict, finding.verdict)
    words = f"{change} instead of {references}{', averaged over ' + others if others else ''}: {score} {size}"
    words += f"{_p(finding)}: {told}." if finding.verdict != "not tested" else f". {needs(finding)}"
    return words + (" It has both signs among the cells: read those, not this mean." if turns else "")


def details(finding: Finding) -> list[str]:
    """What else is known of a finding, a phrase each."""
    if finding.n == 0:
        return []
    phrases = [f"{finding.improved} of {finding.n} pairs improved"]
    if finding.n > 1:
        smallest = 2 / 2**finding.n
        phrases.append(
            f"exact sign-flip test p = {_number(sign_flip_p(finding.differences))} (smallest possible {_number(smallest)})"
        )
    if finding.n >= SEEDS_FOR_QUARTILES:
        middle, *ends = interquartile_mean(finding.differences)
        low, high = (amount(finding, end) for end in ends)
        phrases.append(f"interquartile mean {amount(finding, middle)} (95 % bootstrap interval {low} to {high})")
    if finding.correlation is not None:
        phrases.append(f"correlation of the pairs {finding.correlation:+.2f}".replace("-", "−"))
    return phrases


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


def _number(p: float) -> str:
    return f"{p:.2g}"


def _p(finding: Finding) -> str:
    assert finding.p is not None
    test = "signed ranks, failures worst" if any(finding.failures) else "the paired t test"
    words = f", {'p < 0.001' if finding.p < 0.001 else f'p = {_number(finding.p)}'} by {test}"
    if finding.corrected is not None and finding.family > 1:
        p = "below 0.001" if finding.corrected < 0.001 else _number(finding.corrected)
        words += f", {p} after Holm's correction for {finding.family} tests"
    return words


def more_seeds(finding: Finding) -> str:
    """How many more seeds would tell a difference of this size."""
    needed = seeds_needed(finding)
    if needed is None:
        return f"It would take more than {MOST_SEEDS} seeds to tell a difference of this size." if finding.n > 2 else ""
    more = max(needed - finding.n, 1)
    return (
        f"About {more} more seed{'s' if more > 1 else ''} would tell a difference of this size (with 80 % probability)."
    )


def needs(finding: Finding) -> str:
    """What it would take for a verdict."""
    needed = seeds_needed(finding)
    least = f"A verdict needs at least {SEEDS_FOR_A_TEST} seeds"
    return (
        f"{least}; to tell a difference of this size, about {needed}."
        if needed and needed > SEEDS_FOR_A_TEST
        else f"{least}."
    )


def _not_tested(finding: Finding, level: str, reference: str, score: str, primary: str | None) -> str:
    if finding.n == 0:
        return f"{level} is not tested against {reference} in {score}: there is no seed in which both have a score."
    basis = "in the one seed that both have" if finding.n == 1 else f"on average {_interval(finding)}"
    than = f"{_lower_or_higher(finding)} than" if finding.mean else "equal to"
    why = needs(finding) if primary is None else f"Not tested: verdicts rest on {primary}, the grid's first metric."
    return f"{score} of {level} is {than} that of {reference} {basis}. {why}"


def _left_out(finding: Finding, failed: BySeed, missing: BySeed, unscored: BySeed) -> str:
    """What became of the seeds that are in no pair."""
    failures = _clauses(failed, " failed", " failed")
    without = _clauses(unscored, " has no score", " have no score")
    waiting = _clauses(missing)
    amounts = "the mean difference holds" if any(finding.failures) and finding.n else "this holds"
    return (
        (
            f" {failures[0].upper() + failures[1:]}, so {amounts} only for seeds that succeed in both."
            if failures
            else ""
        )
        + (f" {without[0].upper() + without[1:]}." if without else "")
        + (f" Not finished: {waiting}." if waiting else "")
    )


def _clauses(levels: BySeed, one: str = "", many: str = "") -> str:
    """`seed 2 of ema failed and seeds 0, 1 of hinge failed`, with the verb for one and for many seeds."""
    return " and ".join(
        f"{_seeds(seeds)} of {level}{one if len(seeds) == 1 else many}" for level, seeds in levels.items() if seeds
    )


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, sorted(seeds)))}"
