"""Grids of GAN trainings, and a page that says which choice was better, by how much and how sure that is.

Everything here is imported when first used, so that the command line answers at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gan_bench.errors import GanBenchError
    from gan_bench.notebook import load, load_generator, run
    from gan_bench.plugin import (
        Architecture,
        ArrayPart,
        Dataset,
        DataSpec,
        Estimate,
        FeatureExtractor,
        Field,
        Metric,
        Modes,
        Number,
        Parts,
        SkipSample,
        Trick,
        hookimpl,
    )
    from gan_bench.recipe import Recipe

__version__ = "0.1.0"
__all__ = [
    "Architecture",
    "ArrayPart",
    "DataSpec",
    "Dataset",
    "Estimate",
    "FeatureExtractor",
    "Field",
    "GanBenchError",
    "Metric",
    "Modes",
    "Number",
    "Parts",
    "Recipe",
    "SkipSample",
    "Trick",
    "hookimpl",
    "load",
    "load_generator",
    "run",
]

_HOME = {
    "GanBenchError": "errors",
    "Recipe": "recipe",
    "load": "notebook",
    "load_generator": "notebook",
    "run": "notebook",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'gan_bench' has no attribute {name!r}")
    return getattr(importlib.import_module(f"gan_bench.{_HOME.get(name, 'plugin')}"), name)
