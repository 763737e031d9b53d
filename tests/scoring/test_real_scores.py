"""Metrics that no samples of some data could ever have stop a grid before it trains; what is amiss with others is told."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from stores import gan_bench

from gan_bench.commands.run import prepare_evaluators
from gan_bench.findings.tables import load
from gan_bench.grid import load_grid
from gan_bench.planning.datasets import prepare_data
from gan_bench.scoring.real_scores import score_real_data
from gan_bench.store.documents import ScoresDocument, read_object, write_object
from gan_bench_reports.page import write_report

GRID = """
name = "few"
dataset = { name = "folder", root = "pictures", size = 16, channels = 1, held_out = HELD_OUT }
architecture = { name = "fcgan", width = 8, depth = 1, latent = 4 }
seeds = [0]
steps = 4
batch_size = 4
plugins = ["odd.py"]

[evaluate]
snapshots = 2
metrics = METRICS
features = { name = "random", width = 2 }
samples = 40
"""

ODD = '''
import torch

from gan_bench import Metric, Number, hookimpl


class Odd(Metric):
    """One number that is never finite, and one that is."""

    name = "odd"
    numbers = {"lost": Number(), "kept": Number()}

    def score(self, generated, real):
        return {"lost": float("nan"), "kept": 1.0}


class Picky(Metric):
    """Takes no sample twice."""

    name = "picky"
    reads = "samples"

    def score(self, generated, real):
        if len(generated) < 20 or len(generated.unique(dim=0)) < len(generated):
            raise ValueError("twenty different samples are needed")
        return 1.0


@hookimpl
def gan_bench_metrics():
    return [Odd, Picky]
'''


@pytest.fixture
def few(tmp_path):
    """Run a grid on so many pictures, of which so many are held out; returns all that is printed.

    Without an exit code, up to where it would train.
    """

    def few(
        metrics: list, training: int, held_out: int, code: int | None = None, change: tuple[str, str] = ("", "")
    ) -> str:
        (tmp_path / "pictures").mkdir()
        (tmp_path / "odd.py").write_text(ODD)
        random = np.random.default_rng(0)
        for i in range(training + held_out):
            picture = Image.fromarray(random.integers(0, 256, (16, 16), dtype=np.uint8))
            picture.save(tmp_path / "pictures" / f"{i:02d}.png")
        share = held_out / (training + held_out)
        text = GRID.replace("HELD_OUT", f"{share:.4f}").replace("METRICS", json.dumps(metrics))
        (tmp_path / "grid.toml").write_text(text.replace(*change) if change[0] else text)
        if code is None:
            grid, console = load_grid(tmp_path / "grid.toml"), Console(file=io.StringIO(), width=500)
            data = prepare_data(grid, console)
            score_real_data(grid, tmp_path, data, prepare_evaluators(grid, data, "cpu", console), console)
            return console.file.getvalue()  # type: ignore[attr-defined]
        return " ".join(gan_bench("run", "grid.toml", cwd=tmp_path, code=code).stderr.split())

    return few


ALL = ["fid", "fid_inf", "kid", "precision_recall", "density_coverage"]


@pytest.mark.slow
def test_a_grid_whose_every_metric_is_refused_stops_before_it_trains(few, tmp_path):
    said = few(ALL, training=9, held_out=1, code=2)
    assert said.startswith(
        "Error: grid.toml:12: evaluate.metrics: fid can't be computed of folder: a covariance needs"
    ), said
    for metric, why in zip(ALL, ("2 real samples", "2 real", "20 real", "4 real", "6 real"), strict=True):
        assert f"{metric} can't be computed of folder: " in said
        assert f"at least {why}" in said
    assert "40 are generated (evaluate.samples); to train on and held out, folder has 9 and 1." in said
    assert not (tmp_path / "runs" / "few" / "runs").exists()


@pytest.mark.parametrize(
    ("metric", "training", "held_out", "samples"),
    [("fid", 9, 1, 40), ("kid", 30, 19, 40), ("kid", 30, 30, 19), ("kid", 10, 30, 19), ("precision_recall", 2, 2, 40)],
)
def test_a_metric_that_no_generator_could_have_is_refused_beside_others(few, metric, training, held_out, samples):
    said = few(["duplicates", metric], training, held_out, 2, ("samples = 40", f"samples = {samples}"))
    assert said.startswith(f"Error: grid.toml:12: evaluate.metrics[1]: {metric} can't be computed of folder: "), said


@pytest.mark.parametrize(
    ("metric", "training"), [("kid", 19), ("precision_recall", 3), ("ms_ssim", 3), ("fid", 1), ("picky", 19)]
)
def test_one_that_only_lacks_real_samples_for_the_floor_is_not(few, metric, training):
    said = few([metric], training=training, held_out=20)
    assert f"Warning: {metric} has no floor of folder's {training} training samples: " in said


@pytest.mark.slow
def test_and_has_values_once_it_is_trained(few, tmp_path):
    assert "finished" in few(["kid", "precision_recall"], training=3, held_out=20, code=0)
    assert load(tmp_path / "runs" / "few").snapshots["value"].notna().all()


@pytest.mark.slow
def test_a_number_of_real_samples_that_is_not_finite_is_told_before_training(few):
    said = few(["odd"], training=60, held_out=20, code=0)
    assert "Warning: lost[random] of folder's training samples has no value: lost is nan" in said
    assert "kept[random] of" not in said
    assert said.count("lost[random] has no value at step 2: lost is nan") == 1, "once, at the first snapshot of two"
    assert said.count("lost[random] has no value at 2 of 2 snapshots") == 1
    assert "kept[random] has" not in said


@pytest.mark.slow
def test_too_few_samples_for_a_covariance_are_told_before_training_and_in_the_report(few, tmp_path):
    said = few(["fid", "kid"], training=60, held_out=20, code=0, change=("width = 2", "width = 5"))  # 20 features
    remark = "FD[random]: 20 held-out samples are too few for the covariance of 20 features, so that the distance is "
    assert said.index(f"Warning: folder: {remark}") < said.index("from step 0")
    store = tmp_path / "runs" / "few"
    assert load(store).remarks[0].startswith(f"folder: {remark}")
    write_report([store], store / "report.html")
    assert f"folder: {remark}" in (store / "report.html").read_text()


@pytest.mark.parametrize(
    ("metric", "held_out", "samples", "told"),
    [
        ("fid", 21, 40, ""),
        ("fid", 21, 20, "20 generated samples are"),
        ("fid", 20, 20, "20 generated and 20 held-out samples are"),
        ("fid_inf", 30, 200, "20 generated samples are"),  # the smallest of its subsets
        ("fid_inf", 30, 210, ""),
        ("kid", 20, 20, ""),
    ],
)
def test_remarks_on_a_covariance(few, metric, held_out, samples, told):
    said = few(
        [metric], 300 - held_out, held_out, change=("width = 2 }\nsamples = 40", f"width = 5 }}\nsamples = {samples}")
    )
    assert told in said if told else "Warning" not in said


def test_a_remark_comes_back_where_the_store_has_none(few, tmp_path):
    few(["fid"], training=60, held_out=20, change=("width = 2", "width = 5"))
    (file,) = tmp_path.glob("real/*/scores.json")
    kept = read_object(file, ScoresDocument)
    write_object(
        file, {name: value for name, value in kept.as_json().items() if name != "remarks"}
    )  # as earlier versions wrote it
    grid, console = load_grid(tmp_path / "grid.toml"), Console(file=io.StringIO())
    data = prepare_data(grid, console)
    score_real_data(grid, tmp_path, data, prepare_evaluators(grid, data, "cpu", console), console)
    assert read_object(file, ScoresDocument) == kept
