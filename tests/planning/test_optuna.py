"""Optuna's draws: functions of the search's seed and of what earlier draws were worth, so that none is repeated on resuming."""

from __future__ import annotations

import math

import pytest
from grid_files import BASELINE, load, only_toys  # noqa: F401 - a fixture

from gan_bench.errors import GridError
from gan_bench.grid import load as loading
from gan_bench.planning.optuna import with_more_draws

TEXT = f"""{BASELINE}[search]
draws = 12
sampler = {{ name = "optuna", batch = 4 }}
[search.space]
"optimizer.lr" = {{ log_uniform = [1e-5, 1e-1] }}
"architecture.width" = {{ log_uniform = [8, 64] }}
"optimizer.betas" = {{ choice = [[0.5, 0.999], [0.9, 0.99]] }}
[[compare]]
title = "Noise?"
tricks = [[], ["label_noise"]]
"""


def test_without_the_package_the_sampler_is_refused_with_its_line(monkeypatch):
    monkeypatch.setattr(loading, "find_spec", lambda name: None)
    with pytest.raises(
        GridError, match=r"grid.toml:9: search.sampler: the package optuna is not installed. pip install"
    ):
        load(TEXT)


def worth(values: dict) -> float | None:
    """Best at a rate of 1e-3; one that is far off fails."""
    away = abs(math.log10(values["optimizer.lr"]) + 3)
    return None if away > 1.7 else away


def searched(rounds: int, first=None):
    """A grid after so many rounds of asking and telling."""
    grid = first or load(TEXT)
    for _ in range(rounds):
        grid = with_more_draws(grid, {cell: [worth(d.values) for d in draws] for cell, draws in grid.draws.items()})
    return grid


def values(grid):
    return [[draw.values for draw in draws] for draws in grid.draws.values()]


class TestWithOptuna:
    @pytest.fixture(autouse=True)
    def _installed(self):
        pytest.importorskip("optuna", reason="the package optuna is not installed")

    def test_a_search_that_is_resumed_asks_for_the_same_draws_and_repeats_none(self):
        whole = values(searched(3))
        assert [len(draws) for draws in whole] == [12, 12]
        assert values(searched(1, first=searched(2))) == whole
        assert values(searched(2)) == [draws[:8] for draws in whole]
        assert all(len({str(draw) for draw in draws}) == 12 for draws in whole)
        assert values(searched(5)) == whole  # there are no more

    def test_values_are_of_the_space(self):
        for draws in values(searched(3)):
            for draw in draws:
                assert 1e-5 <= draw["optimizer.lr"] <= 1e-1
                assert type(draw["architecture.width"]) is int
                assert 8 <= draw["architecture.width"] <= 64
                assert draw["optimizer.betas"] in ([0.5, 0.999], [0.9, 0.99])

    def test_later_draws_follow_from_what_earlier_ones_were_worth(self):
        rates = []
        for sign in (1, -1):
            grid = load(TEXT.replace("draws = 12", "draws = 32").replace("batch = 4", "batch = 8"))
            for _ in range(4):
                told = {c: [sign * d.values["optimizer.lr"] for d in draws] for c, draws in grid.draws.items()}
                grid = with_more_draws(grid, told)
            late = [math.log10(draw.values["optimizer.lr"]) for draw in next(iter(grid.draws.values()))[16:]]
            rates.append(sum(late) / len(late))
        assert rates[0] < -3.8 < -2.2 < rates[1]  # the middle of the space is -3
