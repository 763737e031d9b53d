"""What is true of every expansion."""

from __future__ import annotations

import json

from grid_files import compared, only_toys, toml  # noqa: F401 - a fixture
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_bench.grid import cell_from_settings

PARAMETERS = {
    "architecture.depth": st.integers(1, 6),
    "architecture.width": st.integers(1, 200),
    "batch_size": st.integers(1, 512),
    "optimizer.lr": st.floats(1e-6, 1, allow_nan=False),
    "dataset.size": st.integers(1, 64),
    "architecture": st.sampled_from(["dcgan", "fcgan"]),
    "tricks": st.sampled_from([["ema"], ["label_noise"], ["hinge"], []]),
}
AXES = st.lists(st.sampled_from(sorted(PARAMETERS)), min_size=1, max_size=3, unique=True).flatmap(
    lambda paths: st.fixed_dictionaries(
        {path: st.lists(PARAMETERS[path], min_size=2, max_size=3, unique_by=repr) for path in paths}
    )
)


def lines_of(axes, quoted=True):
    return "\n".join(f"{json.dumps(path) if quoted else path} = {toml(levels)}" for path, levels in axes.items())


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.lists(AXES, min_size=1, max_size=3))
def test_comparisons_are_products_and_share_equal_cells(comparisons):
    grid = compared(*map(lines_of, comparisons))
    for axes, comparison in zip(comparisons, grid.comparisons, strict=True):
        size = 1
        for levels in axes.values():
            size *= len(levels)
        assert len(comparison.levels) == len({level.cell for level in comparison.levels}) == size
        assert len({level.label for level in comparison.levels}) == size
        assert sum(level.reference for level in comparison.levels) == 1
        if any(level.cell == grid.baseline for level in comparison.levels):
            assert next(level.cell for level in comparison.levels if level.reference) == grid.baseline
    used = {level.cell for comparison in grid.comparisons for level in comparison.levels}
    assert len(grid.cells) == len(used) == len({cell.label for cell in grid.cells})
    assert len({json.dumps(dict(cell.differs), sort_keys=True) for cell in grid.cells}) == len(grid.cells)
    for cell in grid.cells:
        again = cell_from_settings(json.loads(json.dumps(cell.settings)), grid.registry)
        assert again == cell
        assert again.settings == cell.settings


@settings(max_examples=40, derandomize=True, deadline=None)
@given(AXES, st.randoms(use_true_random=False))
def test_order_and_quotes_do_not_matter(axes, random):
    shuffled = list(axes.items())
    random.shuffle(shuffled)
    cells = set(compared(lines_of(axes)).cells)
    assert set(compared(lines_of(dict(shuffled))).cells) == cells
    if not ("architecture" in axes and len([path for path in axes if path.startswith("architecture")]) > 1):
        assert set(compared(lines_of(axes, quoted=False)).cells) == cells
