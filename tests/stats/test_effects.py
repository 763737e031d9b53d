"""Main effects and interactions: by hand, and their coverage by simulation with seeds as clusters."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from gan_bench.findings.sentences import effect_sentence
from gan_bench.stats.effects import effects, turns

REFERENCE = ("depth 1", "none")


def grid_of(table: dict[tuple[str, str], list[float]]) -> dict[tuple[str, str], dict[int, float]]:
    return {cell: dict(enumerate(values)) for cell, values in table.items()}


def by_change(found):
    return {tuple(level for _, level in effect.changed): effect for effect in found}


SMALL = grid_of(
    {
        ("depth 1", "none"): [10.0, 20.0],
        ("depth 1", "ema"): [8.0, 17.0],
        ("depth 2", "none"): [9.0, 18.0],
        ("depth 2", "ema"): [4.0, 12.0],
    }
)


def test_by_hand():
    found = by_change(effects(SMALL, REFERENCE, "raw", "lower"))
    assert found.keys() == {("depth 2",), ("ema",), ("depth 2", "ema")}
    assert found[("ema",)].finding.differences == (-3.5, -4.5)  # (-2 - 5) / 2 and (-3 - 6) / 2
    assert found[("depth 2",)].finding.differences == (-2.5, -3.5)
    assert found[("depth 2", "ema")].finding.differences == (-3.0, -3.0)  # 4 - 8 - 9 + 10 and 12 - 17 - 18 + 20
    assert found[("ema",)].by_cell == {("depth 1", "ema"): -2.5, ("depth 2", "ema"): -5.5}
    assert (found[("ema",)].at(0, "depth 1"), found[("ema",)].at(0, "depth 2")) == (-2.5, -5.5)
    assert turns(found[("ema",)], found[("depth 2", "ema")], REFERENCE) is None


def test_on_the_log_scale_they_are_ratios():
    found = by_change(effects(SMALL, REFERENCE, "log", "lower"))
    expected = [np.log(8 / 10) / 2 + np.log(4 / 9) / 2, np.log(17 / 20) / 2 + np.log(12 / 18) / 2]
    assert found[("ema",)].finding.differences == pytest.approx(expected)


def test_what_has_no_counterpart_is_left_out():
    holes = {cell: scores for cell, scores in SMALL.items() if cell != ("depth 2", "none")}
    found = by_change(effects(holes, REFERENCE, "raw", "lower"))
    assert found[("ema",)].finding.differences == (-2.0, -3.0)
    assert found[("depth 2",)].finding.differences == (-4.0, -5.0)
    assert ("depth 2", "ema") not in found


def test_a_seed_counts_where_it_has_all_scores():
    scores = {**SMALL, ("depth 2", "ema"): {1: 12.0}}
    assert by_change(effects(scores, REFERENCE, "raw", "lower"))[("ema",)].finding.seeds == (1,)


def test_an_effect_that_turns_round_is_said_with_what_it_is_at_each_level():
    turning = grid_of({**{c: list(v.values()) for c, v in SMALL.items()}, ("depth 2", "ema"): [14.0, 22.0]})
    found = by_change(effects(turning, REFERENCE, "raw", "lower"))
    main, interaction = found[("ema",)], found[("depth 2", "ema")]
    assert turns(main, interaction, REFERENCE) == (0, "depth 2")
    assert turns(main, found[("depth 2",)], REFERENCE) is None
    assert turns(interaction, interaction, REFERENCE) is None
    means = {level: main.at(0, level) for level in ("depth 1", "depth 2")}
    said = effect_sentence(
        main.finding, change="ema", references="none", score="FD", others="architecture.depth", turns=means
    )
    assert said.startswith("ema instead of none, averaged over architecture.depth: FD +1 on average (95 % interval ")
    assert said.endswith(
        "It depends on the other axis, −2.5 with depth 1 and +4.5 with depth 2: read these, not their mean."
    )


@pytest.mark.parametrize("seeds", [3, 6])
def test_intervals_cover_though_cells_of_one_seed_depend_on_each_other(seeds):
    """A seed's luck with a trick is shared by all depths; pooling cells and seeds would cover about half."""
    rng, trials, truth = np.random.default_rng(seeds), 600, 0.4
    covered = 0
    cells = list(itertools.product(["depth 1", "depth 2", "depth 3"], ["none", "ema"]))
    for _ in range(trials):
        luck, own = rng.normal(size=seeds), rng.normal(size=(len(cells), seeds))
        scores = {
            cell: dict(enumerate((trick == "ema") * (truth + luck) + 0.3 * own[i]))
            for i, cell in enumerate(cells)
            for trick in cell[1:]
        }
        low, high = by_change(effects(scores, REFERENCE, "raw", "lower"))[("ema",)].finding.interval
        covered += low <= truth <= high
    assert 0.92 < covered / trials < 0.98
