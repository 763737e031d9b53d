"""What numbers are measured against on these data: alarms against real training data's scores, kernels against features' size."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small_runs import CPU
from torch import nn

from gan_bench.api.kinds import FeatureExtractor
from gan_bench.api.network_features import NetworkFeatures
from gan_bench.api.samples import PreparedData, Samples
from gan_bench.data.prepare import prepare
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.store.documents import Score
from gan_bench.training.diagnosis import Record, diagnose
from gan_bench_plugins.datasets.digits import Digits
from gan_bench_plugins.metrics.class_coverage import ClassCoverage
from gan_bench_plugins.metrics.density_coverage import DensityCoverage
from gan_bench_plugins.metrics.fid import FrechetDistance
from gan_bench_plugins.metrics.kid import KernelDistance
from gan_bench_plugins.metrics.memorization import Memorization
from gan_bench_plugins.metrics.pixels import Pixels
from gan_bench_plugins.metrics.precision_recall import PrecisionRecall


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> PreparedData:
    """scikit-learn's digits at 8x8."""
    return prepare(Digits(size=8), tmp_path_factory.mktemp("digits"))


class Enlarged(FeatureExtractor):
    """The samples' own numbers, so many times as large, under another name."""

    name = "enlarged"
    times: float = 1.0
    called: str = "enlarged"
    classes: bool = False

    def prepare(self, data, cache, device):
        class Larger(nn.Module):
            def forward(inner, samples):
                return self.times * samples.flatten(1)

        head = nn.Linear(data.spec.numel, 10) if self.classes else None
        return NetworkFeatures(Larger(), self.called, data.spec, device, data.spec.numel, {"times": self.times}, head)


def part(data: Samples, places: slice) -> Samples:
    return Samples(data.data[places], None if data.labels is None else data.labels[places])


def health(evaluator: Evaluator, generated: torch.Tensor) -> list[str]:
    """Diagnoses of a run whose last two snapshots have these samples, as its files tell them."""
    scores = [Score.model_validate(score).model_dump() for score in evaluator.score(generated)]
    rows = [{"step": 25 * (i + 1)} for i in range(40)]
    return [d.name for d in diagnose(Record(rows, [{"step": step, "scores": scores} for step in (500, 1000)]))]


@pytest.mark.parametrize("held_out", [180, 360])  # a fifth or a third of the training samples
@pytest.mark.parametrize("shifted", [False, True])
def test_memorising_sounds_for_a_copier_of_all_training_data_and_not_for_new_samples(
    digits, tmp_path, held_out, shifted
):
    """Also where held-out data are unlike training data, so that whatever is made as these is lies nearer to them."""
    training, new = part(digits.training, slice(0, 1000)), part(digits.training, slice(1000, None))
    others = part(digits.held_out, slice(0, held_out))
    if shifted:
        others = Samples((others.data * 0.9).byte(), others.labels)
    data = replace(digits, training=training, held_out=others, fingerprint=f"{held_out} {shifted}")
    evaluator = Evaluator(data, [Memorization()], Pixels(), 1000, CPU, tmp_path)
    (copied,) = evaluator.score_training_data()
    (alarm,) = (score["alarm"] for score in evaluator.score(new.batch(torch.arange(len(new)))))
    assert alarm["usual"] < alarm["threshold"] < copied["value"] == alarm["real"]
    if not shifted:
        assert copied["value"] == pytest.approx(0.5 + held_out / 2000, abs=0.03), "far from 0.75"
    assert health(evaluator, training.batch(torch.arange(1000))) == ["memorising"]
    assert health(evaluator, new.batch(torch.arange(len(new)))) == []


def test_a_copier_of_no_more_training_than_held_out_data_scores_one(digits, tmp_path):
    data = replace(digits, training=part(digits.training, slice(0, 300)), fingerprint="few")
    evaluator = Evaluator(data, [Memorization()], Pixels(), 300, CPU, tmp_path)
    (score,) = evaluator.score(data.training.batch(torch.arange(300)))
    assert score["value"] == score["alarm"]["real"] == 1
    assert (score["alarm"]["usual"], score["alarm"]["threshold"]) == (0.5, 0.75)


def test_lost_diversity_is_measured_against_real_data(digits, tmp_path):
    metrics = [DensityCoverage(), PrecisionRecall()]
    evaluator = Evaluator(digits, metrics, Enlarged(classes=True), 400, CPU, tmp_path)
    real = {score["label"]: score["value"] for score in evaluator.score_training_data()}
    every = digits.training.batch(torch.arange(400))
    scores = {score["label"]: score for score in evaluator.score(every)}
    for label in ("coverage[enlarged]", "recall[enlarged]"):
        assert scores[label]["alarm"]["threshold"] == pytest.approx(0.1 * real[label])
        assert scores[label]["alarm"]["real"] == real[label] > 0.8
    assert "alarm" not in scores["precision[enlarged]"]
    assert health(evaluator, every) == []
    ones = digits.training.batch((digits.training.labels == 1).nonzero()[:40, 0])
    noise = 0.02 * torch.randn(400, *ones.shape[1:], generator=torch.Generator().manual_seed(0))
    assert health(evaluator, ones.repeat(10, 1, 1, 1) + noise) == ["lost diversity"]


def test_recall_has_no_alarm_where_features_tell_no_classes(digits, tmp_path):
    """A healthy DCGAN's recall of pixels is 0.01 to 0.07 on digits, where real data have 0.88."""
    evaluator = Evaluator(digits, [PrecisionRecall()], Pixels(), 100, CPU, tmp_path)
    assert all("alarm" not in score for score in evaluator.score(digits.training.batch(torch.arange(100))))


def test_what_real_data_score_is_computed_once(digits, tmp_path, monkeypatch):
    generated = digits.held_out.batch(torch.arange(100))
    first = Evaluator(digits, [DensityCoverage()], Pixels(), 100, CPU, tmp_path)
    first.prepare()
    scores = first.score(generated)
    monkeypatch.setattr(Evaluator, "score_training_data", None)  # calling it would fail
    assert Evaluator(digits, [DensityCoverage()], Pixels(), 100, CPU, tmp_path).score(generated) == scores


def test_a_number_that_real_data_do_not_have_has_no_alarm(digits, tmp_path):
    data = replace(digits, training=part(digits.training, slice(0, 3)), fingerprint="three")
    recall = Evaluator(data, [PrecisionRecall()], Enlarged(classes=True), 50, CPU, tmp_path).score(
        digits.held_out.batch(torch.arange(50))
    )[1]
    assert recall["value"] > 0
    assert "alarm" not in recall
    features = Enlarged(classes=True).prepare(digits, tmp_path, CPU)
    assert PrecisionRecall().alarm_of("recall", 0.0, digits, features) is None, "nor where they have none themselves"
    assert PrecisionRecall().alarm_of("recall", 0.5, digits, features).threshold == 0.05


def test_kid_does_not_depend_on_the_size_of_features_but_for_inceptions(digits, tmp_path):
    generated = 0.7 * digits.training.batch(torch.arange(300))

    def scored(times: float, called: str) -> dict:
        evaluator = Evaluator(
            digits, [KernelDistance(), FrechetDistance()], Enlarged(times=times, called=called), 300, CPU, tmp_path
        )
        kid, fid = evaluator.score(generated)
        assert "scale" not in fid["protocol"]
        return kid

    small, large = scored(0.01, "enlarged"), scored(100, "enlarged")
    assert large["value"] == pytest.approx(small["value"], rel=1e-3)
    assert large["standard_error"] == pytest.approx(small["standard_error"], rel=1e-3)
    assert small["label"] == "KID[enlarged]"
    assert small["protocol"]["scale"] == "features divided by the root mean square of the held-out data's"
    published = scored(3, "inception-2048")
    assert published["label"] == "KID"
    assert "scale" not in published["protocol"]
    metric, features = KernelDistance(), Enlarged(times=3).prepare(digits, tmp_path, CPU)
    real = torch.cat([features(some) for some in digits.held_out.batches(100)])
    assert published["value"] == pytest.approx(metric.score(features(generated), metric.reference(real)).value)
    assert published["value"] > 2 * small["value"]


def test_parts_drawn_by_class_are_remarked(digits, tmp_path):
    def remarks(data: PreparedData) -> list[str]:
        evaluator = Evaluator(data, [ClassCoverage()], Enlarged(classes=True), 1000, CPU, tmp_path)
        return evaluator.remarks()

    (remark,) = remarks(digits)
    assert "drawn class by class" in remark
    assert "1,000 samples drawn at random would have 0.017" in remark
    every = Samples(
        torch.cat([digits.training.data, digits.held_out.data]),
        torch.cat([digits.training.labels, digits.held_out.labels]),
    )
    for seed in range(5):
        order = torch.randperm(len(every), generator=torch.Generator().manual_seed(seed))
        mixed = Samples(every.data[order], every.labels[order])
        parts = {"training": part(mixed, slice(360, None)), "held_out": part(mixed, slice(0, 360))}
        assert remarks(replace(digits, **parts, fingerprint=str(seed))) == []
    assert remarks(replace(digits, training=Samples(digits.training.data, None), fingerprint="unlabelled")) == []
    one = Samples(digits.training.data, torch.zeros_like(digits.training.labels))
    assert remarks(replace(digits, training=one, held_out=part(one, slice(0, 99)), fingerprint="one")) == []
