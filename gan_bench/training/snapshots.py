"""Snapshots of a run: how one is written, which of them are best, and whose weights are kept."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gan_bench.api.pictures import ROW, row_classes
from gan_bench.files import write_tensors
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.scoring.neighbours import save_neighbours
from gan_bench.scoring.sample_grid import save_grid
from gan_bench.scoring.samples import GRID_SAMPLES, Generated, Labels, draw, draw_labels
from gan_bench.store.documents import write_object
from gan_bench.store.folder import RunFolder
from gan_bench.store.places import WEIGHTS


def draw_samples(network: nn.Module, latent: int, seed: int, evaluator: Evaluator, labels: Labels) -> Generated:
    """Samples of a snapshot, as many as are scored or shown, of the classes that `labels` draws, if any."""
    count, device, spec = max(evaluator.count, GRID_SAMPLES), evaluator.device, evaluator.data.spec
    own, rows = draw_labels(labels, count, seed, device), None
    if own is not None and spec.kind == "image":
        row = torch.tensor(row_classes(len(spec.classes or ()))).repeat_interleave(ROW)
        rows = draw(network, latent, len(row), seed, device, labels=row)
    return Generated(draw(network, latent, count, seed, device, labels=own), own, rows)


def write_snapshot(
    place: Path, network: nn.Module, generated: Generated, evaluator: Evaluator, facts: dict[str, Any]
) -> list[dict[str, Any]]:
    """Write the picture, the weights and the scores of samples into a snapshot's folder; returns the scores."""
    write_picture(place, generated)
    write_tensors(place / WEIGHTS, network.state_dict())
    return write_scores(place, generated, evaluator, facts)


def write_picture(place: Path, generated: Generated) -> None:
    """Write samples.png."""
    save_grid(generated.shown, place / "samples.png")


def write_scores(
    place: Path, generated: Generated, evaluator: Evaluator, facts: dict[str, Any]
) -> list[dict[str, Any]]:
    """Score samples and write scores.json, which begins with `facts`, after their nearest training samples."""
    samples, count = generated.samples, evaluator.count
    labels = None if generated.labels is None else generated.labels[:count]
    diversity, scores = evaluator.diversity(samples), evaluator.score(samples[:count], labels=labels)
    save_neighbours(place, samples, evaluator)
    found = {"diversity": diversity, "scores": scores, "time": evaluator.seconds}
    write_object(place / "scores.json", facts | found)
    return scores


def best_columns(folder: RunFolder) -> dict[int, set[str]]:
    """The snapshots that have the best value of some score, and the protocols of those that they are best by."""
    best: dict[str, tuple[float, int]] = {}
    for step in folder.snapshot_steps():
        for score in folder.scores(step).scores:
            if score.value is not None:
                badness, column = score.value * (1 if score.better == "lower" else -1), score.protocol_id
                best[column] = min(best.get(column, (math.inf, step)), (badness, step))
    columns: dict[int, set[str]] = {}
    for column, (_, step) in best.items():
        columns.setdefault(step, set()).add(column)
    return columns


def unscored(folder: RunFolder) -> Counter[str]:
    """At how many snapshots each score has no value, by label."""
    scores = (score for step in folder.snapshot_steps() for score in folder.scores(step).scores)
    return Counter(score.label for score in scores if score.value is None)


def drop_weights(folder: RunFolder, keep: str) -> None:
    """Delete the weights of snapshots that `[evaluate] keep` does not want."""
    steps = folder.snapshot_steps()
    kept = set(steps) if keep == "all" else {steps[-1]}
    if keep == "best+last":
        kept |= best_columns(folder).keys()
    for step in set(steps) - kept:
        folder.drop_weights(step)
