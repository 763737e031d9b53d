"""A run's best snapshot is scored once more, on other samples than those it was chosen by."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from small_runs import open_run
from stores import write_grid

from gan_bench.data.prepare import prepare
from gan_bench.grid import load_grid
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.scoring.samples import draw
from gan_bench.store.folder import load_sampled
from gan_bench.training.rescoring import score_best_again
from gan_bench.training.training import Training

CPU = torch.device("cpu")
STEPS = (4, 8, 12)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Cell, data and evaluator of the toy grid."""
    grid = load_grid(write_grid(tmp_path_factory.mktemp("grid")))
    cell = grid.cells[0]
    data = prepare(cell.dataset)
    metrics = [grid.registry.create("metric", {"name": name}) for name in ("fid", "kid")]
    extractor = grid.registry.create("features", grid.evaluate.of("image", labelled=True).features)
    return cell, data, Evaluator(data, metrics, extractor, 64, CPU)


def train(parts, folder: Path, steps=STEPS, keep: str = "all", finish: bool = True) -> Training:
    training = open_run(parts[0], steps, folder, parts[1], parts[2], keep=keep)
    for _ in training:
        pass
    if finish:
        score_best_again(training)
        training.finish()
    return training


def documents(folder: Path) -> dict[int, dict]:
    files = sorted(folder.glob("snapshots/step-*/scores.json"))
    return {int(file.parent.name[5:]): json.loads(file.read_text()) for file in files}


def test_each_metrics_best_is_scored_on_samples_of_its_own(parts, tmp_path):
    training = train(parts, tmp_path / "run")
    found = documents(tmp_path / "run")
    again = {score["label"]: (step, score) for step, own in found.items() for score in own.get("again", [])}
    labels = {score["label"] for score in found[4]["scores"]}
    assert again.keys() == labels
    for label, (step, score) in again.items():
        chosen = {at: next(s["value"] for s in own["scores"] if s["label"] == label) for at, own in found.items()}
        assert step == min(chosen, key=chosen.get)
        assert score["value"] != chosen[step]
        sampled = load_sampled(training.folder, step, training.recipe.sampled)
        samples = draw(sampled, training.latent, 64, 0, CPU, "evaluation of the best")
        assert score in parts[2].score(samples)
    assert sum("again" in own for own in found.values()) == len({step for step, _ in again.values()})


def test_it_is_made_before_weights_are_dropped_and_once(parts, tmp_path):
    train(parts, tmp_path / "all")
    train(parts, tmp_path / "last", keep="last")
    assert documents(tmp_path / "all").keys() == documents(tmp_path / "last").keys()
    for step, own in documents(tmp_path / "all").items():
        assert own.get("again") == documents(tmp_path / "last")[step].get("again")
    times = {file: file.stat().st_mtime_ns for file in (tmp_path / "last").glob("snapshots/*/scores.json")}
    train(parts, tmp_path / "last", keep="last")  # a finished run that is opened again
    assert times == {file: file.stat().st_mtime_ns for file in times}


def test_broken_off_it_is_made_by_the_next_command(parts, tmp_path, monkeypatch):
    train(parts, tmp_path / "whole")
    training = train(parts, tmp_path / "killed", finish=False)

    def kill(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(parts[2], "score", kill)
        with pytest.raises(KeyboardInterrupt):
            score_best_again(training)
    assert not (tmp_path / "killed" / "result.json").exists()
    train(parts, tmp_path / "killed")
    for step, own in documents(tmp_path / "whole").items():
        assert own.get("again") == documents(tmp_path / "killed")[step].get("again")


def test_a_longer_run_has_it_of_its_own_best_alone(parts, tmp_path):
    train(parts, tmp_path / "run", STEPS[:2])
    shutil.copytree(tmp_path / "run", tmp_path / "longer")
    train(parts, tmp_path / "longer")
    train(parts, tmp_path / "straight")
    for step, own in documents(tmp_path / "straight").items():
        longer = documents(tmp_path / "longer")[step]
        assert (own["scores"], own.get("again")) == (longer["scores"], longer.get("again"))
