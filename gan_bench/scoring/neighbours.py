"""A run's samples beside the training samples nearest to them, so that copies can be seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from gan_bench.api.pictures import as_saved, to_uint8
from gan_bench.canonical import canonical_hash
from gan_bench.files import replace_file
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.scoring.samples import shuffled
from gan_bench.store.documents import write_object

ROWS = 8  # generated samples, the first ones
NEAREST = 5  # training samples beside each
SEARCHED = 10_000  # training samples at most, the first of the fixed shuffle: they bound time and memory
HELD_OUT = 1000  # samples at most that tell how far a fresh one is
BATCH = 100
GAP = 3  # pixels between a sample and its neighbours; 1 between pictures


def prepare_neighbours(evaluator: Evaluator) -> None:
    """Make what all snapshots share, and keep it in the cache."""
    if evaluator.data.spec.kind == "image":
        reference(evaluator)


def save_neighbours(folder: Path, samples: Tensor, evaluator: Evaluator) -> None:
    """Write neighbours.png and neighbours.json for the first of generated pictures (N, C, H, W) in [-1, 1]; none for points.

    Distances are Euclidean, in the features that scores are read from. A sample whose features are not finite has no row.
    """
    if evaluator.data.spec.kind != "image":
        return
    known = reference(evaluator)
    first = as_saved(samples[:ROWS])
    features = evaluator.extraction.extract(lambda: iter([first]))
    rows = features.isfinite().all(1).nonzero()[:, 0]
    distances, places = _distances(features[rows], known["features"]).topk(
        min(NEAREST, len(known["indices"])), largest=False
    )
    indices = known["indices"][places]
    facts = {
        "features": evaluator.extraction.features.protocol,
        "training": len(evaluator.data.training),
        "searched": len(known["indices"]),
        "held_out_median": known["held_out_median"],
        "rows": [
            {"sample": sample, "indices": nearest, "distances": far}
            for sample, nearest, far in zip(rows.tolist(), indices.tolist(), distances.tolist(), strict=True)
        ],
    }
    write_object(folder / "neighbours.json", facts)
    if len(rows):
        training = evaluator.data.training
        beside = training.batch(indices.flatten().to(training.device)).cpu().unflatten(0, indices.shape)
        picture = _picture(torch.cat([first[rows][:, None], beside], 1))
        replace_file(folder / "neighbours.png", lambda place: picture.save(place, format="PNG"))


def reference(evaluator: Evaluator) -> dict[str, Any]:
    """What all snapshots share, made once for a dataset and extractor.

    `indices` (S,) into the training part and `features` (S, d) of the samples searched; and `held_out_median`, the median
    distance of a held-out sample from its nearest one of these: what a fresh sample of the data has.
    """
    data = evaluator.data

    def compute() -> dict[str, Any]:
        chosen = shuffled(len(data.training))[:SEARCHED]
        fresh = shuffled(len(data.held_out))[:HELD_OUT]
        places = chosen.to(data.training.device)
        features = evaluator.extraction.extract(lambda: (data.training.batch(some) for some in places.split(BATCH)))
        others = evaluator.extraction.extract(lambda: (data.held_out.batch(some) for some in fresh.split(BATCH)))
        nearest = torch.cat([_distances(some, features).amin(1) for some in others.split(BATCH)])
        return {"indices": chosen, "features": features, "held_out_median": nearest.median().item()}

    key = canonical_hash([data.fingerprint, *evaluator.extraction.facts.values(), SEARCHED, HELD_OUT])
    return evaluator.kept(f"neighbours-{key[:20]}", compute)


def _distances(rows: Tensor, columns: Tensor) -> Tensor:
    """Euclidean distances (N, M), by differences: exact far from the origin and between equal samples."""
    return torch.cdist(rows.double(), columns.double(), compute_mode="donot_use_mm_for_euclid_dist")


def _picture(rows: Tensor) -> Image.Image:
    """(R, 1 + K, C, H, W) in [-1, 1] as one picture: each row a sample, a white gap, and its neighbours."""
    channels = 3 if rows.shape[2] >= 3 else 1  # as in a sample grid
    pixels = to_uint8(rows[:, :, :channels])
    count, columns, _, height, width = pixels.shape
    size = channels, count * (height + 1) - 1, columns * (width + 1) - 2 + GAP
    page = torch.full(size, 255, dtype=torch.uint8)
    for i in range(count):
        for j in range(columns):
            top, left = i * (height + 1), j * (width + 1) + (GAP - 1 if j else 0)
            page[:, top : top + height, left : left + width] = pixels[i, j]
    values = page.permute(1, 2, 0).numpy()
    return Image.fromarray(values if channels == 3 else values[:, :, 0])
