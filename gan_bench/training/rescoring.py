"""Scores made of kept weights: by another protocol, of what was damaged or lost, and of best snapshots once more."""

from __future__ import annotations

import copy
import math

from gan_bench.errors import GanBenchError
from gan_bench.scoring.samples import draw, draw_labels
from gan_bench.store.curves import read_windows
from gan_bench.store.documents import FileFault, write_object
from gan_bench.store.folder import load_sampled
from gan_bench.store.places import WEIGHTS
from gan_bench.training.snapshots import best_columns, draw_samples, write_picture, write_scores
from gan_bench.training.training import Training


def rescore(training: Training) -> bool:
    """Score from their weights the snapshots whose scores follow another protocol than is wanted now, or are damaged.

    False: weights that are needed for it are damaged, so that only training again can make them. The weights of a run that
    was trained further than is asked now are set aside, and its old scores stay. `training.warnings` says so.
    """
    folder, wanted = training.folder, training.evaluator.columns(training.recipe.conditional)
    for shot in folder.read().snapshots:
        step, damaged = shot.step, shot.spoiled
        if step > training.loop.steps:
            break  # those are taken again
        outdated = step in training.snapshot_steps and shot.columns != wanted
        if not (damaged or outdated) or not shot.has_weights:
            continue
        try:
            with training.recipe.as_of(step):
                sampled = load_sampled(folder, step, copy.deepcopy(training.recipe.sampled))
        except GanBenchError as error:
            if training.loop.steps <= training.total_steps:
                wrong = str(error.__cause__ or error).partition("\n")[0]
                training.warnings.append(FileFault(shot.weights, wrong, "the run trains again from the start"))
                return False
            training.warnings.append(FileFault(shot.weights, str(error), "its old scores stay"))
            folder.forget_weights(step)
            continue
        place = folder.snapshot(step)
        with training.recipe.as_of(step), training.evaluating():
            asked = (training.latent, training.seed, training.evaluator, training.recipe.draw_labels)
            samples = draw_samples(training.recipe.sampler(sampled), *asked)
            if "samples.png" in damaged:
                write_picture(place, samples)
            if outdated or "scores.json" in damaged:
                found = shot.document if "scores.json" not in damaged else None
                facts = found.as_json() if found else _moment(training, step)
                facts.pop("again", None)  # of the other protocol
                write_scores(place, samples, training.evaluator, facts)
    return True


def score_best_again(training: Training) -> None:
    """Score each metric's best snapshot on other samples than those that it was chosen by, for these flatter it.

    A snapshot whose weights were not kept, or are damaged, goes without.
    """
    folder, evaluator = training.folder, training.evaluator
    best = best_columns(folder)
    for step in folder.snapshot_steps():
        scores, wanted = folder.scores(step).as_json(), best.get(step, set())
        found = scores.pop("again", [])
        again = [score for score in found if score["protocol_id"] in wanted]  # others were best when it was shorter
        if len(again) < len(wanted) and folder.has_weights(step):
            try:
                with training.recipe.as_of(step):
                    sampled = load_sampled(folder, step, copy.deepcopy(training.recipe.sampled))
            except GanBenchError as error:
                file, without = folder.snapshot(step) / WEIGHTS, "its best scores are those of its choice"
                training.warnings.append(FileFault(file, str(error), without))
                folder.forget_weights(step)
                continue
            with training.recipe.as_of(step), training.evaluating():
                network, recipe = training.recipe.sampler(sampled), training.recipe
                asked = (evaluator.count, training.seed, training.device, "evaluation of the best")
                labels = draw_labels(recipe.draw_labels, *asked)
                samples = draw(network, training.latent, *asked, labels)
                scored = evaluator.score(samples, ("held_out",), labels, wanted)
                again = [score for score in scored if score["protocol_id"] in wanted]
        if again != found:
            write_object(folder.snapshot(step) / "scores.json", scores | ({"again": again} if again else {}))


def _moment(training: Training, step: int) -> dict[str, object]:
    """What a snapshot's scores.json says beside its scores. Its seconds are those of the window before it."""
    recipe = training.recipe
    d_steps = step * (recipe.d_steps - 1) + math.ceil(step / recipe.g_per_d)
    rows = [row for row in read_windows(training.folder.curves_file) if row["step"] <= step]
    return {
        "step": step,
        "d_steps": d_steps,
        "images": d_steps * training.batch_size,
        "seconds": rows[-1]["seconds"] if rows else 0.0,
        "precision": training.cell.precision,
    }
