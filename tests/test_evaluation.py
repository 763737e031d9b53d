"""What is made of the real data is made once, kept, and made again where the file is damaged."""

from __future__ import annotations

import pytest
import torch
from small_runs import CPU

from gan_bench.data import PreparedData, prepare
from gan_bench.evaluation import Evaluator
from gan_bench.plugin import Metric
from gan_bench_plugins.datasets.digits import Digits
from gan_bench_plugins.metrics.fid import FrechetDistance
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
    assert torch.equal(first.reference(Noisy())["drawn"], again.reference(Noisy())["drawn"])
    assert [real.shape for real in made] == [(len(first.data.held_out), 8)]
    assert sorted(file.name.rpartition("-")[0] for file in tmp_path.iterdir()) == ["held-out", "reference-noisy"]


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
    assert plain.reference(Plain()) is plain.real
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
