"""What is read from a classifier's logits: classes reached, their proportions, and the score of Inception's inventors."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_runs import CPU

from gan_bench.data.prepare import prepare
from gan_bench.scoring.evaluator import Evaluator
from gan_bench_plugins.datasets.digits import Digits
from gan_bench_plugins.metrics.class_coverage import ClassCoverage
from gan_bench_plugins.metrics.classifier import Classifier
from gan_bench_plugins.metrics.inception_score import InceptionScore


def of_classes(classes: torch.Tensor, count: int = 10) -> torch.Tensor:
    """Logits (N, count) of samples that certainly are of these classes."""
    return 50 * torch.nn.functional.one_hot(classes, count).float()


def drawn(size: int, seed: int, count: int = 10) -> torch.Tensor:
    return torch.randint(count, (size,), generator=torch.Generator().manual_seed(seed))


def coverage(generated: torch.Tensor, real: torch.Tensor, **parameters: int) -> dict[str, float]:
    metric = ClassCoverage(**parameters)
    return metric.score(of_classes(generated), metric.reference(of_classes(real)))


def test_classes_reached_and_their_proportions():
    real = torch.arange(10).repeat(1000)
    assert coverage(real, real) == {"classes": 10, "class KL": pytest.approx(0, abs=1e-9)}
    half = coverage(real[real < 5], real)
    assert half == {"classes": 5, "class KL": pytest.approx(np.log(2), abs=1e-3)}
    one = coverage(real[:1].repeat(50), real)
    assert one == {"classes": 1, "class KL": pytest.approx(np.log(10), abs=1e-3)}
    rare = torch.cat([real[real > 0], torch.zeros(3, dtype=torch.int64)])
    assert [coverage(rare, real, least=least)["classes"] for least in (1, 3, 4)] == [10, 10, 9]


def test_divergence_of_the_datas_own_proportions_is_that_of_chance():
    n, m = 1000, 4000
    weights = torch.arange(1, 11).double()
    draw = lambda size, seed: torch.multinomial(weights, size, True, generator=torch.Generator().manual_seed(seed))  # noqa: E731
    found = [coverage(draw(n, 2 * i), draw(m, 2 * i + 1))["class KL"] for i in range(200)]
    assert np.mean(found) == pytest.approx(9 / 2 * (1 / n + 1 / m), rel=0.15)
    assert coverage(draw(n, 0), torch.arange(9).repeat(100))["class KL"] < np.inf, "also where real data lack a class"


def test_classifier_score_in_closed_form():
    every = torch.arange(10).repeat(30)
    score = lambda logits: InceptionScore().score(logits, None)  # noqa: E731
    assert score(of_classes(every)).value == pytest.approx(10)
    assert score(of_classes(every[:1].repeat(30))).value == pytest.approx(1)
    assert score(torch.zeros(50, 10)).value == pytest.approx(1)
    assert score(of_classes(every % 2)).value == pytest.approx(2)


@pytest.mark.parametrize("splits", [1, 10])
def test_classifier_score_agrees_with_torch_fidelity(splits):
    from torch_fidelity.metric_isc import isc_features_to_metric

    logits = 3 * torch.randn(500, 10, generator=torch.Generator().manual_seed(0))
    found = InceptionScore(splits=splits).score(logits, None)
    theirs = isc_features_to_metric(logits, splits=splits, shuffle=False)
    assert found.value == pytest.approx(theirs["inception_score_mean"], rel=1e-9)
    if splits == 1:
        assert np.isnan(found.standard_error)
    else:
        spread = theirs["inception_score_std"] * (10 / 9) ** 0.5  # theirs is of the population
        assert found.standard_error == pytest.approx(spread / 10**0.5, rel=1e-9)


def test_classifier_score_agrees_with_torchmetrics():
    from torchmetrics.image.inception import InceptionScore as Theirs

    logits = 2 * torch.randn(400, 6, generator=torch.Generator().manual_seed(1))
    theirs = Theirs(torch.nn.Identity(), splits=1)  # with more they shuffle first
    theirs.update(logits)
    assert InceptionScore(splits=1).score(logits, None).value == pytest.approx(float(theirs.compute()[0]), rel=1e-5)


def test_classifier_score_says_why_it_cannot_be_computed():
    with pytest.raises(ValueError, match="at least 10 samples, not 9"):
        InceptionScore().score(torch.zeros(9, 3), None)
    with pytest.raises(ValueError, match="1 of 20 samples have logits that are not finite"):
        InceptionScore().score(torch.cat([torch.zeros(19, 3), torch.full((1, 3), torch.nan)]), None)


def test_classifier_score_is_called_so():
    metric = InceptionScore()
    assert metric.label(SimpleNamespace(label="inception-2048")) == "IS"  # type: ignore[arg-type]
    assert metric.label(SimpleNamespace(label="classifier")) == "CS[classifier]"  # type: ignore[arg-type]


def test_of_real_digits(tmp_path):
    data = prepare(Digits(size=8), tmp_path)
    evaluator = Evaluator(data, [ClassCoverage(), InceptionScore()], Classifier(steps=150), 300, CPU, tmp_path)
    evaluator.prepare()
    classes, divergence, score = evaluator.score_training_data()
    assert (classes["label"], classes["value"], classes["unit"]) == ("classes[classifier]", 10, "classes")
    assert divergence["value"] < 0.08
    assert 6 < score["value"] <= 10
    assert 0 < score["standard_error"] < 0.5
