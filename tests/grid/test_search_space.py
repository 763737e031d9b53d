"""`[search]`: what is drawn for which level, and its mistakes with file and line."""

from __future__ import annotations

import math

import pytest
from grid_files import BASELINE, FOLDER, compared, load, only_toys  # noqa: F401 - a fixture

from gan_bench.errors import GridError
from gan_bench.grid.search import unit
from gan_bench.grid.stages import drawn, tuned

FILE = FOLDER / "grid.toml"
TRICKS = '[[compare]]\ntitle = "Noise?"\ntricks = [[], ["label_noise"], ["ema"]]\n'
NETWORKS = '[[compare]]\ntitle = "Which?"\narchitecture = ["dcgan", "fcgan"]\n'


def searched(space: str, *, rest: str = TRICKS, search: str = "draws = 30", baseline: str = BASELINE, **options):
    """The grid of a baseline with a search."""
    return load(f"{baseline}[search]\n{search}\n[search.space]\n{space}\n{rest}", **options)


def values(grid, label: str) -> list[dict]:
    """What was drawn for the level that a comparison calls so."""
    cells = [level.cell for comparison in grid.comparisons for level in comparison.levels if level.label == label]
    return [draw.values for draw in grid.draws[cells[0]]]


LR = '"optimizer.lr" = { log_uniform = [1e-5, 1e-2] }'


def test_a_draw_is_a_function_of_its_number_and_the_search_s_seed():
    few, many = searched(LR, search="draws = 5"), searched(LR, search="draws = 30")
    assert values(few, "no tricks") == values(many, "no tricks")[:5]
    beside = searched(LR + '\n"architecture.width" = { choice = [16, 32] }')
    assert [draw["optimizer.lr"] for draw in values(beside, "ema")] == [
        draw["optimizer.lr"] for draw in values(many, "ema")
    ]
    assert values(searched(LR, search="draws = 30\nseed = 1"), "ema") != values(many, "ema")
    assert values(searched(LR, rest=NETWORKS), "fcgan") == values(many, "ema")  # the same for every level
    assert unit(0, 0, "optimizer.lr") == 0.6789953783665796  # for ever, or finished searches begin anew


def test_values_lie_where_the_space_says():
    grid = searched(
        LR
        + '\n"optimizer.betas" = { choice = [[0.5, 0.999], [0.9, 0.99]] }\n"architecture.width" = { log_uniform = [8, 64] }'
        + '\narchitecture.depth = { uniform = [1, 3] }\n"tricks.label_noise.amount" = { uniform = true }',
        search="draws = 300",
    )
    found = values(grid, "label_noise")
    rates = [draw["optimizer.lr"] for draw in found]
    assert all(1e-5 <= rate <= 1e-2 for rate in rates)
    assert abs(sum(rate < 10**-3.5 for rate in rates) / 300 - 0.5) < 0.09  # equally often in each decade
    assert {tuple(draw["optimizer.betas"]) for draw in found} == {(0.5, 0.999), (0.9, 0.99)}
    widths = [draw["architecture.width"] for draw in found]
    assert set(map(type, widths)) == {int}
    assert min(widths) == 8
    assert max(widths) >= 60
    depths = [draw["architecture.depth"] for draw in found]
    assert {depth: round(depths.count(depth) / 300, 1) for depth in (1, 2, 3)} == pytest.approx(
        {1: 0.3, 2: 0.3, 3: 0.3}, abs=0.11
    )
    assert all(0 <= draw["tricks.label_noise.amount"] <= 1 for draw in found)
    assert {len(f"{rate:.8g}".partition("e")[0].replace(".", "").strip("0")) for rate in rates} <= {1, 2, 3, 4}


def test_a_setting_is_drawn_only_for_levels_that_have_it():
    grid = searched('"tricks.label_noise.amount" = { log_uniform = [0.01, 0.5] }\n' + LR)
    assert [sorted(values(grid, label)[0]) for label in ("no tricks", "label_noise")] == [
        ["optimizer.lr"],
        ["optimizer.lr", "tricks.label_noise.amount"],
    ]
    networks = searched('"architecture.kernel" = { choice = [3, 5] }', rest=NETWORKS)
    assert values(networks, "fcgan") == [{}] * 30
    own = searched(
        '"optimizer.momentum" = { uniform = [0, 0.5] }', rest='[[compare]]\ntitle = "?"\noptimizer = ["adam", "sgd"]'
    )
    assert [sorted(values(own, label)[0]) for label in ("adam", "sgd")] == [[], ["optimizer.momentum"]]


def test_bounds_may_be_the_field_s_own():
    grid = searched('"architecture.depth" = { uniform = true }\n"tricks.ema.decay" = { uniform = true }', rest=TRICKS)
    assert {draw["architecture.depth"] for draw in values(grid, "ema")} == set(range(1, 7))
    assert all(0 < draw["tricks.ema.decay"] < 1 for draw in values(grid, "ema"))
    logarithmic = searched('"architecture.depth" = { log_uniform = true }')
    depths = [draw["architecture.depth"] for draw in values(logarithmic, "ema")]
    assert depths.count(1) > depths.count(6)


def test_the_stages_are_grids_of_the_draws_and_of_the_chosen_ones():
    grid = searched(LR, search="draws = 4\nseeds = [1000, 1001]")
    first = drawn(grid)
    assert (first.seeds, first.half, len(first.cells)) == ((1000, 1001), "selection", 12)
    assert [level.label for level in first.comparisons[0].levels][:5] == [
        *(f"no tricks, draw {number}" for number in range(4)),
        "label_noise, draw 0",
    ]
    second = tuned(grid, {cell: number for number, cell in enumerate(grid.cells)})
    assert (second.seeds, second.half) == (grid.seeds, "test")
    rates = [level.cell.settings["optimizer"]["generator"]["lr"] for level in second.comparisons[0].levels]
    assert rates == [draw["optimizer.lr"] for draw in values(grid, "ema")][:3]
    assert [level.label for level in second.comparisons[0].levels] == ["no tricks", "label_noise", "ema"]
    assert [level.reference for level in second.comparisons[0].levels] == [True, False, False]
    assert second.written is grid


def test_equal_draws_are_one_cell_and_a_grid_without_comparisons_is_tuned_too():
    grid = searched('"architecture.width" = { choice = [16, 32] }', rest="")
    assert len(grid.draws[grid.cells[0]]) == 30
    assert len(drawn(grid).cells) == 2


REFUSED = [
    ('"optimizer.lrr" = { uniform = [0, 1] }', "no level has a setting 'optimizer.lrr'. Did you mean 'lr'?"),
    (
        '"architecture.hight" = { uniform = [0, 1] }',
        "no level has a setting 'architecture.hight'. Known: depth, kernel",
    ),
    ('"tricks.hinge.amount" = { uniform = [0, 1] }', "no level has the trick 'hinge'. Add it"),
    ('"tricks.ema.amount" = { uniform = [0, 1] }', "no level has a setting 'tricks.ema.amount'"),
    ('"tricks.ema" = { choice = [1] }', "a path into a trick names one of its parameters"),
    ('"dataset.size" = { choice = [8, 16] }', "draws with other data can't be compared with each other"),
    ('"architecture" = { choice = ["dcgan"] }', "a search draws parameters; this would be a comparison"),
    ('"steps" = { choice = [1, 2] }', "'steps' is no setting that can be drawn"),
    ('"optimizer.name" = { choice = [0.5, "adam"] }\n' + LR, "optimizer.name: "),
    ('"optimizer.name" = { choice = [["sgd"], "adam"] }\n' + LR, "optimizer.name: "),
    ('"architecture.name" = { choice = [0.5, "dcgan"] }\n' + LR, "architecture.name: "),
    ('"architecture.name" = { choice = [["dcgan"], "dcgan"] }\n' + LR, "architecture.name: "),
    ('"optimizer.lr" = { loguniform = [0.1, 1] }', "says how the setting is drawn"),
    ('"optimizer.lr" = [0.1, 1]', "says how the setting is drawn"),
    (
        '"optimizer.lr" = { uniform = [1, 0.1] }',
        "the lower bound must be less than the upper one (found: [1, 0.1]). Write [0.1, 1].",
    ),
    ('"optimizer.lr" = { uniform = [1, 1] }', "the lower bound must be less than the upper one"),
    ('"optimizer.lr" = { uniform = 3 }', "uniform needs two numbers (found: 3)"),
    ('"optimizer.lr" = { uniform = ["a", 1] }', "uniform needs two numbers"),
    ('"optimizer.lr" = { log_uniform = [0, 1] }', "log_uniform needs bounds above 0, for 0 has no logarithm"),
    ('"optimizer.lr" = { log_uniform = true }', "the setting's own lower bound is 0, which has no logarithm"),
    (
        '"architecture.width" = { uniform = true }',
        "the setting itself has no upper bound. Write uniform = [low, high].",
    ),
    ('"architecture.slope" = { uniform = true }', "the setting itself has no bounds"),
    ('"optimizer.lr" = { choice = [] }', "choice needs a list of values"),
    ('"optimizer.lr" = { choice = [0.1, 0.1] }', "this value stands there twice (found: 0.1)"),
    ('"architecture.depth" = { uniform = [1, 9] }', "must be at most 6 (found: 9)"),
    ('"optimizer.lr" = { choice = [0.1, "much"] }', "must be a number (found: 'much')"),
]


@pytest.mark.parametrize(("entry", "error"), REFUSED)
def test_an_entry_that_is_wrong_is_told_with_its_line(entry, error):
    with pytest.raises(GridError) as caught:
        searched(entry)
    line = BASELINE.count("\n") + 4
    text = str(caught.value)
    assert text.startswith(f"{FILE}:{line}: ")
    assert error in text, text
    assert "tuple" not in text


@pytest.mark.parametrize(
    ("search", "error"),
    [
        ("draws = 0", "search.draws: must be at least 1 (found: 0)"),
        ("drws = 3", "search.drws: is no known key (found: 3). Did you mean 'draws'?"),
        (
            "seeds = [1]",
            "search.seeds: the grid trains with seed 1 too, and what is found must be tested on fresh seeds",
        ),
        ("seeds = []", "search.seeds: needs at least one seed"),
        ("draws = 1000\nseeds = '1000-1099'", "search.draws: the search asks for 300,000 runs"),
    ],
)
def test_the_search_s_own_keys(search, error):
    with pytest.raises(GridError) as caught:
        searched(LR, search=search)
    line = BASELINE.count("\n") + 2
    assert str(caught.value).startswith(f"{FILE}:{line}: {error}"), caught.value


def test_seeds_of_the_command_line_are_no_seeds_of_the_search():
    with pytest.raises(GridError, match=r"the grid trains with seed 1000 too"):
        searched(LR, seeds="999-1001")


def test_a_setting_that_levels_differ_in_is_not_drawn():
    with pytest.raises(GridError, match=r"replaces what tells the levels 'lr 0.01' and 'lr 0.02' of '\?' apart"):
        searched(LR, rest='[[compare]]\ntitle = "?"\n"optimizer.lr" = [0.01, 0.02]')


def test_a_draw_that_the_plugin_refuses_is_told_with_its_number():
    space = '"architecture.depth" = { uniform = [1, 120] }\n"architecture.width" = { uniform = [1, 500] }'
    with pytest.raises(GridError, match=r"depth times width is at most 10000, in draw \d+ of the search"):
        searched(space, baseline=BASELINE.replace('"dcgan", width = 32', '"fcgan", width = 20'))


def test_there_is_no_search_without_one():
    grid = compared("tricks = [[], ['ema']]")
    assert (grid.search, grid.draws, grid.half) == (None, {}, None)
    assert math.prod(map(len, grid.draws.values())) == 1
