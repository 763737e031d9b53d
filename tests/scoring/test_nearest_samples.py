"""The training samples nearest to generated ones: found, told and shown."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from fake_store import BASELINE, write_run
from PIL import Image
from sklearn.neighbors import NearestNeighbors
from small_runs import CPU

from gan_bench.api.samples import PreparedData
from gan_bench.data.prepare import prepare
from gan_bench.findings.tables import load
from gan_bench.scoring import neighbours
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.scoring.neighbours import save_neighbours
from gan_bench_plugins.datasets.digits import Digits
from gan_bench_plugins.datasets.ring import Ring
from gan_bench_plugins.metrics.fid import FrechetDistance
from gan_bench_plugins.metrics.pixels import Pixels
from gan_bench_plugins.metrics.random_features import RandomFeatures


@pytest.fixture(scope="module")
def digits() -> PreparedData:
    return prepare(Digits(size=8))


def found(folder) -> tuple[dict, np.ndarray]:
    return json.loads((folder / "neighbours.json").read_text()), np.asarray(Image.open(folder / "neighbours.png"))


def pixels(picture: np.ndarray, row: int, column: int, size: int = 8) -> np.ndarray:
    """One picture of a row: generated in column 0, neighbours after a gap of three pixels."""
    left = column * (size + 1) + (2 if column else 0)
    return picture[row * (size + 1) :][:size, left : left + size]


@pytest.mark.parametrize("extractor", [Pixels(), RandomFeatures()])
def test_neighbours_are_those_of_another_search(digits, tmp_path, extractor):
    evaluator = Evaluator(digits, [FrechetDistance()], extractor, 20, CPU, tmp_path / "cache")
    samples = digits.held_out.batch(torch.arange(20))
    save_neighbours(tmp_path, samples, evaluator)
    facts, picture = found(tmp_path)
    every = evaluator.extraction.extract(
        lambda: iter([digits.training.batch(torch.arange(len(digits.training)))])
    ).double()
    held_out = evaluator.extraction.real().double()
    search = NearestNeighbors(n_neighbors=5).fit(every.numpy())
    distances, indices = search.kneighbors(held_out[:8].numpy())
    assert [row["indices"] for row in facts["rows"]] == indices.tolist()
    assert np.allclose([row["distances"] for row in facts["rows"]], distances)
    assert [row["sample"] for row in facts["rows"]] == list(range(8))
    nearest = search.kneighbors(held_out.numpy(), n_neighbors=1)[0][:, 0]
    assert facts["held_out_median"] == pytest.approx(np.sort(nearest)[(len(nearest) - 1) // 2])
    assert facts["features"] == evaluator.extraction.features.protocol
    assert (facts["training"], facts["searched"]) == (1437, 1437)
    assert picture.shape == (8 * 9 - 1, 6 * 9 - 2 + 3)
    for row in range(8):
        shown = [digits.held_out.data[row], *digits.training.data[indices[row]]]
        assert [pixels(picture, row, i).tolist() for i in range(6)] == [some[0].tolist() for some in shown]
    assert (picture[:, 8:11] == 255).all()


def test_a_copy_has_distance_0_and_stands_first(digits, tmp_path):
    evaluator = Evaluator(digits, [FrechetDistance()], RandomFeatures(), 20, CPU, tmp_path / "cache")
    save_neighbours(tmp_path, digits.training.batch(torch.arange(100, 120)), evaluator)
    facts, _ = found(tmp_path)
    assert [row["indices"][0] for row in facts["rows"]] == list(range(100, 108))
    assert max(row["distances"][0] for row in facts["rows"]) < 1e-4 < facts["held_out_median"]


def test_only_some_of_many_training_samples_are_searched_always_the_same(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(neighbours, "SEARCHED", 50)
    samples = digits.held_out.batch(torch.arange(8))
    for name in ("a", "b"):
        evaluator = Evaluator(digits, [FrechetDistance()], Pixels(), 20, CPU, tmp_path / f"cache {name}")
        save_neighbours(tmp_path / name, samples, evaluator)
    for file in ("neighbours.json", "neighbours.png"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    facts, _ = found(tmp_path / "a")
    assert (facts["searched"], facts["training"]) == (50, 1437)
    shown = {index for row in facts["rows"] for index in row["indices"]}
    assert max(shown) > 50, "not the first of the data, which may lie in order"


def test_samples_that_are_not_finite_have_no_row(digits, tmp_path):
    evaluator = Evaluator(digits, [FrechetDistance()], Pixels(), 20, CPU, tmp_path / "cache")
    samples = digits.held_out.batch(torch.arange(8))
    samples[2, 0, 0, 0] = torch.nan
    save_neighbours(tmp_path, samples, evaluator)
    facts, picture = found(tmp_path)
    assert [row["sample"] for row in facts["rows"]] == [0, 1, 3, 4, 5, 6, 7]
    assert picture.shape[0] == 7 * 9 - 1
    save_neighbours(tmp_path / "none", samples * torch.nan, evaluator)
    assert json.loads((tmp_path / "none" / "neighbours.json").read_text())["rows"] == []
    assert not (tmp_path / "none" / "neighbours.png").exists()


@pytest.mark.parametrize("file", ["neighbours.png", "neighbours.json"])
def test_a_link_in_their_place_is_not_followed(tmp_path, file):
    run = write_run(tmp_path / "runs" / "a", BASELINE, 0, "0" * 64, snapshots=1, steps=100)
    (tmp_path / "secret").write_text("secret")
    place = run / "snapshots" / "step-00000100" / file
    place.unlink(missing_ok=True)
    place.symlink_to(tmp_path / "secret")
    results = load(tmp_path)
    assert results.runs.at[0, "reason"] == f"{file} is a symbolic link, and none is followed in a store"
    assert results.neighbours.empty


def test_points_have_none(tmp_path):
    data = prepare(Ring(training=50, held_out=50))
    evaluator = Evaluator(data, [FrechetDistance()], Pixels(), 20, CPU, tmp_path / "cache")
    evaluator.prepare()
    save_neighbours(tmp_path, data.held_out.data, evaluator)
    assert not list(tmp_path.glob("neighbours*"))
    assert not list((tmp_path / "cache").glob("neighbours*"))


def test_colours_are_kept(tmp_path):
    data = prepare(Digits(size=8, channels=3))
    evaluator = Evaluator(data, [FrechetDistance()], Pixels(), 20, CPU, tmp_path / "cache")
    save_neighbours(tmp_path, data.held_out.batch(torch.arange(3)), evaluator)
    facts, picture = found(tmp_path)
    assert picture.shape == (3 * 9 - 1, 6 * 9 - 2 + 3, 3)
    first = data.training.data[facts["rows"][2]["indices"][4]].permute(1, 2, 0)
    assert pixels(picture, 2, 5).tolist() == first.tolist()
