"""Feature extractors: determinism, caching, accuracy, and what they say where they can't work."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gan_bench import FeatureExtractor
from gan_bench.api.data_spec import DataSpec
from gan_bench.api.pictures import from_uint8, to_uint8
from gan_bench.api.samples import PreparedData, Samples
from gan_bench.data.embedding import Embedding
from gan_bench.data.prepare import prepare
from gan_bench.errors import GanBenchError
from gan_bench_plugins.datasets.digits import Digits
from gan_bench_plugins.metrics import classifier
from gan_bench_plugins.metrics.classifier import Classifier
from gan_bench_plugins.metrics.fid import FrechetDistance
from gan_bench_plugins.metrics.pixels import Pixels
from gan_bench_plugins.metrics.random_features import RandomFeatures

CPU = torch.device("cpu")


def prepared(data: torch.Tensor, labels: torch.Tensor, classes: int, kind: str = "image", held_out: int = 360):
    spec = DataSpec(tuple(data.shape[1:]), kind, tuple(map(str, range(classes))) if classes else None)
    parts = Samples(data[held_out:], labels[held_out:]), Samples(data[:held_out], labels[:held_out])
    return PreparedData("test", spec, "fingerprint", Path(), *parts, (), "held out")


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> PreparedData:
    """scikit-learn's digits at 16x16."""
    return prepare(Digits(), tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="module")
def unlabelled(digits) -> PreparedData:
    return prepared(digits.training.data, torch.full((len(digits.training),), -1), 0)


@pytest.fixture(scope="module")
def points() -> PreparedData:
    """Two well separated blobs in the plane."""
    labels = torch.arange(600) % 2
    noise = torch.randn(600, 2, generator=torch.Generator().manual_seed(0))
    return prepared(0.2 * noise + labels[:, None], labels, 2, "points", 100)


def test_pictures_survive_saving():
    levels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(from_uint8(levels)), levels)
    assert to_uint8(torch.tensor([-9.0, -1, 0, 1, 9, torch.nan])).tolist() == [0, 0, 128, 255, 255, 0]


def small(**settings) -> Classifier:
    return Classifier(**{"steps": 20, "width": 4, "dimension": 8, **settings})


@pytest.mark.slow
def test_classifier_learns_the_digits(digits, tmp_path):
    features = Classifier(steps=300).prepare(digits, tmp_path, CPU)
    assert features.protocol["test_accuracy"] > 0.97
    found = features(digits.held_out.batch(torch.arange(50)))
    assert found.shape == (50, 64)
    assert found.dtype == torch.float32
    assert not found.requires_grad


def shuffled(samples: Samples, share: float, seed: int) -> Samples:
    """The same samples, with the labels of this share of them exchanged at random."""
    random = torch.Generator().manual_seed(seed)
    labels, some = samples.labels.clone(), torch.randperm(len(samples), generator=random)[: round(share * len(samples))]
    labels[some] = labels[some[torch.randperm(len(some), generator=random)]]
    return Samples(samples.data, labels)


@pytest.mark.parametrize(("share", "learns"), [(0, True), (0.7, True), (1, False)])
def test_a_classifier_at_chance_is_remarked(digits, tmp_path, share, learns):
    parts = {part: shuffled(getattr(digits, part), share, 0) for part in ("training", "held_out")}
    features = small(steps=100).prepare(replace(digits, **parts, fingerprint="shuffled"), tmp_path, CPU)
    assert len(features.remarks) == (0 if learns else 1), features.protocol["test_accuracy"]
    if not learns:
        told = f"the classifier gets {features.protocol['test_accuracy']:.0%} of 360 held-out samples right, "
        assert features.remarks[0].startswith(told)
        assert "their commonest class (10%)" in features.remarks[0]
        assert "remarks" not in features.protocol


@pytest.mark.parametrize("labels", [torch.zeros(600, dtype=torch.long), (torch.arange(600) % 20 == 0).long()])
def test_the_commonest_class_is_chance(points, tmp_path, labels):
    """95 or 100 % right is nothing where as many samples are of one class."""
    noise = torch.randn(600, 2, generator=torch.Generator().manual_seed(0))
    (remark,) = small(steps=20).prepare(prepared(noise, labels, 2, "points", 100), tmp_path, CPU).remarks
    assert f"commonest class ({(labels[:100] == 0).double().mean():.0%})" in remark


@pytest.mark.parametrize(("count", "steps"), [(100, 500), (1437, 500), (5000, 781), (60_000, 1000)])
def test_few_samples_are_learnt_in_fewer_steps(monkeypatch, tmp_path, count, steps):
    asked = []
    monkeypatch.setattr(classifier, "_train", lambda *args: asked.append(args[3]))
    values, labels = torch.zeros(count + 4, 2), torch.arange(count + 4) % 2
    data = prepared(values, labels, 2, "points", 4)
    Classifier().prepare(data, tmp_path, CPU)
    Classifier(steps=7).prepare(data, tmp_path, CPU)
    assert asked == [steps, 7]


def test_large_pictures_go_through_the_network_in_parts(tmp_path):
    """A CPU computes features of them faster, and they are the same."""
    sizes = []

    class Means(FeatureExtractor):
        name = "means"

        def prepare(self, data, cache, device):
            def features(samples):
                sizes.append(len(samples))
                return samples.mean((2, 3))

            features.protocol, features.label = {}, "means"
            return features

    pictures = torch.rand(100, 1, 64, 64)
    data = prepared(pictures, torch.full((100,), -1), 0, held_out=4)
    found = Embedding(Means(), data, tmp_path, CPU).extract(lambda: iter(pictures.split(30)))
    assert sizes == [9, 9, 9, 3] * 3 + [9, 1]
    assert torch.equal(found, pictures.mean((2, 3)))


@pytest.mark.slow
def test_classifier_at_its_defaults(digits, tmp_path):
    assert Classifier().prepare(digits, tmp_path, CPU).protocol["test_accuracy"] > 0.97


def test_classifier_of_points(points, tmp_path):
    features = small(steps=100).prepare(points, tmp_path, CPU)
    assert features.protocol["test_accuracy"] > 0.97
    assert features.protocol["quantisation"] == "none"


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 13, 16), (1, 16, 17), (2, 5, 40)])
def test_classifier_pools_pictures_to_4x4(shape):
    network = small()._network(DataSpec(shape, classes=("a", "b")))
    maps = network[:9](torch.rand(2, *shape))
    flat = network[9:11](maps)
    assert torch.equal(flat, torch.nn.functional.adaptive_avg_pool2d(maps, 4).flatten(1))
    assert network[9:](maps).shape == (2, 2)


def test_classifier_is_deterministic_whatever_the_caller_does(digits, tmp_path):
    threads = torch.get_num_threads()
    hashes = []
    for i, seed in enumerate((0, 0, 1)):
        torch.manual_seed(i)
        state = torch.get_rng_state()
        torch.set_num_threads(i + 1)
        with torch.no_grad():
            hashes.append(small(seed=seed).prepare(digits, tmp_path / str(i), CPU).protocol["weights_sha256"])
        assert torch.get_num_threads() == i + 1
        assert torch.equal(torch.get_rng_state(), state)
    torch.set_num_threads(threads)
    assert hashes[0] == hashes[1] != hashes[2]


def test_classifier_is_trained_once(digits, tmp_path, monkeypatch):
    first = small().prepare(digits, tmp_path, CPU)
    files = list(tmp_path.iterdir())
    assert len(files) == 1
    monkeypatch.setattr(classifier, "_train", None)  # calling it would fail
    again = small().prepare(digits, tmp_path, CPU)
    assert again.protocol == first.protocol
    batch = digits.held_out.batch(torch.arange(9))
    assert torch.equal(again(batch), first(batch))
    for other in (small(seed=1), small(steps=21), small(dimension=9)):
        with pytest.raises(TypeError):
            other.prepare(digits, tmp_path, CPU)


def test_a_damaged_cache_is_made_again(digits, tmp_path):
    first = small().prepare(digits, tmp_path, CPU)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    again = small().prepare(digits, tmp_path, CPU)
    assert again.protocol == first.protocol
    assert torch.equal(*(features(digits.held_out.batch(torch.arange(8))) for features in (first, again)))


def test_failed_training_leaves_no_file(digits, tmp_path, monkeypatch):
    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="disk full"):
        small().prepare(digits, tmp_path, CPU)
    assert not list(tmp_path.iterdir())


def test_classifier_needs_labels(unlabelled, tmp_path):
    with pytest.raises(GanBenchError, match="'random' or 'inception'"):
        Classifier().prepare(unlabelled, tmp_path, CPU)
    points = prepared(torch.zeros(500, 2), torch.full((500,), -1), 0, "points")
    with pytest.raises(GanBenchError, match="Use features = 'pixels', the points themselves, or 'random'"):
        Classifier().prepare(points, tmp_path, CPU)


def test_random_features_depend_on_the_seed_alone(unlabelled, tmp_path):
    batch = unlabelled.held_out.batch(torch.arange(9))
    found = []
    for i, seed in enumerate((0, 0, 1)):
        torch.manual_seed(i)
        state = torch.get_rng_state()
        features = RandomFeatures(seed=seed).prepare(unlabelled, tmp_path, CPU)
        found.append((features(batch), features.protocol["weights_sha256"]))
        assert torch.equal(torch.get_rng_state(), state)
    assert found[0][0].shape == (9, 128)
    assert torch.equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1] != found[2][1]


def test_random_features_of_points(points, tmp_path):
    features = RandomFeatures(width=16).prepare(points, tmp_path, CPU)
    assert features(points.held_out.batch(torch.arange(5))).shape == (5, 64)


@pytest.mark.parametrize("extractor", [RandomFeatures(), small(steps=300)])
def test_features_order_how_far_samples_are_off(extractor, digits, tmp_path):
    """Real data score best; more noise, fewer classes and a single repeated sample score worse."""
    features = extractor.prepare(digits, tmp_path, CPU)
    real = features(digits.held_out.batch(torch.arange(360)))
    fresh = digits.training.batch(torch.arange(360))
    noise = torch.randn(fresh.shape, generator=torch.Generator().manual_seed(0))
    ones = digits.training.batch((digits.training.labels == 1).nonzero()[:, 0])
    metric = FrechetDistance()
    scores = [
        metric.score(features(samples), metric.reference(real))
        for samples in (fresh, fresh + 0.3 * noise, fresh + noise, ones, fresh[:1].expand_as(fresh))
    ]
    assert scores[0] < scores[1] < scores[2]
    assert scores[0] < scores[3] < scores[4]


def test_logits_tell_the_classes_that_the_classifier_saw(digits, tmp_path):
    features = small(steps=300).prepare(digits, tmp_path, CPU)
    chosen = torch.arange(360)
    logits = features.logits(features(digits.held_out.batch(chosen)))
    right = (logits.argmax(1) == digits.held_out.labels).double().mean().item()
    assert right == pytest.approx(features.protocol["test_accuracy"])
    assert not hasattr(RandomFeatures().prepare(digits, tmp_path, CPU), "logits")


@pytest.mark.parametrize("extractor", [RandomFeatures(), small(), Pixels()])
def test_what_every_extractor_promises(extractor, digits, tmp_path):
    features = extractor.prepare(digits, tmp_path, CPU)
    batch = digits.held_out.batch(torch.arange(6))
    found = features(batch)
    assert json.loads(json.dumps(features.protocol)) == features.protocol
    assert features.protocol["dimension"] == found.shape[1]
    # A saved picture has the same features, and other samples in the batch do not matter.
    assert torch.equal(features(batch + 0.3 / 127.5), found)
    assert torch.allclose(features(batch[:1]), found[:1], atol=1e-5)
    batch[2, 0, 3, 3] = torch.nan
    broken = features(batch)
    assert broken[2].isnan().all()
    assert broken[[0, 1, 3, 4, 5]].isfinite().all()
