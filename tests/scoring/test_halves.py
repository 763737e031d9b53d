"""The halves of the held-out data: which samples are in them, and what a protocol says of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gan_bench.api.registry import Registry
from gan_bench.api.samples import Samples
from gan_bench.data.prepare import prepare
from gan_bench.errors import GanBenchError
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.scoring.halves import half_of, indices

CPU = torch.device("cpu")
REGISTRY = Registry.load([])


@pytest.fixture(scope="module")
def digits():
    return prepare(REGISTRY.create("dataset", {"name": "digits", "size": 8}))


def test_each_sample_is_in_one_half_and_each_class_in_both():
    labels = torch.randint(0, 7, (501,), generator=torch.Generator().manual_seed(3))
    first, second = (indices(labels, 501, half) for half in ("selection", "test"))
    assert sorted([*first.tolist(), *second.tolist()]) == list(range(501))
    counts = [torch.bincount(labels[half], minlength=7) for half in (first, second)]
    assert (counts[0] - counts[1]).abs().max() <= 1
    assert torch.equal(first, indices(labels, 501, "selection"))
    plain = [indices(None, 9, half) for half in ("selection", "test")]
    assert sorted(torch.cat(plain).tolist()) == list(range(9))
    assert [len(half) for half in plain] == [5, 4]


def test_a_half_has_its_samples_labels_and_a_fingerprint(digits):
    halves = [half_of(digits, half) for half in ("selection", "test")]
    assert sum(len(half.held_out) for half in halves) == len(digits.held_out)
    for half in halves:
        assert half.training is digits.training
        assert len(half.held_out.labels) == len(half.held_out)
    assert len({digits.fingerprint, *(half.fingerprint for half in halves)}) == 3
    with pytest.raises(GanBenchError, match="digits holds out 3 samples, too few to choose by one half"):
        half_of(replace(digits, held_out=Samples(digits.held_out.data[:3], None)), "test")


def test_a_protocol_says_by_which_half_and_scores_rest_on_it_alone(digits, tmp_path):
    made = {}
    for half in (None, "selection", "test"):
        evaluator = Evaluator(
            digits,
            [REGISTRY.create("metric", "fid")],
            REGISTRY.create("features", "pixels"),
            200,
            CPU,
            tmp_path,
            half=half,
        )
        evaluator.prepare()
        made[half] = evaluator.score(digits.training.batch(torch.arange(200)), ("held_out",))[0]
    assert {half: one["protocol"]["split"] for half, one in made.items()} == {
        None: "held out",
        "selection": "selection half of held out",
        "test": "test half of held out",
    }
    real = [one["protocol"]["real"] for one in made.values()]
    assert real[1] + real[2] == real[0] == len(digits.held_out)
    assert len({one["protocol_id"] for one in made.values()}) == 3
    assert len({one["value"] for one in made.values()}) == 3
