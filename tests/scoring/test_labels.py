"""Samples that were asked for by class: which labels are drawn, and what they are scored by."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from gan_bench.api.pictures import row_classes
from gan_bench.api.registry import Registry
from gan_bench.api.samples import Samples
from gan_bench.data.label_draw import LabelDraw, class_counts
from gan_bench.data.prepare import prepare
from gan_bench.errors import GanBenchError
from gan_bench.grid import Evaluate
from gan_bench.grid.headlines import headlines
from gan_bench.grid.schema import without_features
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.scoring.samples import draw, draw_labels
from gan_bench_plugins.datasets.digits import Digits
from gan_bench_plugins.metrics.class_accuracy import ClassAccuracy
from gan_bench_plugins.metrics.class_fd import ClassFrechetDistance
from gan_bench_plugins.metrics.classifier import Classifier
from gan_bench_plugins.metrics.fid import FrechetDistance
from gan_bench_plugins.metrics.pixels import Pixels

CPU = torch.device("cpu")
CLASSIFIER = Classifier(steps=300, width=4)


@pytest.fixture(scope="module")
def digits():
    return prepare(Digits(size=8))


class Told(nn.Module):
    """Makes of (z, y) points (z_1, y): what it was given can be seen."""

    def forward(self, z, y):
        return torch.stack([z[:, 0], y.float()], 1)


def test_labels_are_drawn_in_the_datas_proportions_and_latents_stay_as_they_are():
    counts = [10, 0, 60, 30]
    labels = draw_labels(LabelDraw(counts, CPU), 20_000, 3, CPU)
    shares = labels.bincount(minlength=4) / len(labels)
    assert torch.allclose(shares, torch.tensor(counts) / 100, atol=0.012)
    assert shares[1] == 0
    assert torch.equal(labels[:130], draw_labels(LabelDraw(counts, CPU), 130, 3, CPU)), "whatever the number"
    assert not torch.equal(labels[:130], draw_labels(LabelDraw(counts, CPU), 130, 4, CPU))
    other = draw_labels(LabelDraw(counts, CPU), 130, 3, CPU, "evaluation of the best")
    assert not torch.equal(labels[:130], other)
    made = draw(Told(), 2, 130, 3, CPU, labels=labels[:130])
    assert torch.equal(made[:, 1].long(), labels[:130]), "each sample has its own label"
    assert torch.equal(made[:, 0], draw(nn.Identity(), 2, 130, 3, CPU)[:, 0]), "of equal latents"


@pytest.mark.parametrize(("classes", "rows"), [(1, [0]), (3, [0, 1, 2]), (10, [*range(10)])])
def test_a_sample_grid_has_a_row_a_class(classes, rows):
    assert row_classes(classes) == rows


def test_of_many_classes_rows_are_spread_over_them():
    rows = row_classes(100)
    assert len(rows) == 10
    assert rows[0] == 0
    assert rows[-1] == 99
    assert len(set(rows)) == 10


@pytest.mark.slow
def test_real_digits_have_their_classes_and_others_have_not(digits, tmp_path):
    evaluator = Evaluator(digits, [ClassAccuracy(), ClassFrechetDistance()], CLASSIFIER, 360, CPU, tmp_path)
    evaluator.prepare()
    real, labels = digits.held_out.batch(torch.arange(360)), digits.held_out.labels
    right, close = evaluator.score(real, labels=labels)
    known = evaluator.extraction.features.protocol["test_accuracy"]
    assert right["label"] == "class accuracy[classifier]"
    assert right["value"] == pytest.approx(known)
    assert known > 0.85
    assert right["standard_error"] == pytest.approx((known * (1 - known) / 360) ** 0.5)
    shares = labels.bincount() / 360
    assert float((torch.tensor(right["by_class"]) * shares).sum()) == pytest.approx(known)
    assert close["label"] == "class FD[classifier]"
    assert close["value"] == pytest.approx(0, abs=1e-6)
    wrong, far = evaluator.score(real, labels=(labels + 1) % 10)
    assert wrong["value"] < 0.1, "the same samples, asked for as other classes"
    assert far["value"] > 10
    assert [one["label"] for one in evaluator.score(real)] == [], "a generator without labels has no such scores"
    assert evaluator.columns(conditional=False) == set()
    assert len(evaluator.columns()) == 2
    assert (
        f"it is as good as its classifier, which gets {known:.1%} of 360 held-out samples right."
        in evaluator.remarks()[0]
    )


def test_the_distance_within_classes_is_that_of_each_alone(digits, tmp_path):
    metric = ClassFrechetDistance(least=36)
    evaluator = Evaluator(digits, [metric], Pixels(), 300, CPU, tmp_path)
    evaluator.prepare()
    some = digits.training.batch(torch.arange(300))
    labels = digits.training.labels[:300]
    (score,) = evaluator.score(some, labels=labels)
    held_out = digits.held_out
    counts = held_out.labels.bincount().tolist()
    expected: list[float | None] = []
    for label in range(10):
        own = some[labels == label]
        if counts[label] < 36 or len(own) < 2:
            expected.append(None)
            continue
        plain = FrechetDistance()
        read = Pixels().prepare(digits, tmp_path, CPU)
        real = plain.reference(read(held_out.batch((held_out.labels == label).nonzero()[:, 0])))
        expected.append(plain.score(read(own), real))
    known = [one for one in expected if one is not None]
    assert 0 < len(known) < 10, "some classes have too few"
    assert score["by_class"] == pytest.approx(expected)
    assert score["value"] == pytest.approx(sum(known) / len(known))
    said = " ".join(metric.remarks(evaluator.measures[0]._real("held_out"), 300))
    assert f"{sum(one >= 36 for one in counts)} of 10 classes that have 36 held-out samples" in said
    assert "too few for the covariance of 64 features" in said


def test_a_class_with_too_few_samples_is_left_out_and_where_all_have_there_is_no_value(digits, tmp_path):
    evaluator = Evaluator(digits, [ClassFrechetDistance()], Pixels(), 60, CPU, tmp_path)
    evaluator.prepare()
    (few,) = evaluator.score(digits.training.batch(torch.arange(60)), labels=torch.arange(60))
    assert few["value"] is None
    assert few["error"] == "no class that has 20 held-out samples has 2 generated ones"
    (one,) = evaluator.score(digits.training.batch(torch.arange(60)), labels=torch.arange(60) // 59)
    assert one["by_class"] == [one["value"], *[None] * 9]
    with pytest.raises(ValueError, match="no class has 50 held-out samples"):
        ClassFrechetDistance(least=50).reference_of(evaluator.measures[0]._real("held_out"))


def test_data_without_classes_have_no_such_scores(tmp_path):
    data = prepare(Digits(size=8))
    bare = replace(data, spec=replace(data.spec, classes=None), training=Samples(data.training.data, None))
    with pytest.raises(GanBenchError, match="metric class_fd compares with classes, and digits has none"):
        Evaluator(bare, [ClassFrechetDistance()], Pixels(), 20, CPU, tmp_path).prepare()


@pytest.mark.parametrize("features", [None, {"name": "random"}])
def test_by_default_conditional_levels_are_scored_by_class_and_tested_as_others_are(features):
    registry, evaluate = Registry.load(), Evaluate(features=features)
    plain, labelled = evaluate.of("image", True), evaluate.of("image", True, True)
    assert labelled.metrics[: len(plain.metrics)] == plain.metrics, "others stay as they are"
    assert [metric["name"] for metric in labelled.metrics[len(plain.metrics) :]] == ["class_accuracy", "class_fd"]
    made = [[registry.create("metric", without_features(one)) for one in own.metrics] for own in (plain, labelled)]
    assert headlines(labelled, made[1]) == headlines(plain, made[0])
    assert evaluate.of("image", False, True) == evaluate.of("image", False), "data without labels have no such scores"
    named = Evaluate(metrics=["fid"])
    assert named.of("image", True, True) == named.of("image", True)


def test_counts_are_of_what_is_trained_on():
    data = prepare(Digits(size=8, subset=0.5))
    assert sum(class_counts(data.training, 10)) == len(data.training) == 718
    balanced = prepare(Digits(size=8, subset=0.5, balance=True))
    assert len({*class_counts(balanced.training, 10)}) == 1
