"""Scores of real training data: the floor that a report shows, and the proof that a grid's metrics can be computed at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from gan_bench.api.kinds import Metric
from gan_bench.api.samples import PreparedData
from gan_bench.console import tell
from gan_bench.grid import Grid
from gan_bench.grid.source import Fault
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.scoring.sample_grid import save_grid
from gan_bench.scoring.samples import GRID_SAMPLES, POINTS, shuffled
from gan_bench.store.documents import Score, ScoresDocument, read_or_fault, write_object
from gan_bench.store.state import is_picture

NOT_FINITE = (" is nan", " is inf", " is -inf")  # how the errors of such scores end


def score_real_data(
    grid: Grid, store: Path, data: Mapping[str, PreparedData], evaluators: Mapping[str, Evaluator], console: Console
) -> None:
    """Write the real data's samples and scores into the store, for each dataset.

    GanBenchError: a metric can be computed of none of them, so that it could of no generator's samples either.
    """
    found = {key: _scores(store, data[key], evaluator, console) for key, evaluator in evaluators.items()}
    for index, metric in enumerate(next(iter(evaluators.values())).metrics):
        refusals = {key: refusal for key, scores in found.items() if (refusal := _refusal(metric, scores))}
        # Of fewer samples than asked for, a metric may refuse what it will not of the generator's.
        enough = all(len(data[key].training) >= evaluators[key].count for key in refusals)
        told = "; ".join(f"of {data[key].name}: {refusal}" for key, refusal in refusals.items())
        rule = f"{metric.name} can't be computed {told}"
        if len(refusals) == len(found) and enough:
            raise grid.source.error(Fault(rule, ("evaluate", "metrics", index)))
        if refusals:
            console.print(f"Warning: {rule}", style="yellow")


def _scores(store: Path, data: PreparedData, evaluator: Evaluator, console: Console) -> list[Score]:
    folder = store / "real" / data.fingerprint[:12]
    document, faults = read_or_fault(folder / "scores.json", ScoresDocument, "it is written again")
    tell(faults, console)
    scores = document.scores if document else []
    known = {(score.label, score.protocol_id) for score in scores}
    if known != evaluator.columns() or not is_picture(folder / "samples.png"):
        save_real(folder, data)
        facts = evaluator.score_training_data()
        write_object(folder / "scores.json", {"scores": facts, "time": evaluator.seconds})
        scores = [Score.model_validate(score) for score in facts]
    return scores


def _refusal(metric: Metric, scores: list[Score]) -> str:
    """Why a metric has no number at all; "" where it has one, or where samples that are real may be what makes it infinite."""
    own = [score for score in scores if metric.settings().items() <= score.protocol.get("metric", {}).items()]
    errors = [str(score.error) for score in own if score.value is None]
    told = len(errors) < len(own) or any(error.endswith(NOT_FINITE) for error in errors)
    return "" if told else "; ".join(dict.fromkeys(errors))


def save_real(folder: Path, data: PreparedData) -> None:
    """Write a sample grid of real data, the first of a fixed shuffle of the held-out part."""
    some = shuffled(len(data.held_out))[:POINTS]
    save_grid(data.held_out.batch(some if data.spec.kind == "points" else some[:GRID_SAMPLES]), folder / "samples.png")
