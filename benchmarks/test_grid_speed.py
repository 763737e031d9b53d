"""From a grid file to its cells and runs.

pytest benchmarks/test_grid_speed.py
"""

from __future__ import annotations

import pytest

from gan_bench.grid import load_grid

GRID = """
name = "large"
dataset = "digits"
architecture = "fcgan"
seeds = "0-{seeds}"
steps = 100

[[compare]]
title = "Many"
"architecture.width" = {widths}
batch_size = {batch_sizes}
"""


@pytest.mark.parametrize(("cells", "seeds"), [(100, 1), (1000, 10)])
def test_expansion(benchmark, tmp_path, cells, seeds):
    widths, batch_sizes = list(range(8, 8 + cells // 10)), [8 * (i + 1) for i in range(10)]
    file = tmp_path / "grid.toml"
    file.write_text(GRID.format(seeds=seeds - 1, widths=widths, batch_sizes=batch_sizes))
    grid = benchmark.pedantic(load_grid, args=(file,), rounds=3, warmup_rounds=1)
    assert len(grid.cells) == cells
