"""The short answer to a comparison: direction, size, interval and seeds, or what it takes to tell."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from fake_store import write, write_store
from tables import findings

from gan_bench.findings.answers import answer, by_verdict
from gan_bench.findings.compare import compare
from gan_bench.findings.tables import load


def answers(store):
    return [answer(comparison) for comparison in compare(load(store))]


def quality(store, cell, factor, jitter=0.02):
    """Let the last scores of a cell's runs be so many times 5."""
    grid = json.loads((store / "grid.json").read_text())
    for run, facts in grid["runs"].items():
        if facts["label"] == cell:
            last = sorted((store / "runs" / run / "snapshots").iterdir())[-1] / "scores.json"
            scores = json.loads(last.read_text())
            seed = int(run.split("-")[1])
            scores["scores"][0]["value"] = 5 * factor * float(np.exp(jitter * np.sin(9.0 * seed + sum(cell.encode()))))
            write(last, scores)


@pytest.fixture
def store(tmp_path):
    return lambda seeds: write_store(tmp_path / "s", seeds=seeds, snapshots=1, steps=50, trouble=False)


def test_what_is_better_is_said_with_size_interval_and_seeds(store):
    facts = compare(load(store(6)))[1]
    said, finding = answer(facts), facts.answers[1].finding  # of ema
    assert said.verdict == "better"
    assert said.lead == "ema is better than no tricks"
    size = f"{abs(finding.in_units(finding.mean)):.0f} % lower"
    assert said.rest.startswith(f": FD[classifier] is {size} (95 % interval −")
    assert "; 6 seeds). Better as well: label_noise (amount 0.05) + ema (−" in said.rest
    assert said.rest.endswith("No difference can be told: label_noise (amount 0.05) (−6.2 %).")


def test_no_difference_is_an_answer(store):
    made = store(6)
    for cell, factor in (("fcgan, no tricks", 1.01), ("dcgan, depth 2, no tricks", 1.0)):
        quality(made, cell, factor, jitter=0.2)
    said = answers(made)[0]
    assert said.verdict == said.lead.lower() == "no difference can be told"
    assert said.rest.startswith(" between fcgan and dcgan: FD[classifier] of fcgan is ")
    assert said.rest.endswith(
        " To tell such a difference, if there is one, takes 14 or more seeds (with 80 % probability, among 6 tests)."
    )


def test_under_six_seeds_what_is_seen_and_how_many_would_tell(store):
    said = answers(store(3))[0]
    assert (said.verdict, said.lead) == ("not tested", "No verdict yet")
    assert said.rest.startswith(": so far FD[classifier] of fcgan is ")
    assert " % higher than that of dcgan (95 % interval −" in said.rest
    assert said.rest.endswith("; 3 seeds). A verdict needs at least 6 seeds.")
    assert answers(store(1))[0].rest.endswith("(1 seed). A verdict needs at least 6 seeds.")


def test_scores_that_can_t_be_compared_are_told_with_what_their_protocols_differ_in(store):
    made = store(6)
    for run, facts in json.loads((made / "grid.json").read_text())["runs"].items():
        if facts["label"] == "fcgan, no tricks":
            for file in (made / "runs" / run).glob("snapshots/*/scores.json"):
                scores = json.loads(file.read_text())
                for score in scores["scores"]:
                    score["protocol"]["dataset"], score["protocol_id"] = "cd" * 32, score["protocol_id"][::-1]
                write(file, scores)
    said = answers(made)[0]
    assert said.lead == "No verdict yet"
    assert said.rest == (": that of fcgan follows another protocol (other data).")


def test_nothing_is_better(store):
    made = store(6)
    quality(made, "fcgan, no tricks", 3.0)
    for cell, factor in (("dcgan, depth 1, no tricks", 2.0), ("dcgan, depth 3, no tricks", 1.5)):
        quality(made, cell, factor)
    quality(made, "dcgan, depth 2, no tricks", 1.0)
    first, _, last = answers(made)
    assert first.lead == "fcgan is worse than dcgan"
    assert last.lead == "depth 2 is better than both others"
    assert ": with depth 3, the nearest, FD[classifier] is 50 % higher" in last.rest
    assert "with depth 1, the farthest, FD[classifier] is 100 % higher" in last.rest


def test_many_levels_are_counted_and_the_best_come_first(store):
    made = store(6)
    grid = json.loads((made / "grid.json").read_text())
    comparison = grid["comparisons"][1]
    for i in range(10):  # the same cell under more names
        comparison["levels"].append({**comparison["levels"][1], "label": f"again {i}"})
    write(made / "grid.json", grid)
    facts = compare(load(made))[1]
    said = answer(facts)
    assert said.lead == "ema is better than no tricks"
    assert said.rest.endswith("No difference can be told: 11 levels.")
    assert [entry.level.label for entry in by_verdict(facts.answers)["better"]] == [
        "ema",
        "label_noise (amount 0.05) + ema",
    ]


def test_a_store_without_scores(tmp_path):
    level = {"label": "a", "reference": True, "runs": {"0": "a-0"}}
    write(tmp_path / "grid.json", {"comparisons": [{"title": "?", "levels": [level, {**level, "reference": False}]}]})
    assert str(answers(tmp_path)[0]) == "No verdict yet: there is no score."


@pytest.mark.parametrize(("seeds", "lead"), [(3, "No verdict yet"), (7, "fcgan is worse than dcgan")])
def test_that_all_runs_of_a_level_failed_is_the_answer(store, seeds, lead):
    made = store(seeds)
    grid = json.loads((made / "grid.json").read_text())
    for run, facts in grid["runs"].items():
        if facts["label"] == "fcgan, no tricks":
            result = made / "runs" / run / "result.json"
            write(result, {**json.loads(result.read_text()), "status": "failed", "reason": "not a number"})
    least = " A verdict needs at least 8 seeds where runs failed, among 6 tests." if seeds < 6 else ""
    assert str(answers(made)[0]) == f"{lead}: all {seeds} seeds of fcgan failed.{least}"


def test_of_many_levels_where_none_is_better_the_nearest_is_named(store):
    made = store(6)
    quality(made, "dcgan, depth 2, no tricks", 1.0, jitter=0.1)
    quality(made, "dcgan, depth 3, no tricks", 1.02, jitter=0.1)
    quality(made, "dcgan, depth 1, no tricks", 2.0)
    grid = json.loads((made / "grid.json").read_text())
    levels = grid["comparisons"][2]["levels"]
    worse = next(level for level in levels if level["label"] == "depth 1")
    levels += [{**worse, "label": f"again {i}"} for i in range(5)]
    write(made / "grid.json", grid)
    said = answers(made)[2]
    assert (said.verdict, said.lead) == ("worse", "No level is better than depth 2")
    assert said.rest.startswith(
        ": of 7 others six are worse, and of one no difference can be told; with depth 3, the best"
    )


def test_alone_an_interval_may_leave_out_zero_without_a_finding(store):
    made = store(6)
    for cell, factor in (("fcgan, no tricks", 1.01), ("dcgan, depth 2, no tricks", 1.0)):
        quality(made, cell, factor, jitter=0.2)
    facts = compare(load(made))[0]
    assert "Alone" not in str(answer(facts))
    facts.answers[0].finding = replace(facts.answers[0].finding, interval=(0.001, 0.3), family=12)
    assert "Alone, its interval leaves out zero; among 12 tests, that is no finding." in str(answer(facts))


def asked(*levels, **options):
    """The answer to the question whether these levels, of which the first is the reference, differ; and its sentences."""
    cells = {(name,): dict(enumerate(values)) for name, values in zip("abcdef", levels, strict=False)}
    (comparison,) = findings({"Which?": cells}, words=True, **options)
    return str(answer(comparison)), [entry.sentence for entry in comparison.answers]


def test_a_seed_that_still_runs_is_waited_for_in_the_lead_as_in_the_bullet():
    said, (bullet,) = asked([1.0, 1.1, 1.2, 0.9, 1.0, 1.1, np.nan], [2.0, 2.3, 2.1, 2.2, 1.9, 2.0, np.nan])
    waits = "There is no verdict before all of these runs have ended."
    assert said.startswith("No verdict yet: so far FD of b is ")
    assert said.endswith(waits)
    assert waits in bullet
    assert "needs" not in said + bullet


def test_levels_that_are_all_equal_have_no_interval_and_none_differs_most():
    values = [1.0, 1.1, 1.2, 0.9, 1.0, 1.1]
    said, bullets = asked(values, values, values)
    assert said == (
        "No difference can be told between a and two other levels: "
        "FD of each is equal to that of a (the same in all 6 seeds)."
    )
    said, _ = asked(values[:2], values[:2], values[:2])
    assert "FD of each is equal to that of a (the same in all 2 seeds)" in said
    assert "interval" not in said + " ".join(bullets)


def test_a_mean_of_nothing_is_not_called_equal():
    said, _ = asked([1.0, 3.0, 2.0, 1.0, 3.0, 2.0], [3.0, 1.0, 2.0, 3.0, 1.0, 2.0], scale="raw")
    assert "FD of b is equal on average to that of a (95 % interval −1.88 to +1.88; 6 seeds)." in said


def test_every_level_whose_runs_all_failed_is_named():
    fine, failed = [1.0, 1.1, 1.2, 0.9, 1.0, 1.1], [None] * 6
    said, _ = asked(fine, failed, failed)
    assert said == (
        "No difference can be told between a and two other levels: all 6 seeds of b failed and all 6 seeds of c failed. "
        "A verdict needs at least 7 seeds where runs failed, among 2 tests."
    )
    said, _ = asked(fine, [value + 0.01 * i * i * (-1) ** i for i, value in enumerate(fine)], failed)
    assert said.startswith("No difference can be told between a and two other levels: FD of b, which differs most, is ")
    assert ". All 6 seeds of c failed." in said
    said, _ = asked(fine + [1.0] * 2, [0.1 * value for value in fine + [1.0] * 2], failed + [None] * 2)
    assert said.endswith("Worse: c (all 8 seeds of c failed).")


def test_a_score_of_zero_turns_the_unit_and_that_is_said():
    fine = [1.0, 1.1, 1.2, 0.9, 1.0, 1.1]
    said, (bullet, other) = asked(fine, [0.0, *(0.1 * value for value in fine[1:])], [0.5 * value for value in fine])
    assert said == (
        "b is better than a: FD is 0.962 lower (95 % interval −1.06 to −0.863; 6 seeds, not in percent, for a score is not "
        "above 0). Better as well: c (−50 %)."
    )
    assert bullet.endswith(" A score is not above 0: differences are in the score's own unit, not in percent.")
    assert "not in percent" not in other


def test_why_no_seed_has_a_score_in_both_is_said(store):
    made = store(6)
    other = {"real": 500, "generated": 1000}
    grid = json.loads((made / "grid.json").read_text())
    for run, facts in grid["runs"].items():
        for file in (made / "runs" / run / "snapshots").glob("*/scores.json"):
            scores = json.loads(file.read_text())
            if facts["label"] == "fcgan, no tricks":
                first = scores["scores"][0]
                scores["scores"][0] = {**first, "protocol": {**first["protocol"], **other}, "protocol_id": "0dd"}
            if facts["label"].startswith("dcgan, depth 3"):
                scores["scores"] = []
            write(file, scores)
    facts = compare(load(made))
    why = "that of fcgan follows another protocol (generated 1000 instead of 2000, real 500 instead of 360)"
    assert f"No verdict yet: {why}." in str(answer(facts[0]))
    assert f"there is no seed in which both have a score, for {why}." in facts[0].answers[0].sentence
    depth = next(entry for entry in facts[2].answers if entry.level.label == "depth 3")
    assert depth.sentence.endswith("both have a score, for all 6 seeds of depth 3 have no score.")
    unlike, _ = asked([1.0, 1.1, np.nan], [np.nan, np.nan, 1.0])
    assert "2 of 3 seeds of b have not ended yet and 1 of 3 seeds of a have not ended yet" in unlike
