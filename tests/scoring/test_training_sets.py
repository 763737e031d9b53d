"""Training sets can be compared: a score rests on the held-out part, and on training data only where its metric looks there."""

from __future__ import annotations

import pytest
import torch
from small_runs import CPU

from gan_bench.api.kinds import Metric
from gan_bench.api.samples import PreparedData, RealData
from gan_bench.data.prepare import prepare
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.scoring.neighbours import reference as neighbours
from gan_bench_plugins.datasets.digits import Digits
from gan_bench_plugins.metrics.classifier import Classifier
from gan_bench_plugins.metrics.fid import FrechetDistance
from gan_bench_plugins.metrics.memorization import Duplicates, Memorization
from gan_bench_plugins.metrics.random_features import RandomFeatures

LOOKS = {  # what a metric's reference may look at -> whether that depends on what is trained on
    "data.held_out": False,
    "data.data.spec.classes": False,
    "data.data.name": False,
    "data.data.held_out.labels": False,
    "data.data.held_out_fingerprint": False,
    "data.training": True,
    "data.data.training.labels": True,
    "data.data.fingerprint": True,
    "data.data.folder": True,
    "data.data.whole.training": True,
    "data.data.before": True,
    "data.data.skipped": True,
    "data.data.chosen": True,
    "data.data.exchangeable": True,
}


class Looking(Metric):
    """Looks at what it is told to."""

    name = "looking"
    at: str = "data.held_out"
    fails: bool = False

    def reference_of(self, data: RealData) -> torch.Tensor:
        eval(self.at, {"data": data})
        if self.fails:
            raise ValueError("it can't be made")
        return torch.empty(0)

    def score(self, generated, reference):
        return float(generated.mean())


@pytest.fixture(scope="module")
def levels() -> list[PreparedData]:
    """All training samples, half and a tenth of them."""
    return [prepare(Digits(size=8, subset=subset)) for subset in (1.0, 0.5, 0.1)]


@pytest.fixture(scope="module")
def samples() -> torch.Tensor:
    return torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


def columns(levels, tmp_path, metric, extractor=None):
    made = [Evaluator(data, [metric], extractor or RandomFeatures(width=2), 20, CPU, tmp_path) for data in levels]
    return made, {frozenset(evaluator.columns()) for evaluator in made}


def test_scores_against_held_out_data_stand_in_one_column_and_are_equal(levels, samples, tmp_path):
    evaluators, found = columns(levels, tmp_path, FrechetDistance())
    assert len(found) == 1
    scores = [evaluator.score(samples) for evaluator in evaluators]
    assert scores[0] == scores[1] == scores[2]
    assert scores[0][0]["protocol"]["dataset"] == levels[0].held_out_fingerprint
    assert len(list(tmp_path.iterdir())) == 2, "the held-out features and their covariance are made once for all"


@pytest.mark.parametrize("metric", [Memorization(), Duplicates()], ids=lambda metric: metric.name)
def test_scores_that_look_at_training_data_stand_apart(levels, samples, tmp_path, metric):
    evaluators, found = columns(levels, tmp_path, metric)
    assert len(found) == 3
    datasets = [evaluator.score(samples)[0]["protocol"]["dataset"] for evaluator in evaluators]
    assert datasets == [data.fingerprint for data in levels]


@pytest.mark.parametrize("at", LOOKS)
@pytest.mark.parametrize("fails", [False, True])
def test_what_a_metric_looks_at_decides(levels, tmp_path, at, fails):
    """Also one that has no score; and whoever finds the reference in the cache knows it as well."""
    metric = Looking(at=at, fails=fails)
    _, found = columns(levels[:2], tmp_path, metric)
    assert len(found) == (2 if LOOKS[at] else 1)
    assert columns(levels[:2], tmp_path, metric)[1] == found


def test_a_copy_counts_as_looked_at_in_full(levels):
    """Whatever a metric passes on of the data."""
    from dataclasses import replace

    real = RealData(levels[1], lambda part: torch.empty(0))
    assert isinstance(real.data, PreparedData)
    assert not real.read_training
    replace(real.data, name="other")
    assert real.read_training


def test_learnt_features_are_the_same_whatever_is_trained_on(levels, tmp_path):
    evaluators, found = columns(levels, tmp_path, FrechetDistance(), Classifier(steps=2))
    assert len(found) == 1
    assert len({evaluator.extraction.features.protocol["weights_sha256"] for evaluator in evaluators}) == 1
    assert len(list(tmp_path.glob("classifier-*"))) == 1


def test_copies_are_looked_for_among_what_was_trained_on(levels, tmp_path):
    whole, _, small = levels
    copies = whole.training.batch(torch.arange(200))
    evaluators, _ = columns([whole, small], tmp_path, Duplicates())
    share = [evaluator.score(copies)[0]["value"] for evaluator in evaluators]
    of_small = torch.isin(torch.arange(200), small.training._index).double().mean()  # type: ignore[arg-type]
    assert share == [1.0, pytest.approx(float(of_small))]
    shown = neighbours(evaluators[1])
    assert len(shown["indices"]) == len(small.training)
    (copied,) = columns([small], tmp_path, Memorization())[0]
    assert copied.score(small.training.batch(torch.arange(len(small.training))))[0]["value"] == 1


def test_the_floor_is_that_of_all_real_training_data(levels, tmp_path):
    evaluators, _ = columns(levels, tmp_path, FrechetDistance())
    floors = [evaluator.score_training_data() for evaluator in evaluators]
    assert floors[0] == floors[1] == floors[2]


@pytest.mark.parametrize(
    ("asked", "alarmed"),
    [({}, True), ({"subset": 0.5}, True), ({"flip": True}, False), ({"subset": 0.5, "flip": True}, False)],
)
def test_what_can_not_be_exchanged_with_held_out_data_raises_no_alarm(asked, alarmed, samples, tmp_path):
    """A blur lies nearer to twice as many kinds of pictures, without a copy of any."""
    data = prepare(Digits(size=8, **asked))
    assert data.exchangeable == alarmed
    evaluator = Evaluator(data, [Memorization(), Duplicates()], RandomFeatures(width=2), 20, CPU, tmp_path)
    scores = evaluator.score(samples)
    assert ["alarm" in score for score in scores] == [alarmed, False, False]
    lost = [remark for remark in evaluator.remarks() if "no alarm" in remark]
    how = " and ".join(asked)
    rule = f"training samples are no longer drawn as held-out ones are ({how}), so that new samples may score anything"
    assert lost == ([] if alarmed else [f"memorization[random]: no alarm: {rule}"])
