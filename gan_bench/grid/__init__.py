"""Grid files: read, checked and expanded into comparisons, levels and cells."""

from gan_bench.grid.cells import Cell, cell_from_settings
from gan_bench.grid.core import read_core
from gan_bench.grid.load import Comparison, Grid, Level, add_plugins, load_grid
from gan_bench.grid.optimizer import OptimizerSettings
from gan_bench.grid.schema import Evaluate

__all__ = [
    "Cell",
    "Comparison",
    "Evaluate",
    "Grid",
    "Level",
    "OptimizerSettings",
    "add_plugins",
    "cell_from_settings",
    "load_grid",
    "read_core",
]
