"""Blocks of steps as graphs, on a CPU: a stand-in for CUDA's graphs shows what the host has to count."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch
from small_runs import open_run
from stores import GRID, assert_equal_runs, write_grid

from gan_bench.api.registry import Registry
from gan_bench.api.samples import Samples
from gan_bench.data.batches import AHEAD, Batches
from gan_bench.data.prepare import prepare
from gan_bench.grid import load_grid
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.store.documents import Document, read_object, write_object
from gan_bench.training.steps import Steps
from gan_bench.training.training import Training


class StandIn:
    """Records and replays as a CUDA graph does: recording changes nothing but what the host counts, a replay all else."""

    def __init__(self, training: Training) -> None:
        self.training = training
        self.captured = self.replayed = 0

    def __call__(self, function):
        training = self.training
        steps, batches, before = training.steps, training.batches, copy.deepcopy(training.state_dict())
        position = batches._position.clone()
        function()
        counted = steps.counts()
        batches._position.copy_(position)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(batches, "load_state_dict", lambda state: None)  # its position is put back already
            training.load_state_dict(before)
        steps.count_back(counted)
        self.captured += 1

        def replay() -> None:
            self.replayed += 1
            host = steps.counts()
            function()
            steps.count_back(host)

        return replay


def train(folder: Path, tricks: str, capture=None) -> Training:
    """A run of a small grid; `capture(training)` makes its graphs."""
    grid = write_grid(folder.parent, GRID.partition("[[compare]]")[0], seeds=f"tricks = {tricks}")
    cell, registry, device = load_grid(grid).cells[0], Registry.load(), torch.device("cpu")
    data = prepare(cell.dataset)
    evaluator = Evaluator(data, [registry.create("metric", "fid")], registry.create("features", "random"), 64, device)
    training = open_run(cell, (23, 80), folder, data, evaluator)
    if capture:
        batches = Batches(data.training, cell.batch_size, 0, training.batches.memory, resident=True)
        training.batches = training.loop.next_real = batches
        training.steps = Steps(training.loop, capture(training))
    for _ in training:
        pass
    training.finish()
    return training


@pytest.mark.parametrize(
    "tricks",
    [
        "[]",
        '["ema", "spectral_norm"]',
        '[{ name = "d_every", n = 3 }]',
        pytest.param('["wgan_gp"]', marks=pytest.mark.slow),
        '[{ name = "r1", every = 4 }]',
        pytest.param(
            '["extra_gradient", "schedule", "history", { name = "lookahead", k = 3 }]', marks=pytest.mark.slow
        ),
        pytest.param('["optimistic", "ragan", "top_k"]', marks=pytest.mark.slow),
        pytest.param('["saturating", { name = "unrolled", steps = 2 }]', marks=pytest.mark.slow),
        pytest.param('["wgan_clip"]', marks=pytest.mark.slow),
        '["ema"]\nprecision = "fp16"',
    ],
)
def test_replayed_blocks_train_the_same_bits_and_count_the_same(tmp_path, tricks):
    plain = train(tmp_path / "plain", tricks)
    graphed = train(tmp_path / "graphed", tricks, StandIn)
    assert graphed.steps.capture.replayed >= 5
    assert graphed.counters().keys() == plain.counters().keys()
    results = [json.loads((run.folder.result_file).read_text()) for run in (plain, graphed)]
    assert [result.pop("graphs")["captured"] for result in results] == [False, True]
    for run in (plain, graphed):  # all else is equal
        write_object(
            run.folder.result_file, {**read_object(run.folder.result_file, Document).as_json(), "graphs": None}
        )
    assert_equal_runs(tmp_path / "plain", tmp_path / "graphed")


def test_what_cannot_be_captured_goes_on_step_by_step_and_says_why(tmp_path):
    def refuse(training: Training):
        stand_in = StandIn(training)  # a capture that fails has changed nothing on the device either

        def failing(function):
            stand_in(function)
            raise RuntimeError("operation not permitted when stream is capturing")

        return failing

    plain = train(tmp_path / "plain", "[]")
    eager = train(tmp_path / "eager", "[]", refuse)
    reason = json.loads(eager.folder.result_file.read_text())["graphs"]
    assert not reason["captured"]
    assert reason["reason"].endswith("RuntimeError: operation not permitted when stream is capturing")
    for a, b in zip(plain.recipe.generator.parameters(), eager.recipe.generator.parameters(), strict=True):
        assert torch.equal(a, b)


def test_out_of_memory_while_capturing_is_not_the_plugins_fault(tmp_path):
    def capture(function):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        train(tmp_path / "run", "[]", lambda training: capture)


@pytest.mark.parametrize("count", [40, 64, 50_000])
def test_a_device_takes_the_batches_that_the_host_would_give_it(count):
    numbers = torch.arange(count, dtype=torch.float32).view(count, 1)
    plain, resident = (Batches(Samples(numbers, None), 16, 0, torch.contiguous_format, r) for r in (False, True))
    for taken in range(2 * AHEAD + 3):
        if taken % 50 == 0:
            states = [batches.state_dict() for batches in (plain, resident)]
            assert torch.equal(states[0]["order"], states[1]["order"])
            assert torch.equal(states[0]["left"], states[1]["left"])
            again = Batches(Samples(numbers, None), 16, 1, torch.contiguous_format, resident=True)
            again.load_state_dict(states[0])
        batch = plain()
        assert torch.equal(batch, resident())
        if taken % 50 == 0:
            assert torch.equal(batch, again())
