"""`select`: the likeliest training samples of each class, by a Gaussian fitted to their features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ramp import Ramp
from scipy.stats import multivariate_normal
from sklearn.covariance import LedoitWolf

from gan_bench.api.kinds import ArrayPart, FeatureExtractor, Parts
from gan_bench.api.network_features import NetworkFeatures
from gan_bench.api.registry import Found, Registry
from gan_bench.data.prepare import prepare
from gan_bench.data.selection import class_likelihoods, likeliest, log_likelihoods
from gan_bench.errors import ParameterError

PIXELS = {"keep": 0.5, "features": "pixels"}


class Clouds(Ramp):
    """Two classes, or none, of points whose distance from their class's middle grows with their number."""

    name = "clouds"
    kind = "points"
    shape = (2,)
    labelled: bool = True

    def classes(self) -> tuple[str, ...] | None:  # type: ignore[override]
        return ("left", "right") if self.labelled else None

    def load(self) -> Parts:
        self.decoded.append(self.name)
        far = np.repeat(np.arange(1, 11), 8) / 20
        turn = np.tile(np.arange(8), 10) * np.pi / 4 + 0.1
        cloud = (far * np.stack([np.cos(turn), np.sin(turn)])).T
        points = np.concatenate([cloud - [5, 0], cloud * 3 + [5, 0]]).astype(np.float32)
        labels = np.repeat([0, 1], 80) if self.labelled else None
        return Parts(ArrayPart(points, labels), ArrayPart(points[::7], None if labels is None else labels[::7]))


@pytest.mark.parametrize(("count", "d"), [(200, 5), (30, 40), (2, 3)])
def test_likelihoods_are_those_of_a_shrunk_gaussian(count: int, d: int) -> None:
    random = np.random.default_rng(count)
    features = random.normal(size=(count, d)) @ random.normal(size=(d, d)) + 7
    known = LedoitWolf().fit(features)
    found = log_likelihoods(torch.from_numpy(features).float())
    if known.shrinkage_ > 0:
        expected = multivariate_normal(known.location_, known.covariance_).logpdf(features)
        assert found.numpy() == pytest.approx(expected, rel=1e-4)
    assert found.isfinite().all()


def test_features_that_are_all_equal_are_equally_likely() -> None:
    assert log_likelihoods(torch.full((5, 3), 2.0)).equal(torch.zeros(5, dtype=torch.float64))
    assert log_likelihoods(torch.tensor([[1.0, 2.0]])).equal(torch.zeros(1, dtype=torch.float64))
    with_dead_unit = torch.cat([torch.randn(50, 2, generator=torch.Generator().manual_seed(0)), torch.zeros(50, 3)], 1)
    assert log_likelihoods(with_dead_unit).isfinite().all()


def test_each_class_has_a_gaussian_and_a_share_of_its_own() -> None:
    features = torch.randn(60, 3, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([0] * 40 + [1] * 17 + [2] + [-1] * 2)
    found = class_likelihoods(features, labels)
    assert found[:40].equal(log_likelihoods(features[:40]))
    assert found[40:57].equal(log_likelihoods(features[40:57]))
    kept = likeliest(found, labels, 0.3)
    assert (labels[kept] + 1).bincount().tolist() == [1, 12, 5, 1], "at least one"
    assert kept.equal(kept.sort().values)
    for label in (0, 1):
        own = found[labels == label]
        assert (
            found[kept[labels[kept] == label]].min()
            == own.sort(descending=True).values[len(kept[labels[kept] == label]) - 1]
        )
    assert likeliest(class_likelihoods(features, None), None, 0.5).shape == (30,)
    assert likeliest(torch.zeros(4, dtype=torch.float64), None, 0.5).tolist() == [0, 1], "the first of equal ones"


def test_the_likeliest_training_samples_are_kept_and_no_other_part_is_touched(decoded: list[str]) -> None:
    whole, data = prepare(Clouds()), prepare(Clouds(select=PIXELS))
    near = torch.arange(160)[torch.arange(160) % 80 < 40]
    assert data.training.data.equal(whole.training.data[near])
    assert data.training.labels is not None
    assert data.training.labels.bincount().tolist() == [40, 40]
    assert data.held_out.data.equal(whole.held_out.data)
    assert data.held_out_fingerprint == whole.held_out_fingerprint
    assert data.chosen == ("select: 80 of 160 training samples, the likeliest by pixels features",)
    assert len(decoded) == 1


def test_without_classes_there_is_one_gaussian() -> None:
    """The two clouds are one then, and their middle is empty: what lies between them is likeliest."""
    data = prepare(Clouds(labelled=False, select=PIXELS))
    assert data.training.data[:, 0].abs().max() < prepare(Clouds()).training.data[:, 0].abs().max()


def test_the_smaller_share_is_part_of_the_larger_and_features_are_computed_once(cache: Path) -> None:
    def kept(share: float) -> set[tuple[float, ...]]:
        return {tuple(row) for row in prepare(Clouds(select={**PIXELS, "keep": share})).training.data.tolist()}

    few, more, most = kept(0.1), kept(0.5), kept(0.9)
    assert few < more < most
    assert len(list((cache / "features").glob("*/likelihoods-*"))) == 1


@pytest.mark.parametrize("asked", [1.0, {"keep": 1.0, "features": "pixels"}, {"keep": 0.999, "features": "pixels"}])
def test_all_of_them_are_the_dataset_itself(asked: Any) -> None:
    data = prepare(Clouds(select=asked))
    assert data.whole is data


def test_features_are_those_that_a_grid_would_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gan_bench_plugins.metrics.classifier._train", lambda *_: None)  # it takes seconds
    with pytest.warns(
        UserWarning, match="dataset ramp: select by features classifier: the classifier gets .* and can't be told"
    ):
        data = prepare(Ramp(select=0.5))
    assert "by classifier features" in data.chosen[0]
    monkeypatch.setattr(Ramp, "classes", lambda self: None)
    assert "by random features" in prepare(Ramp(select=0.5)).chosen[0]
    assert prepare(Clouds(select=0.5)).fingerprint == prepare(Clouds(select=PIXELS)).fingerprint


def test_bits_do_not_depend_on_the_number_of_threads(tmp_path: Path) -> None:
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            data = prepare(
                Ramp(select={"keep": 0.3, "features": {"name": "random", "width": 8}}), tmp_path / str(threads)
            )
            found.append((data.fingerprint, data.training.data.tolist()))
            (file,) = (tmp_path / str(threads) / "features").glob("*/likelihoods-*")
            found[-1] += (file.read_bytes(),)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]


def test_the_fingerprint_rests_on_the_features(decoded: list[str]) -> None:
    one, other = (prepare(Ramp(select={"keep": 0.5, "features": {"name": "random", "seed": seed}})) for seed in (0, 1))
    assert one.fingerprint != other.fingerprint
    assert one.folder != other.folder
    assert len(decoded) == 1


@pytest.mark.parametrize(
    ("features", "rule"),
    [("classifier", "these data have none. Use features = 'pixels'"), ("clasifier", "no feature extractor is called")],
)
def test_features_that_can_not_be_had_are_told(features: str, rule: str) -> None:
    with pytest.raises(ParameterError, match=rule) as error:
        prepare(Clouds(labelled=False, select={"keep": 0.5, "features": features}))
    assert error.value.parameter == "select"
    assert str(error.value).startswith("dataset clouds: ")


class Own(FeatureExtractor):
    """Of a plugin file."""

    name = "own"
    value: float = 1.0

    def prepare(self, data: Any, cache: Path, device: torch.device) -> NetworkFeatures:
        class Scale(torch.nn.Module):
            def forward(module, samples: torch.Tensor) -> torch.Tensor:
                return samples.flatten(1) * self.value

        return NetworkFeatures(Scale(), "own", data.spec, device, 2, {"value": self.value})


def test_features_come_from_the_registry_that_is_given() -> None:
    registry = Registry()
    registry.found.append(Found("features", "own", Own, "file own.py", Path("own.py")))
    dataset = Clouds(select={"keep": 0.5, "features": "own"})
    assert prepare(dataset, registry=registry).training.data.equal(prepare(Clouds(select=PIXELS)).training.data)
    with pytest.raises(ParameterError, match="no feature extractor is called 'own'"):
        prepare(dataset)
    broken = Clouds(select={"keep": 0.5, "features": {"name": "own", "value": 1e39}})
    with pytest.raises(ParameterError, match="features own have values that are not finite"):
        prepare(broken, registry=registry)
