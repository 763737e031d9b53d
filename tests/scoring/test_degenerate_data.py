"""Data and samples that have next to nothing in them: a score is refused with its reason, or is what its definition says."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from small_runs import CPU

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.kinds import Metric
from gan_bench.api.registry import Registry
from gan_bench.api.samples import PreparedData, Samples
from gan_bench.scoring.evaluator import Evaluator
from gan_bench_plugins.metrics.random_features import RandomFeatures

COUNT = 40
METRICS = [found.name for found in Registry.load().found if issubclass(found.cls, Metric)]


def noise(count: int, *shape: int) -> torch.Tensor:
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(count)) * 2 - 1


def data(training: torch.Tensor, held_out: torch.Tensor) -> PreparedData:
    """Pictures (N, C, H, W) or points (N, D) in [-1, 1], all of one class of two."""
    pictures = training.dim() == 4
    parts = [((part + 1) * 127.5).round().byte() if pictures else part for part in (training, held_out)]
    spec = DataSpec(tuple(training.shape[1:]), "image" if pictures else "points", ("a", "b"))
    samples = [Samples(part, torch.zeros(len(part), dtype=torch.long)) for part in parts]
    return PreparedData("data", spec, "fingerprint", Path(), *samples, (), "held out")


@pytest.fixture
def score(tmp_path):
    """Scores by all metrics of generated samples, and the remarks."""
    registry = Registry.load()

    def score(real: PreparedData, generated: torch.Tensor, features: str | None = "classifier", metrics=METRICS):
        small = {"name": "classifier", "steps": 2, "width": 2, "dimension": 4}
        extractor = registry.create("features", small) if features == "classifier" else RandomFeatures(width=2)
        made = [registry.create("metric", {"name": name}) for name in metrics]
        evaluator = Evaluator(real, made, extractor, len(generated), CPU, tmp_path, against_training=True)
        evaluator.prepare()
        return {score["label"].split("[")[0]: score for score in evaluator.score(generated)}, evaluator.remarks()

    return score


@pytest.mark.parametrize("shape", [(1, 16, 16), (2,), (1,)])
@pytest.mark.parametrize("broken", [1, COUNT])
def test_no_score_of_samples_that_are_not_finite(score, shape, broken):
    generated = noise(COUNT, *shape)
    generated[:broken] = math.nan
    scores, _ = score(data(noise(60, *shape), noise(30, *shape)), generated)
    for label, found in scores.items():
        assert found["value"] is None, label
        known = f"{broken} of {COUNT}" in found["error"] and "not finite" in found["error"]
        assert known or "dataset data" in found["error"] or "ms_ssim takes pictures" in found["error"], found["error"]


def test_of_equal_pictures_only_equal_ones_are_real(score):
    grey = torch.zeros(60, 1, 16, 16)
    same, remarks = score(data(grey, grey[:30]), grey[:COUNT])
    other, _ = score(data(grey, grey[:30]), noise(COUNT, 1, 16, 16))
    assert [same[name]["value"] for name in ("FD", "precision", "recall", "memorization")] == [0, 1, 1, 0.5]
    assert other["precision"]["value"] == 0
    for name in ("density", "coverage"):
        assert same[name]["error"] == "each of the 30 real samples has 5 others equal to it, so no ball has a size"
    equal = "those of all 30 held-out samples are equal, so that scores tell next to nothing. Take other features."
    assert f"features classifier: {equal}" in remarks


def test_two_samples_held_out(score):
    scores, remarks = score(data(noise(60, 2), noise(2, 2)), noise(COUNT, 2))
    refused = {name for name, found in scores.items() if found["value"] is None}
    assert refused >= {"KID", "precision", "recall", "density", "coverage"}
    assert all(math.isfinite(found["value"]) for name, found in scores.items() if name not in refused)
    assert any("2 held-out samples are too few" in remark for remark in remarks)


def test_one_training_sample_is_no_score_against_training_data_and_said(score):
    scores, remarks = score(data(noise(1, 2), noise(30, 2)), noise(COUNT, 2), "random", ["fid", "memorization"])
    assert scores["FD"]["value"] > 0
    assert scores["FD"]["against_training"]["value"] is None
    why = "a covariance needs at least 2 real samples, not 1"
    assert remarks == [f"FD[random]: no score against training data: {why}"]


def test_a_number_beyond_all_use_is_none(score):
    scores, _ = score(data(noise(60, 2), noise(30, 2)), 1e30 * noise(COUNT, 2), "random", ["fid", "kid"])
    assert scores["FD"]["value"] > 1e50
    assert scores["KID"]["value"] is None
    assert scores["KID"]["error"].startswith("kid is ")


def test_labels_of_one_class_are_told(score):
    _, remarks = score(data(noise(60, 2), noise(30, 2)), noise(COUNT, 2), metrics=["kid"])
    assert len(remarks) == 1
    assert remarks[0].startswith(
        "features classifier: the classifier gets 0% of 30 held-out samples right, and can't be told from one"
    )
