"""Grids of GAN trainings, and a page that says which choice was better, by how much and how sure that is.

Everything here is imported when first used, so that the command line answers at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gan_bench.api.data_spec import DataSpec, Modes
    from gan_bench.api.hooks import hookimpl
    from gan_bench.api.kinds import (
        Alarm,
        Architecture,
        ArrayPart,
        Dataset,
        Estimate,
        FeatureExtractor,
        Features,
        Field,
        Metric,
        Number,
        Part,
        Parts,
        SkipSample,
        Trick,
        Undivided,
    )
    from gan_bench.api.losses import BinaryCrossEntropy, Hinge, Loss, LossAround, Wasserstein
    from gan_bench.api.network_features import NetworkFeatures
    from gan_bench.api.optimizers import OptimizerAround
    from gan_bench.api.reading import Reading
    from gan_bench.api.recipe import Recipe
    from gan_bench.api.samples import PreparedData, RealData
    from gan_bench.api.seen import Seen
    from gan_bench.api.trackers import Point, TrackedRun, Tracker
    from gan_bench.commands.export import export
    from gan_bench.commands.generators import load_generator
    from gan_bench.commands.notebook import load, run
    from gan_bench.commands.score import score
    from gan_bench.errors import GanBenchError
    from gan_bench.grid.written import Cluster, Compare, Evaluate, Grid, Search
    from gan_bench.scoring.walks import interpolate

__version__ = "0.2.0"

__all__ = [
    "Alarm",
    "Architecture",
    "ArrayPart",
    "BinaryCrossEntropy",
    "Cluster",
    "Compare",
    "DataSpec",
    "Dataset",
    "Estimate",
    "Evaluate",
    "FeatureExtractor",
    "Features",
    "Field",
    "GanBenchError",
    "Grid",
    "Hinge",
    "Loss",
    "LossAround",
    "Metric",
    "Modes",
    "NetworkFeatures",
    "Number",
    "OptimizerAround",
    "Part",
    "Parts",
    "Point",
    "PreparedData",
    "Reading",
    "RealData",
    "Recipe",
    "Search",
    "Seen",
    "SkipSample",
    "TrackedRun",
    "Tracker",
    "Trick",
    "Undivided",
    "Wasserstein",
    "export",
    "hookimpl",
    "interpolate",
    "load",
    "load_generator",
    "run",
    "score",
]

_HOME = {
    "DataSpec": "api.data_spec",
    "Modes": "api.data_spec",
    "hookimpl": "api.hooks",
    "BinaryCrossEntropy": "api.losses",
    "Hinge": "api.losses",
    "Loss": "api.losses",
    "LossAround": "api.losses",
    "Wasserstein": "api.losses",
    "NetworkFeatures": "api.network_features",
    "OptimizerAround": "api.optimizers",
    "Reading": "api.reading",
    "Recipe": "api.recipe",
    "Seen": "api.seen",
    "Point": "api.trackers",
    "TrackedRun": "api.trackers",
    "Tracker": "api.trackers",
    "PreparedData": "api.samples",
    "RealData": "api.samples",
    "export": "commands.export",
    "load_generator": "commands.generators",
    "load": "commands.notebook",
    "run": "commands.notebook",
    "score": "commands.score",
    "GanBenchError": "errors",
    "interpolate": "scoring.walks",
    "Cluster": "grid.written",
    "Compare": "grid.written",
    "Evaluate": "grid.written",
    "Grid": "grid.written",
    "Search": "grid.written",
}  # the others stand in api.kinds


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'gan_bench' has no attribute {name!r}")
    return getattr(importlib.import_module(f"gan_bench.{_HOME.get(name, 'api.kinds')}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
