"""Findings in plain words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from gan_bench.findings.seeds_needed import more_seeds, needs
from gan_bench.stats.paired import (
    CONFIDENCE,
    SEEDS_FOR_A_TEST,
    SEEDS_FOR_QUARTILES,
    Finding,
    interquartile_mean,
    sign_flip_p,
    smallest_sign_flip_p,
)

BySeed = Mapping[str, Sequence[int]]  # by level: seeds of which something is to be said


def sentence(
    finding: Finding,
    *,
    level: str,
    reference: str,
    score: str,
    unit: str = "",
    primary: str | None = None,
    failed: BySeed | None = None,
    missing: BySeed | None = None,
    unscored: BySeed | None = None,
    unpaired: Sequence[str] = (),
) -> str:
    """A finding in plain words.

    `score` is the metric's title with its protocol, `unit` that of its values; `primary` the title of the score that is
    tested, where this is another one; `failed`, `missing` and `unscored` give, by level, the seeds whose runs failed, are
    not finished, or finished without this score; `unpaired` says why no seed has a score in both.
    """
    if primary is not None or finding.verdict == "not tested":
        if unpaired:
            return f"{_no_pair(level, reference, score)}, for {' and '.join(unpaired)}."
        words = _not_tested(finding, level, reference, score, primary) + _direction(finding, unit)
    elif finding.verdict == "no difference can be told":
        words = _nothing_told(finding, level, reference, score) + _direction(finding, unit)
    else:
        words = f"{level} is {finding.verdict} than {reference}{_size(finding, score)}{_p(finding)}."
        words += _direction(finding, unit) if finding.without_log or (unit and finding.scale == "raw") else ""
    return words + _looks(finding) + _left_out(finding, failed or {}, missing or {}, unscored or {})


def effect_sentence(
    finding: Finding,
    *,
    change: str,
    references: str,
    score: str,
    others: str,
    turns: Mapping[str, float] | None = None,
    unit: str = "",
    failed: BySeed | None = None,
    missing: BySeed | None = None,
    unscored: BySeed | None = None,
) -> str:
    """A main effect or an interaction of a product of axes in plain words.

    `turns` gives its mean difference by the level of another axis, where its sign depends on that; `failed`, `missing` and
    `unscored`, by cell, the seeds that are left out because a run has failed, is not finished, or has no score.
    """
    failures = _clauses(failed or {}, " failed", " failed")
    if finding.n == 0:
        words = f"{change}: no seed has all the scores that this takes."
    else:
        size = f"{amount(finding, finding.mean)} {_mean_of(finding)} {_interval(finding)}"
        told = {"better": "improves", "worse": "worsens"}.get(finding.verdict, finding.verdict)
        words = f"{change} instead of {references}{', averaged over ' + others if others else ''}: {score} {size}"
        if finding.verdict != "not tested":
            words += f"{_p(finding)}: {told}."
        else:
            words += ". No verdict is given where runs failed." if failures else f". {needs(finding)}"
        words += _direction(finding, unit) + _looks(finding)
        if turns:
            each = " and ".join(f"{amount(finding, mean)} with {level}" for level, mean in turns.items())
            words += f" It depends on the other axis, {each}: read these, not their mean."
    if failures:
        only = ", so this holds only for seeds that succeed in all cells" if finding.n else ""
        words += f" {_capital(failures)}{only}."
    return words + _left_out(finding, {}, missing or {}, unscored or {})


def budget_sentence(
    finding: Finding,
    *,
    level: str,
    reference: str,
    score: str,
    unit: str,
    budget: str,
    limit: float,
    spent: Mapping[str, tuple[float, float]],
) -> str:
    """A difference at an equal budget in plain words, without a verdict.

    `limit` is the budget, in real images or seconds; `spent` the least and the most of it that the level's and the
    reference's runs had spent at the snapshots that are compared.
    """
    where = f"At {_spent(limit, budget)}, {score} of {level}"
    if finding.n == 0:
        return f"{where} is not compared with {reference}: their snapshots there have no score."
    than = f"{_lower_or_higher(finding)} than" if finding.mean else "equal to"
    basis = "in the one seed that both have" if finding.n == 1 else f"{_mean_of(finding)} {_interval(finding)}"
    words = f"{where} is {than} that of {reference} {basis}.{_direction(finding, unit)}"
    if all(low == limit for low, _ in spent.values()):
        return words
    taken = [f"{name}'s at {_spent(low, budget, high)}" for name, (low, high) in spent.items()]
    return f"{words} The snapshots compared, each run's last by then: {' and '.join(taken)}."


def _spent(budget: float, kind: str, most: float | None = None) -> str:
    """A number of images, or seconds; or from one to another."""
    form, unit = ("{:,.0f}", "real images") if kind == "images" else ("{:,.3g}", "s of training")
    ends = dict.fromkeys(form.format(end) for end in (budget, budget if most is None else most))
    return f"{' to '.join(ends)} {unit}"


def details(finding: Finding) -> list[str]:
    """What else is known of a finding, a phrase each. With too few seeds for a test there is no p here either."""
    if finding.n == 0:
        return []
    phrases = [
        f"{finding.improved} of {finding.n} pairs improved" + (f", {finding.ties} equal" if finding.ties else "")
    ]
    if finding.n >= SEEDS_FOR_A_TEST:
        p, least = (min(1.0, p(finding.differences) / finding.share) for p in (sign_flip_p, smallest_sign_flip_p))
        phrases.append(f"exact sign-flip test p = {_number(p)} (smallest possible {_number(least)})")
    if finding.n >= SEEDS_FOR_QUARTILES and not finding.constant:
        middle, *ends = interquartile_mean(finding.differences, finding.share)
        low, high = (amount(finding, end) for end in ends)
        phrases.append(f"interquartile mean {amount(finding, middle)} (95 % bootstrap interval {low} to {high})")
    if finding.correlation is not None:
        phrases.append(f"correlation of the pairs {finding.correlation:+.2f}".replace("-", "−"))
    return phrases


def amount(finding: Finding, difference: float) -> str:
    """A difference with its sign and unit: `−12 %`, `+0.031`."""
    value = finding.in_units(difference)
    digits = f"{abs(value):.3g}" if finding.scale == "raw" else _percent(value)
    sign = "" if float(digits) == 0 else "−" if value < 0 else "+"
    return f"{sign}{digits}{' %' if finding.scale == 'log' else ''}"


def no_percent(finding: Finding) -> str:
    """That a difference beside others in percent is none; "" where it is one, or no others are."""
    return ", not in percent, for a score is not above 0" * finding.without_log


def value_text(value: float) -> str:
    """A score with three significant digits, without an exponent where it can be read without: `0.412`, `1770`."""
    plain = 1e-4 <= abs(value) < 1e6
    text = f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}" if plain else f"{value:.3g}"
    return text.replace("-", "−")


def _percent(value: float) -> str:
    """Digits of a percentage: two at least, as many as tell it from −100 %, and none of a number too large to be read."""
    size = abs(value)
    if size >= 1e6:
        return f"{size:.2g}"
    if value < -99:  # nothing that is left over would be a score of 0
        return f"{min(size, 99.9999):.{min(4, 1 - math.floor(math.log10(max(100 - size, 1e-9))))}f}".rstrip("0").rstrip(
            "."
        )
    return f"{size:.2g}" if size < 10 else f"{size:.0f}"


def interval_text(finding: Finding) -> str:
    """`−39 % to −5.1 %`; a dash where there is no interval."""
    return " to ".join(amount(finding, end) for end in finding.interval) if finding.interval else "–"


def _lower_or_higher(finding: Finding) -> str:
    return f"{amount(finding, finding.mean).lstrip('+−')} {'lower' if finding.mean < 0 else 'higher'}"


def _mean_of(finding: Finding) -> str:
    """Which mean it is: a mean of logarithms is the ratio of geometric means."""
    return "in the geometric mean" if finding.scale == "log" else "on average"


def _interval(finding: Finding) -> str:
    if finding.interval is None:
        return "(in the one pair that there is)" if finding.n == 1 else f"(the same in all {finding.n} seeds)"
    return f"(95 % interval {interval_text(finding)}; {finding.n} seeds)"


def _size(finding: Finding, score: str) -> str:
    """What a verdict rests on: the difference, and failures where these have decided."""
    if not finding.n:
        return ": no seed succeeds in both"
    size = f"{score} is {_lower_or_higher(finding)} {_mean_of(finding)} {_interval(finding)}"
    improves = (finding.mean < 0) == (finding.better == "lower")
    if any(finding.failures) and improves != (finding.verdict == "better"):
        return f", because of the runs that failed: where both succeed, {size}"
    return f": {size}"


def _number(p: float) -> str:
    """A p value in two digits, or as many as show on which side of 0.05 it lies."""
    digits = 2
    while float(f"{p:.{digits}g}") == 1 - CONFIDENCE and digits < 6:
        digits += 1
    return f"{p:.{digits if digits < 6 else 2}g}"


def _p(finding: Finding) -> str:
    assert finding.p is not None
    test = (
        "signed ranks, failures worst"
        if any(finding.failures)
        else "the sign-flip test"
        if finding.constant
        else "the paired t test"
    )
    words = f", {'p < 0.001' if finding.p < 0.001 else f'p = {_number(finding.p)}'} by {test}"
    if finding.corrected is not None and finding.family > 1:
        p = "below 0.001" if finding.corrected < 0.001 else _number(finding.corrected)
        words += f", {p} after Holm's correction for {finding.family} tests"
    return words


def _direction(finding: Finding, unit: str) -> str:
    """Which way is better, and the unit where differences are told in it."""
    if not finding.n:
        return ""
    told = {"": "", "share": ", as a share of 1"}.get(unit, f", in {unit}") if finding.scale == "raw" else ""
    why = " A score is not above 0: differences are in the score's own unit, not in percent." * finding.without_log
    return f" {_capital(finding.better)} is better{told}.{why}"


def _looks(finding: Finding) -> str:
    """That seeds were added after looks at the findings, where they were."""
    if not finding.look or finding.n < 2:
        return ""
    return f" Look {finding.look} (seeds may be added): interval and p hold at every look."


def _nothing_told(finding: Finding, level: str, reference: str, score: str) -> str:
    words = f"No difference can be told between {level} and {reference} in {score}: "
    if finding.n == finding.ties and not any(finding.failures):
        return words + f"their scores are equal in all {finding.n} seeds."
    if not finding.n:
        return f"{words}no seed succeeds in both{_p(finding)}."
    mean = "the geometric means differ by" if finding.scale == "log" else "the mean difference is"
    size = f"{mean} {amount(finding, finding.mean)} {_interval(finding)}"
    return f"{words}{size}{_p(finding)}.{more_seeds(finding)}"


def _no_pair(level: str, reference: str, score: str) -> str:
    return f"{level} is not tested against {reference} in {score}: there is no seed in which both have a score"


def _not_tested(finding: Finding, level: str, reference: str, score: str, primary: str | None) -> str:
    if finding.n == 0:
        return f"{_no_pair(level, reference, score)}."
    if finding.n == 1:
        basis = "in the one seed that both have"
    elif finding.n == finding.ties:
        basis = f"in all {finding.n} seeds"
    else:
        basis = f"{_mean_of(finding)} {_interval(finding)}"
    than = f"{_lower_or_higher(finding)} than" if finding.mean else "equal to"
    why = needs(finding) if primary is None else f"Not tested: verdicts rest on {primary}."
    return f"{score} of {level} is {than} that of {reference} {basis}. {why}"


def _left_out(finding: Finding, failed: BySeed, missing: BySeed, unscored: BySeed) -> str:
    """What became of the seeds that are in no pair."""
    failures = _clauses(failed, " failed", " failed")
    without = _clauses(unscored, " has no score", " have no score")
    waiting = _clauses(missing)
    amounts = "the mean difference holds" if any(finding.failures) else "this holds"
    only = f", so {amounts} only for seeds that succeed in both" if finding.n else ""
    return (
        (f" {_capital(failures)}{only}." if failures else "")
        + (f" {_capital(without)}." if without else "")
        + (f" Not finished: {waiting}." if waiting else "")
    )


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]


def _clauses(levels: BySeed, one: str = "", many: str = "") -> str:
    """`seed 2 of ema failed and seeds 0, 1 of hinge failed`, with the verb for one and for many seeds."""
    return " and ".join(
        f"{_seeds(seeds)} of {level}{one if len(seeds) == 1 else many}" for level, seeds in levels.items() if seeds
    )


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, sorted(seeds)))}"
