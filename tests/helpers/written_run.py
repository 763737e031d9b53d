"""Run folders as trainings leave them, of generators that nothing has trained: quick, for what reads their weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.randomness import Streams
from gan_bench.api.registry import Registry
from gan_bench.files import write_tensors
from gan_bench.grid import cell_from_settings
from gan_bench.store.documents import write_object
from gan_bench.store.folder import RunFolder
from gan_bench.training.build import loop_of

SMALL = DataSpec((1, 8, 8))
ADAM = {"name": "adam", "lr": 1e-3, "betas": [0.5, 0.999]}
STEP = 5
PROTOCOL = {"generated": 64, "real": 360, "split": "held out"}
SCORE = {
    **{"metric": "fid", "label": "FD[random]", "value": 10.25, "standard_error": 0.4},
    **{"protocol_id": "570c7e1e", "protocol": PROTOCOL},
}


def write_run(
    folder: Path,
    architecture: dict[str, Any],
    *tricks: dict[str, Any],
    data: DataSpec = SMALL,
    registry: Registry | None = None,
    dataset: dict[str, Any] | None = None,
) -> RunFolder:
    """A run of seed 3 after 5 steps, its parameters moved off their initial values. `dataset` are the data's own settings."""
    registry, cpu = registry or Registry.load(), torch.device("cpu")
    settings = {
        "dataset": dataset or {"name": "digits", "size": 8},
        "architecture": architecture,
        "tricks": list(tricks),
        "optimizer": {"generator": ADAM, "discriminator": ADAM},
        "batch_size": 8,
    }
    cell = cell_from_settings(settings, registry)
    recipe = loop_of(cell, data, Streams(3, cpu), 2 * STEP, lambda memory: None).recipe
    drawn = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in recipe.sampled.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=drawn))
    run = RunFolder(folder)
    place = run.snapshot(STEP)
    write_tensors(place / "weights.pt", recipe.sampled.state_dict())
    scores = {"step": STEP, "d_steps": STEP, "images": 8 * STEP, "scores": [SCORE]}
    write_object(place / "scores.json", scores)
    found = registry.those(cell.plugins)
    plugins = [
        {"kind": one.kind, "name": one.name, "origin": one.origin, "source": one.source_hash, "file": None}
        for one in found
    ]
    facts = {
        "run": folder.name,
        "identity": "1f" * 32,
        "seed": 3,
        "settings": cell.settings,
        "total_steps": 2 * STEP,
        "dataset": {
            **{"name": settings["dataset"]["name"], "fingerprint": "ab" * 32, "shape": list(data.shape)},
            **{"kind": data.kind, "classes": list(data.classes) if data.classes else None},
            **(
                {"class_counts": {part: [9] * len(data.classes) for part in ("training", "held_out")}}
                if data.classes
                else {}
            ),
            "reading": {"found": 9, "left_out": [{"reason": "no picture", "count": 1, "examples": ["/home/me/x.txt"]}]},
        },
        "plugins": plugins,
    }
    write_object(run.run_file, facts)
    return run
