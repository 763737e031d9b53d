"""What all headlines of a report claim together, under no effect at all and under known ones."""

from __future__ import annotations

import numpy as np
import pytest
from tables import SIDES, sided, verdicts

TOLD = ("better", "worse")
SEEDS = 8


def simulated(rng: np.random.Generator, shifts: dict[str, float]):
    """Two comparisons of three and of two levels; the last level of each differs by these amounts of standard deviations.

    A seed's scores are alike in all levels and headlines, as runs of equal seed are.
    """
    names = {"Which?": ("a", "b", "c"), "And?": ("a", "d")}
    common = rng.normal(size=SEEDS)
    noise = {name: rng.normal(size=(len(SIDES), SEEDS)) + 0.5 * common for name in "abcd"}
    questions = {
        label: {
            title: {
                (name,): dict(enumerate(noise[name][i] + (shifts.get(label, 0.0) if name in "cd" else 0.0)))
                for name in levels
            }
            for title, levels in names.items()
        }
        for i, label in enumerate(SIDES)
    }
    return verdicts(sided(questions))


@pytest.mark.slow
def test_a_report_without_any_effect_claims_one_in_5_percent_at_most():
    rng, reports = np.random.default_rng(0), 300
    wrong = sum(any(verdict in TOLD for verdict in simulated(rng, {}).values()) for _ in range(reports))
    assert wrong / reports <= 0.05 + 3 * (0.05 * 0.95 / reports) ** 0.5
    assert wrong, "the tests are not that shy"


@pytest.mark.slow
def test_an_effect_on_one_side_is_told_of_that_side():
    """Of 9 tests at 8 seeds, a difference of 1.8 standard deviations is told with 80 % (`gan_bench.stats.power`)."""
    rng, reports, size = np.random.default_rng(1), 300, 1.8 * 2**0.5  # of differences of two runs
    found = [simulated(rng, {"recall": -size}) for _ in range(reports)]
    told = np.mean([[one["Which? c in recall"] == "worse", one["And? d in recall"] == "worse"] for one in found])
    assert told >= 0.8 - 3 * (0.8 * 0.2 / reports) ** 0.5
    elsewhere = [
        any(v in TOLD for what, v in one.items() if not what.endswith("in recall") or what.startswith("Which? b"))
        for one in found
    ]
    assert np.mean(elsewhere) <= 0.05 + 3 * (0.05 * 0.95 / reports) ** 0.5
