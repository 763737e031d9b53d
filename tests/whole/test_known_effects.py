"""Simulated grids with known effects through all that a report says of them: tables, findings, verdicts, sentences."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from tables import findings, verdicts

from gan_bench.findings.sentences import amount
from gan_bench.stats.paired import paired_difference
from gan_bench.stats.power import seeds_for

CELLS = [(a, b) for a in ("one", "two") for b in ("x", "y")]


def two(reference, level) -> dict[tuple[str, ...], dict[int, float | None]]:
    return {("a",): dict(enumerate(reference)), ("b",): dict(enumerate(level))}


@pytest.mark.parametrize("n", [3, 6, 10])
@pytest.mark.parametrize(("scale", "better"), [("log", "lower"), ("raw", "lower"), ("raw", "higher")])
def test_equal_runs_as_two_levels_differ_by_exactly_nothing(n, scale, better):
    values = np.exp(np.random.default_rng(n).normal(3, 2, n))
    (found,) = findings({"A": two(values, values)}, scale=scale, better=better, runs_of={("b",): ("a",)}, words=True)
    answer = found.answers[0]
    assert (answer.finding.differences, answer.finding.mean, answer.finding.interval) == ((0.0,) * n, 0.0, None)
    assert answer.verdict == ("not tested" if n < 6 else "no difference can be told")
    direction = f"{better.capitalize()} is better."
    assert answer.sentence == (
        f"FD (2000 generated, 360 real) of b is equal to that of a in all {n} seeds. A verdict needs at least 6 seeds. "
        f"{direction}"
        if n < 6
        else "No difference can be told between b and a in FD (2000 generated, 360 real): their scores are equal in all "
        f"{n} seeds. {direction}"
    )
    assert answer.details.startswith(f"0 of {n} pairs improved, {n} equal")
    assert "interval" not in answer.sentence + answer.details
    assert (
        "sign-flip" not in answer.details if n < 6 else "sign-flip test p = 1 (smallest possible 1)" in answer.details
    )


@pytest.mark.slow
def test_failures_that_hide_the_worst_runs_make_no_level_better():
    """The level's worst runs fail, so that its mean over successes looks better though its runs are no better."""
    rng, trials, seen = np.random.default_rng(0), 60, {"better": 0, "conditional": 0}
    for _ in range(trials):
        x, y = rng.normal(size=(2, 12))
        level = [None if value > 0.3 else math.exp(value) for value in y]
        (found,) = findings({"A": two(np.exp(x), level)})
        seen["better"] += found.answers[0].verdict == "better"
        seen["conditional"] += found.answers[0].finding.interval[1] < 0
    assert seen["better"] == 0
    assert seen["conditional"] > trials / 10  # so often, not in 2.5 %, were failures dropped


def test_an_effect_with_a_failed_run_gets_no_verdict_and_says_so():
    rng = np.random.default_rng(1)
    cells = {cell: dict(enumerate(np.exp(0.1 * rng.normal(size=8) - (cell[1] == "y")))) for cell in CELLS}
    (whole,) = findings({"A": cells}, words=True)
    assert {effect.change: effect.finding.verdict for effect in whole.effects}["y"] == "better"
    cells["two", "y"][3] = None
    cells["one", "x"][5] = math.nan
    (found,) = findings({"A": cells}, words=True)
    effect = next(effect for effect in found.effects if effect.change == "y")
    assert (effect.finding.verdict, effect.finding.n) == ("not tested", 6)
    assert "No verdict is given where runs failed." in effect.sentence
    assert "Seed 3 of two, y failed, so this holds only for seeds that succeed in all cells." in effect.sentence
    assert effect.sentence.endswith("Not finished: seed 5 of one, x.")


def test_a_verdict_that_failures_decide_says_that_they_did():
    level = [0.5, 0.52, None, None, None, None, None, None]
    (found,) = findings({"A": two([1.0, 1.01, 1.02, 1.0, 1.03, 1.0, 0.99, 1.0], level)}, words=True)
    said = found.answers[0].sentence
    assert said.startswith(
        "b is worse than a, because of the runs that failed: where both succeed, FD (2000 generated, 360 real) is 49 % lower"
    )
    assert "by signed ranks, failures worst" in said


@pytest.mark.slow
@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("scale", ["raw", "log"])
def test_intervals_cover_through_the_whole_chain(n, scale):
    """Normal scores compared raw, log-normal ones by logarithms, with an effect and half of the noise shared by pairs."""
    rng, trials, truth, covered = np.random.default_rng(n), 500, 0.4, 0
    for _ in range(trials):
        shared, x, y = rng.normal(size=(3, n))
        x, y = 9 + shared + x, 9 + shared + y + truth
        told = (np.exp(x), np.exp(y)) if scale == "log" else (x, y)
        (found,) = findings({"A": two(*told)}, scale=scale)
        low, high = found.answers[0].finding.interval
        covered += low <= truth <= high
    print(f"{covered} of {trials}")
    assert abs(covered / trials - 0.95) < 3 * (0.95 * 0.05 / trials) ** 0.5


@pytest.mark.slow
def test_power_is_what_the_seeds_needed_promise():
    """Of the true effect and spread, 80 %."""
    rng, effect = np.random.default_rng(0), 0.9
    needed = seeds_for(effect / math.sqrt(2), 1)  # two independent runs of deviation 1
    assert needed is not None
    told, trials = 0, 400
    for _ in range(trials):
        x, y = rng.normal(size=(2, needed))
        (found,) = findings({"A": two(np.exp(x), np.exp(y + effect))})
        told += found.answers[0].verdict == "worse"
    print(f"{needed} seeds: {told} of {trials}")
    assert abs(told / trials - 0.8) < 3 * (0.8 * 0.2 / trials) ** 0.5 + 0.02  # the next lower number of seeds has less


@pytest.mark.slow
@pytest.mark.parametrize("n", [3, 10])
def test_main_effects_and_interactions_cover(n):
    """Each seed has its own luck with y, in all cells: cells of a seed are no independent observations."""
    rng, trials = np.random.default_rng(n), 300
    truth = {"two": -0.2, "y": 0.5, "two together with y": 0.4}  # main effects are means over the other axis
    covered = dict.fromkeys(truth, 0)
    for _ in range(trials):
        luck, own = rng.normal(size=n), dict(zip(CELLS, rng.normal(0, 0.4, size=(4, n)), strict=True))
        mean = {("one", "x"): 0.0, ("two", "x"): -0.4, ("one", "y"): 0.3, ("two", "y"): 0.3}
        cells = {c: dict(enumerate(np.exp(mean[c] + (c[1] == "y") * luck + own[c]))) for c in CELLS}
        (found,) = findings({"A": cells})
        for effect in found.effects:
            low, high = effect.finding.interval
            covered[effect.change] += low <= truth[effect.change] <= high
    print(covered)
    for change, count in covered.items():
        assert abs(count / trials - 0.95) < 3 * (0.95 * 0.05 / trials) ** 0.5, change


@pytest.mark.slow
def test_an_effect_that_is_equal_in_all_cells_is_not_said_to_turn():
    """Half a standard deviation at every one of five levels: both signs appear among the cells in most reports."""
    rng, reports, told, signs, said = np.random.default_rng(4), 60, 0, 0, 0
    for _ in range(reports):
        cells = {
            (a, b): dict(enumerate(np.exp(rng.normal(0, 1, 16) + 0.5 * (b == "y"))))
            for a in ("one", "two", "three", "four", "five")
            for b in ("x", "y")
        }
        (found,) = findings({"A": cells}, words=True)
        effect = next(effect for effect in found.effects if effect.change == "y")
        if effect.finding.p < 0.05:
            told += 1
            signs += min(effect.effect.by_cell.values()) < 0
            said += "read these" in effect.sentence
    print(f"{told} of {reports} told, {signs} have both signs among the cells, {said} are said to turn")
    assert signs > told / 4
    assert said <= 0.05 * told


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["normal", "log-normal"])
def test_under_no_effect_few_reports_of_several_questions_have_a_finding(noise):
    """Two comparisons that share their reference, one of them a product; normal scores are raw and higher is better."""
    rng, reports, wrong = np.random.default_rng(7), 250, 0
    raw = noise == "normal"
    for _ in range(reports):
        luck = rng.normal(size=6)
        draw = {c: luck + rng.normal(size=6) for c in (*CELLS, ("one", "z"))}
        cells = {c: dict(enumerate(values if raw else np.exp(values))) for c, values in draw.items()}
        questions = {"A": {c: cells[c] for c in CELLS}, "B": {c: cells[c] for c in (("one", "x"), ("one", "z"))}}
        found = findings(questions, scale="raw" if raw else "log", better="higher" if raw else "lower")
        wrong += bool({"better", "worse"} & set(verdicts(found).values()))
    print(f"{wrong} of {reports}")
    assert wrong <= 0.05 * reports + 2 * (0.05 * 0.95 * reports) ** 0.5


@pytest.mark.slow
def test_intervals_of_log_normal_scores_cover_on_the_logarithm_alone():
    """docs/statistics.md has these numbers: of scores that a level multiplies, the raw difference of the means is missed."""
    rng, trials, covered = np.random.default_rng(6), 1500, {"log": 0, "raw": 0}
    ratio, mean = 10.0, math.exp(0.5)  # of a log-normal score whose logarithm has deviation 1
    truth = {"log": math.log(ratio), "raw": (ratio - 1) * mean}
    for x, y in np.exp(rng.normal(size=(trials, 2, 8))):
        for scale in ("log", "raw"):
            low, high = paired_difference(dict(enumerate(ratio * y)), dict(enumerate(x)), scale).interval
            covered[scale] += low <= truth[scale] <= high
    print(covered)
    assert abs(covered["log"] / trials - 0.95) < 3 * (0.95 * 0.05 / trials) ** 0.5
    assert 0.80 < covered["raw"] / trials < 0.88


def told_numbers(sentence: str) -> str:
    return sentence.replace("−", "-")


@pytest.mark.parametrize("n", [0, 1, 2, 3, 6, 9])
@pytest.mark.parametrize(("scale", "better"), list(itertools.product(["log", "raw"], ["lower", "higher"])))
def test_sentences_say_what_the_scores_are(n, scale, better):
    """Direction, size and number of seeds, worked out here from the scores alone."""
    rng = np.random.default_rng(n)
    for shift in (-2.0, 0.0, 0.05, 2.0):
        x = np.exp(rng.normal(size=n))
        y = x * np.exp(shift + 0.1 * rng.normal(size=n))
        (found,) = findings({"A": two([*x, 1.0], [*y, math.nan])}, scale=scale, better=better, words=True)
        answer = found.answers[0]
        said = told_numbers(answer.sentence)
        assert "nan" not in said
        assert "inf " not in said
        if n == 0:
            assert said.startswith("b is not tested against a in FD (2000 generated, 360 real): there is no seed")
            continue
        change = 100 * (math.exp(np.mean(np.log(y))) / math.exp(np.mean(np.log(x))) - 1)  # ratio of geometric means
        if scale == "raw":
            change = float(np.mean(y) - np.mean(x))
        words = "higher" if change > 0 else "lower"
        size = (
            f"{abs(change):.3g}"
            if scale == "raw"
            else f"{abs(change):.{0 if abs(change) >= 9.95 else 2}{'f' if abs(change) >= 9.95 else 'g'}} %"
        )
        assert f"is {size} {words} than that of a" in said
        assert "in the one seed" in said if n == 1 else f"; {n} seeds)" in said
        assert f"{better.capitalize()} is better." in said
        assert said.endswith(f"Not finished: seed {n} of b.")


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (1e-9, "−99.9999 %"),
        (5e-5, "−99.995 %"),
        (0.004, "−99.6 %"),
        (0.5, "−50 %"),
        (1.0, "0 %"),
        (12.0, "+1100 %"),
        (1e30, "+1e+32 %"),
    ],
)
def test_percentages_of_very_different_scores(ratio, said):
    (found,) = findings({"A": two([1.0, 2.0], [ratio, 2 * ratio])})
    assert amount(found.answers[0].finding, found.answers[0].finding.mean) == said


def test_scores_without_any_use_are_no_scores():
    """Infinite and missing scores make no pair; a zero has no logarithm."""
    level, reference = {0: math.inf, 1: 1.0, 2: 1.5, 3: math.nan}, dict.fromkeys(range(4), 1.0)
    assert paired_difference(level, reference, "log").seeds == (1, 2)
    (found,) = findings({"A": two([1.0, 2.0, 3.0], [0.0, 1.0, 1.5])}, words=True)
    assert found.answers[0].finding.scale == "raw"
    assert " is 1.17 lower than that of a on average (95 %" in found.answers[0].sentence
