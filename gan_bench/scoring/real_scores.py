"""Scores of real training data: the floor that a report shows, and the proof that a grid's metrics can be computed at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from gan_bench.api.pictures import ROW, row_classes
from gan_bench.api.samples import PreparedData
from gan_bench.console import tell
from gan_bench.grid import Grid
from gan_bench.grid.source import Fault
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.scoring.sample_grid import save_grid
from gan_bench.scoring.samples import GRID_SAMPLES, POINTS, shuffled
from gan_bench.store.documents import Score, ScoresDocument, read_or_fault, write_object
from gan_bench.store.places import REAL, REAL_CLASSES
from gan_bench.store.state import is_picture

NOT_FINITE = (" is nan", " is inf", " is -inf")  # how the errors of such scores end
CHANGE = 0.1  # of each value of a real sample that is taken over again, as a standard deviation


def score_real_data(
    grid: Grid, store: Path, data: Mapping[str, PreparedData], evaluators: Mapping[str, Evaluator], console: Console
) -> None:
    """Write the real data's samples and scores into the store, for each dataset, and tell what is amiss with them.

    GanBenchError: metrics can be computed of none of them, so that they could of no generator's samples either.
    """
    metrics = next(iter(evaluators.values())).metrics
    refused: dict[int, list[str]] = {index: [] for index in range(len(metrics))}  # of which data, and why
    amiss: list[str] = []
    for key, evaluator in evaluators.items():
        of, remarks = data[key], evaluator.remarks()
        place = evaluator.data if grid.half == "selection" else of  # reports show what tests, not what selects
        floor = _scores(store, place, evaluator, grid.conditional, remarks, console)
        ever = _possible(of, evaluator, floor)
        amiss += [f"{of.name}: {remark}" for remark in remarks]
        for index, metric in enumerate(metrics):
            own = _own(evaluator, index)
            why, lasting = _refusal(own, floor), _refusal(own, ever)
            if why and lasting:
                refused[index].append(f"of {of.name}: {lasting}")
            elif why:
                amiss.append(
                    f"{metric.name} has no floor of {of.name}'s {len(of.whole.training):,} training samples: {why}"
                )
            else:
                without = [score for score in floor if score.protocol_id in own and score.value is None]
                amiss += [f"{s.label} of {of.name}'s training samples has no value: {s.error}" for s in without]
    rules = {
        index: f"{metrics[index].name} can't be computed {'; '.join(why)}" for index, why in refused.items() if why
    }
    # What nobody has named and tests nothing need not stop a grid: it has no value then, and the warning says why.
    asked = {index for index in refused if grid.evaluate.metrics or not metrics[index].reads_labels}
    if lost := [index for index in asked if len(refused[index]) == len(evaluators)]:
        path = ("evaluate", "metrics", *(lost if len(lost) == 1 else ()))
        cure = _cure([data[key] for key in evaluators], grid.evaluate.samples)
        raise grid.source.error(Fault("; ".join(rules[index] for index in lost), path, cure=cure))
    for warning in (*amiss, *rules.values()):
        console.print(f"Warning: {warning}", style="yellow")


def _scores(
    store: Path, data: PreparedData, evaluator: Evaluator, conditional: bool, remarks: list[str], console: Console
) -> list[Score]:
    folder = store / "real" / data.fingerprint[:12]
    document, faults = read_or_fault(folder / "scores.json", ScoresDocument, "it is written again")
    tell(faults, console)
    document = document or ScoresDocument()
    known = {(score.label, score.protocol_id) for score in document.scores}
    facts = document.as_json()
    if not all(is_picture(folder / name) for name in REAL):
        save_real(folder, data)
    if conditional and data.spec.kind == "image" and not is_picture(folder / REAL_CLASSES):
        save_classes(folder, data)
    if known != evaluator.columns():
        facts = {"scores": evaluator.score_training_data(), "time": evaluator.seconds}
    elif document.remarks == remarks:
        return document.scores
    write_object(folder / "scores.json", {**facts, "remarks": remarks})
    return _read(facts["scores"])


def _read(scores: list[dict[str, Any]]) -> list[Score]:
    return [Score.model_validate(score) for score in scores]


def _possible(data: PreparedData, evaluator: Evaluator, floor: list[Score]) -> list[Score]:
    """The floor's scores; where it rests on fewer samples than a generator will make and a metric refuses them, of as many."""
    training = data.whole.training
    if len(training) >= evaluator.count or not any(
        _refusal(_own(evaluator, index), floor) for index in range(len(evaluator.metrics))
    ):
        return floor
    chosen = shuffled(len(training))[torch.arange(evaluator.count) % len(training)]
    real, labels = training.batch(chosen), None if training.labels is None else training.labels[chosen].cpu()
    # The same ones over again, no two of them equal: a metric may refuse copies.
    some = real + CHANGE * torch.randn(real.shape, generator=torch.Generator().manual_seed(0))
    return _read(evaluator.score(some.clamp(-1, 1) if data.spec.kind == "image" else some, ("held_out",), labels))


def _own(evaluator: Evaluator, index: int) -> set[str]:
    """Protocols of a metric's numbers."""
    return {one.protocol_id for one in evaluator.scored() if one.place[0] == index}


def _refusal(protocols: set[str], scores: list[Score]) -> str:
    """Why a metric has no number at all; "" where it has one, or where samples that are real may be what makes it infinite."""
    own = [score for score in scores if score.protocol_id in protocols]
    errors = [str(score.error) for score in own if score.value is None]
    told = len(errors) < len(own) or any(error.endswith(NOT_FINITE) for error in errors)
    return "" if told else "; ".join(dict.fromkeys(errors))


def _cure(data: Iterable[PreparedData], samples: int) -> str:
    sizes = ", ".join(f"{of.name} has {len(of.training):,} and {len(of.held_out):,}" for of in data)
    return (
        f"Take another metric, or more samples where they are too few: {samples:,} are generated (evaluate.samples); "
        f"to train on and held out, {sizes}."
    )


def save_real(folder: Path, data: PreparedData) -> None:
    """Write a sample grid of each part of real data, the first of a fixed shuffle."""
    for name, part in zip(REAL, (data.held_out, data.training), strict=True):
        some = shuffled(len(part))[:POINTS]
        save_grid(part.batch(some if data.spec.kind == "points" else some[:GRID_SAMPLES]), folder / name)


def save_classes(folder: Path, data: PreparedData) -> None:
    """Write a sample grid of held-out pictures with a row for each of `row_classes`; it is white where a class has too few."""
    part, labels = data.held_out, data.held_out.labels
    if labels is None:
        return
    order = shuffled(len(part))
    rows = []
    for label in row_classes(len(data.spec.classes or ())):
        own = part.batch(order[labels.cpu()[order] == label][:ROW])
        rows.append(torch.cat([own, own.new_ones(ROW - len(own), *data.spec.shape)]))
    save_grid(torch.cat(rows), folder / REAL_CLASSES)
