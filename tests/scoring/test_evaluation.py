"""What is made of the real data is made once, kept, and made again where the file is damaged."""

from __future__ import annotations

import inspect
import json
import time

import numpy as np
import pytest
import torch
from small_runs import CPU

from gan_bench.api.kinds import Estimate, Metric, Number
from gan_bench.api.samples import PreparedData
from gan_bench.data.prepare import prepare
from gan_bench.errors import GanBenchError
from gan_bench.scoring.diversity import diversity, real_distances
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.scoring.samples import shuffled
from gan_bench_plugins.datasets.digits import Digits
from gan_bench_plugins.metrics.classifier import Classifier
from gan_bench_plugins.metrics.fid import FrechetDistance
from gan_bench_plugins.metrics.pixels import Pixels
from gan_bench_plugins.metrics.precision_recall import PrecisionRecall
from gan_bench_plugins.metrics.random_features import RandomFeatures

made: list[torch.Tensor] = []  # what references were made of


class Noisy(Metric):
    """Draws random numbers for both."""

    name = "noisy"
    size: int = 3

    def label(self, features):
        return "noisy"

    def reference(self, real):
        made.append(real)
        return {"drawn": torch.rand(self.size)}

    def score(self, generated, reference):
        return float(reference["drawn"].sum() + torch.rand(()))


class Plain(Noisy):
    """Takes the features themselves."""

    name = "plain"
    reference = Metric.reference

    def score(self, generated, real):
        return float((generated.mean(0) - real.mean(0)).norm())


class Failing(Noisy):
    """Has no reference."""

    name = "failing"

    def reference(self, real):
        raise ValueError(f"{len(real)} samples are too few")


class Broken(Noisy):
    """Goes wrong in its own line, in a library's, in one that it calls, and by what it returns."""

    name = "broken"
    how: str = "type"

    def score(self, generated, reference):
        if self.how == "type":
            return None + generated
        if self.how == "library":
            return np.zeros(2).reshape(3)
        if self.how == "subclass":
            return json.loads("{")
        if self.how == "exit":
            raise SystemExit("enough")
        return {"none": None, "huge": 10**400, "long": [0] * 10_000, "unspeakable": Unspeakable()}[self.how]


class Unspeakable:
    def __repr__(self):
        raise RuntimeError("not to be said")


class Several(Noisy):
    """Returns two numbers, one of them with a standard error."""

    name = "several"
    numbers = {"size": Number("higher", unit="features"), "gap": Number(scale="log")}

    def reference_of(self, data):
        made.append(data.held_out)
        return {"training": data.training.mean(0), "held_out": data.held_out.mean(0)}

    def score(self, generated, reference):
        gap = generated.mean(0) - reference["held_out"]
        return {"size": generated.shape[1], "gap": Estimate(float(gap.norm()), 0.5)}


class Incomplete(Several):
    """Forgets a number."""

    name = "incomplete"

    def score(self, generated, reference):
        return {"size": torch.tensor(7)}


class Seen(Metric):
    """Keeps what it is given."""

    name = "seen"

    def label(self, features):
        return self.reads

    def reference(self, real):
        made.append(real)
        return torch.empty(0)

    def score(self, generated, reference):
        made.append(generated)
        return len(generated)


class SeenSamples(Seen):
    name = "seen_samples"
    reads = "samples"


class SeenLogits(Seen):
    name = "seen_logits"
    reads = "logits"


@pytest.fixture(scope="module")
def data() -> PreparedData:
    return prepare(Digits(size=8))


@pytest.fixture
def evaluator(data, tmp_path):
    made.clear()
    return lambda *metrics: Evaluator(data, metrics, RandomFeatures(width=2), 20, CPU, tmp_path)


@pytest.fixture(scope="module")
def samples() -> torch.Tensor:
    return torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_reference_is_made_once_for_all_processes(evaluator, samples, tmp_path):
    first, again = evaluator(Noisy()), evaluator(Noisy())
    (score,) = first.score(samples)
    assert first.score(samples) == [score]
    again.prepare()
    assert again.score(samples) == [score]  # also what was drawn for it, whether or not the reference was made then
    assert torch.equal(first.measures[0].reference()["drawn"], again.measures[0].reference()["drawn"])
    assert [real.shape for real in made] == [(len(first.data.held_out), 8)]
    kept = sorted(file.name.rpartition("-")[0] for file in tmp_path.iterdir())
    assert kept == ["distances", "held-out", "reference-noisy"]


def test_workers_need_no_features_of_real_data(evaluator, samples, tmp_path):
    evaluator(FrechetDistance()).prepare()
    (held_out,) = tmp_path.glob("held-out-*")
    held_out.unlink()
    (score,) = evaluator(FrechetDistance()).score(samples)
    assert score["value"] > 0
    assert not held_out.exists()


def test_reference_of_other_parameters_is_another(evaluator, samples):
    both = evaluator(Noisy(), Noisy(size=50))
    small, large = both.score(samples)
    assert large["value"] > small["value"] + 5
    assert len(made) == 2


def test_features_themselves_are_kept_once(evaluator, samples, tmp_path):
    plain = evaluator(Plain())
    (score,) = plain.score(samples)
    assert score["value"] > 0
    assert plain.measures[0].reference() is plain.extraction.real()
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("damage", [lambda content: b"", lambda content: content[:300], lambda content: b"no tensor"])
def test_damaged_files_are_made_again(evaluator, samples, tmp_path, damage):
    metrics = Noisy(), Plain(), FrechetDistance()
    scores = evaluator(*metrics).score(samples)
    contents = {file: file.read_bytes() for file in tmp_path.iterdir()}
    assert len(contents) == 3
    for file, content in contents.items():
        file.write_bytes(damage(content))
    assert evaluator(*metrics).score(samples) == scores
    assert {file: len(file.read_bytes()) for file in tmp_path.iterdir()} == {
        file: len(content) for file, content in contents.items()
    }


def test_missing_reference_costs_its_own_score_only(evaluator, samples):
    both = evaluator(Failing(), Plain())
    both.prepare()
    failed, plain = both.score(samples)
    assert failed["value"] is None
    assert failed["error"] == f"{len(both.data.held_out)} samples are too few"
    assert plain["value"] > 0


@pytest.mark.parametrize(
    ("how", "line", "said"),
    [
        ("type", "return None + generated", "TypeError: unsupported operand type(s)"),
        ("library", "return np.zeros(2).reshape(3)", "ValueError: cannot reshape array of size 2 into shape (3,)"),
        ("subclass", 'return json.loads("{")', "JSONDecodeError: Expecting property name"),
        ("none", "def score(self, generated, reference):", "broken is None, not a number"),
        ("huge", "def score(self, generated, reference):", "broken is 1000000"),
        ("long", "def score(self, generated, reference):", "broken is [0, 0, 0"),
        ("unspeakable", "def score(self, generated, reference):", "broken is of type Unspeakable, not a number"),
        ("exit", 'raise SystemExit("enough")', "SystemExit: enough"),
    ],
)
def test_a_metrics_fault_has_file_and_line(evaluator, samples, how, line, said):
    (score,) = evaluator(Broken(how=how)).score(samples)
    lines, first = inspect.getsourcelines(Broken)
    at = first + [text.strip() for text in lines].index(line)
    assert score["value"] is None
    assert f"test_evaluation.py:{at}" in score["error"]
    assert said in score["error"]


def test_scores_against_training_data_stand_beside_and_change_nothing(data, samples, tmp_path):
    metrics = FrechetDistance(), Plain(), Noisy(), Several(), Failing()
    alone = Evaluator(data, metrics, RandomFeatures(width=2), 20, CPU, tmp_path / "a")
    both = Evaluator(data, metrics, RandomFeatures(width=2), 20, CPU, tmp_path / "b", against_training=True)
    both.prepare()
    scores = both.score(samples)
    beside = [score.pop("against_training", None) for score in scores]
    assert scores == alone.score(samples)
    training = torch.load(next((tmp_path / "b").glob("training-*")), weights_only=True)
    features = both.extraction.extract(lambda: iter([samples]))
    fid = FrechetDistance()
    split = {"split": "training", "real": len(training)}
    assert beside[0] == {"value": fid.score(features, fid.reference(training)), **split}
    assert beside[0]["value"] != scores[0]["value"]
    assert beside[1] == {"value": pytest.approx(float((features.mean(0) - training.mean(0)).norm())), **split}
    assert beside[3] is beside[4] is None, "a metric that asks for training data itself has no second score"
    assert beside[5] == {"value": None, "error": f"{len(training)} samples are too few", **split}
    assert all("against_training" not in score for score in both.score_training_data()), "it would be against itself"


def test_copies_of_training_data_score_better_against_them(data, tmp_path):
    evaluator = Evaluator(data, [FrechetDistance()], RandomFeatures(), 200, CPU, tmp_path, against_training=True)
    (score,) = evaluator.score(data.training.batch(shuffled(len(data.training))[:200]))
    assert score["against_training"]["value"] < score["value"] / 2


class Careless(Noisy):
    """Works in place on all that it is given."""

    name = "careless"
    reference = Metric.reference

    def score(self, generated, real):
        return float((generated.mul_(100).mean(0) - real.mul_(3).mean(0)).norm())


class CarelessFeatures(Pixels):
    """As pixels, but of samples that it changes."""

    name = "careless"

    def prepare(self, data, cache, device):
        features = super().prepare(data, cache, device)

        def careless(samples):
            return features(samples.add_(1).div_(2))

        careless.protocol, careless.label = features.protocol, "careless"
        return careless


def test_what_a_plugin_does_in_place_changes_no_other_score(data, samples, tmp_path):
    others = [Plain(), PrecisionRecall()]
    alone = Evaluator(data, others, Pixels(), 100, CPU, tmp_path, against_training=True).score(samples)
    beside = Evaluator(
        data, [Careless(), *others], Pixels(), 100, CPU, tmp_path, against_training=True, own={0: CarelessFeatures()}
    )
    kept = samples.clone()
    for _ in range(2):  # snapshots
        assert beside.score(samples)[1:] == alone
    assert samples.equal(kept)
    beside = Evaluator(data, [Careless(), *others], Pixels(), 100, CPU, tmp_path, against_training=True)
    for _ in range(2):
        assert beside.score(samples)[1:] == alone


def test_what_scores_cost_is_told(evaluator, samples):
    class Slow(Plain):
        name = "slow"

        def score(self, generated, real):
            time.sleep(0.02)
            return 1.0

    slow = evaluator(Slow(), Plain(), Slow())
    slow.score(samples)
    assert list(slow.seconds) == ["features", "slow", "plain"]
    assert 0.04 <= slow.seconds["slow"] < 2
    assert slow.seconds["plain"] > 0
    slow.score(samples)
    assert slow.seconds["slow"] < 2, "of the latest scores alone"


def test_what_is_not_wanted_is_not_computed(evaluator, samples):
    both = evaluator(FrechetDistance(), PrecisionRecall())
    distance, precision, recall = both.score(samples)
    assert both.score(samples, wanted=[recall["protocol_id"]]) == [precision, recall]
    assert set(both.seconds) == {"features", "precision_recall"}
    assert both.score(samples, wanted=[distance["protocol_id"], "of none"]) == [distance]
    assert not both.score(samples, wanted=[])


def test_several_numbers_are_a_score_each(evaluator, samples):
    both = evaluator(Several(), Plain())
    size, gap, plain = both.score(samples)
    assert (size["label"], size["value"], size["better"], size["scale"], size["unit"]) == (
        "size[random]",
        8,
        "higher",
        "raw",
        "features",
    )
    assert (gap["label"], gap["standard_error"], gap["better"], gap["scale"]) == ("gap[random]", 0.5, "lower", "log")
    assert gap["value"] == pytest.approx(plain["value"])
    assert "standard_error" not in plain
    assert len({score["protocol_id"] for score in (size, gap, plain)}) == 3
    assert (size["protocol"]["number"], gap["protocol"]["number"]) == ("size", "gap")
    assert both.columns() == {(score["label"], score["protocol_id"]) for score in (size, gap, plain)}


def test_a_number_that_is_missing_costs_itself_only(evaluator, samples):
    size, gap = evaluator(Incomplete()).score(samples)
    assert size["value"] == 7
    assert gap["value"] is None
    assert gap["error"].startswith("gap is None, not a number (score() at ")


def test_training_data_is_as_much_as_held_out_data(data, tmp_path):
    evaluator = Evaluator(data, [Several()], RandomFeatures(width=2), 20, CPU, tmp_path)
    evaluator.prepare()
    training = torch.load(next(tmp_path.glob("training-*")), weights_only=True)
    assert training.shape == evaluator.extraction.real().shape
    assert not training.equal(evaluator.extraction.real())
    assert evaluator.measures[0].reference()["training"].equal(training.mean(0))


def test_features_logits_or_samples_as_a_metric_reads_them(data, samples, tmp_path):
    made.clear()
    extractor = Classifier(steps=2)
    evaluator = Evaluator(data, [SeenSamples(), SeenLogits(), Seen()], extractor, 20, CPU, tmp_path)
    calls = []
    extract = evaluator.extraction.extract
    evaluator.extraction.extract = lambda batches: calls.append(1) or extract(batches)  # type: ignore[method-assign]
    evaluator.prepare()
    calls.clear()
    real_samples, real_logits, real = made
    made.clear()
    assert [score["value"] for score in evaluator.score(samples)] == [20, 20, 20]
    assert len(calls) == 1, "features are extracted once for all metrics"
    seen, logits, features = made
    levels = (seen + 1) * 127.5
    assert levels.sub(levels.round()).abs().max() < 1e-4
    assert (seen - samples).abs().max() <= 1 / 255 + 1e-6
    assert real_samples.shape == (len(data.held_out), 1, 8, 8)
    assert (logits.shape, real_logits.shape) == ((20, 10), (len(data.held_out), 10))
    assert features.shape[1] == real.shape[1] == 64
    assert logits.equal(evaluator.extraction.features.logits(features))  # type: ignore[attr-defined]
    protocols = [score["protocol"] for score in evaluator.score(samples)]
    assert ["features" in protocol for protocol in protocols] == [False, True, True]
    assert {protocol["quantisation"] for protocol in protocols} == {"8 bits"}


def test_samples_that_are_not_finite_are_not_hidden(evaluator, samples):
    broken = samples.clone()
    broken[3, 0, 0, 0] = torch.nan
    made.clear()
    fid, seen = evaluator(FrechetDistance(), SeenSamples()).score(broken)
    assert fid["value"] is None
    assert fid["error"] == "1 of 20 generated samples have features that are not finite"
    assert seen["value"] == 20
    assert made[-1].isfinite().logical_not().sum() == 1


def test_logits_need_features_that_tell_classes(evaluator):
    with pytest.raises(GanBenchError, match=r"metric seen_logits needs to know classes.*Use features = 'classifier'"):
        evaluator(SeenLogits()).prepare()


def test_numbers_that_are_none_are_refused(evaluator):
    class Wrong(Several):
        """Says "higher" where a Number belongs."""

        name = "wrong"
        numbers = {"size": "higher"}  # type: ignore[dict-item]

    with pytest.raises(
        GanBenchError, match=r"`numbers` must be a dict of names and Number \(found: 'size': 'higher'\)"
    ):
        evaluator(Wrong()).prepare()
    with pytest.raises(ValueError, match="a Number is 'lower' or 'higher' \\(found: 'up'\\)"):
        Number("up")  # type: ignore[arg-type]


def test_diversity_is_one_for_the_data_and_falls_with_every_mode_that_is_missing():
    random = torch.Generator().manual_seed(0)

    def ring(*modes: int) -> torch.Tensor:
        angles = torch.tensor(modes)[torch.randint(len(modes), (500,), generator=random)] * torch.pi / 4
        return torch.stack([angles.cos(), angles.sin()], 1) + 0.01 * torch.randn(500, 2, generator=random)

    real = real_distances(ring(*range(8)))
    found = [diversity(ring(*modes), real) for modes in (range(8), (0, 2, 4, 6), (0, 2, 5), (0, 4), (0,))]
    assert found[0] == pytest.approx(1, abs=0.05)
    assert found == sorted(found, reverse=True)
    assert found[1] > 0.5 > found[2] > 0.4 > found[3] > 0.1 > found[4] > 0
    assert diversity(ring(0).mul(0), real) == pytest.approx(0.01 / float(real[1] / real[0] * 0.01), rel=1e-6)
    assert diversity(ring(0) / 0, real) is None
    assert diversity(ring(0), real_distances(ring(0)[:1])) is None  # one sample has no distance
    assert diversity(ring(0), real_distances(torch.zeros(50, 2))) is None, "data without any diversity"


def test_a_metric_with_features_of_its_own(data, samples, tmp_path):
    """Each extractor sees the samples once; a score's protocol and label name what it was read from."""
    metrics, extractors = [Plain(), Plain(), Plain()], (RandomFeatures(width=2), Pixels())
    both = Evaluator(
        data, metrics, extractors[0], 20, CPU, tmp_path, own={1: extractors[1], 2: RandomFeatures(width=2)}
    )
    both.prepare()
    first, second, third = both.score(samples)
    for extractor, score in zip(extractors, (first, second), strict=True):
        (alone,) = Evaluator(data, [Plain()], extractor, 20, CPU, tmp_path).score(samples)
        assert score == alone
    assert third == first, "equal extractors are one"
    assert len({first["protocol_id"], second["protocol_id"]}) == 2
    assert [one.label for one in both.scored()] == [score["label"] for score in (first, second, third)]
    assert both.columns() == {(score["label"], score["protocol_id"]) for score in (first, second)}
