"""What needs a GPU: training there, on the same code path, with the same bits after an interruption."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest
import torch
from small_runs import open_run
from stores import GRID, assert_equal, assert_equal_runs, gan_bench, run_folders, write_grid
from victim import Victim

from gan_bench.api.global_state import tf32_products
from gan_bench.api.randomness import Streams
from gan_bench.api.registry import Registry
from gan_bench.data.prepare import prepare
from gan_bench.grid import load_grid
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.training import loss_scale
from gan_bench.training.networks import build_networks
from gan_bench.training.training import Slot, Training

pytestmark = pytest.mark.gpu

TRICKS = [
    "[]",
    '["ema", "spectral_norm"]',
    '[{ name = "d_every", n = 3 }]',
    '["wgan_gp"]',
    '[{ name = "r1", every = 4 }]',
    '["extra_gradient", "schedule", "history", { name = "lookahead", k = 3 }]',
    '["optimistic", "ragan", "top_k"]',
    '["saturating", { name = "unrolled", steps = 2 }]',
    '["wgan_clip"]',
]
READS = '''
from gan_bench import Trick, hookimpl


class Reads(Trick):
    """Reads a number back from the device in every step, which no graph can hold."""

    name = "reads"

    def edit(self, recipe):
        recipe.after_g_step(lambda: recipe.fake_logits.mean().item())


@hookimpl
def gan_bench_tricks():
    return [Reads]
'''


@pytest.fixture(autouse=True)
def _deterministic():
    """cuDNN and cuBLAS by deterministic algorithms, so that bits can be compared."""
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = True
    with tf32_products(False):
        yield
    torch.backends.cudnn.deterministic = before


def make(
    folder: Path, tricks: str = "[]", precision: str = "fp32", *, graphs: bool = True, plugins=(), dataset: str = ""
) -> Training:
    """A run on the GPU that has not begun; `dataset` are further parameters of its data."""
    settings = f'tricks = {tricks}\nprecision = "{precision}"'
    grid = write_grid(folder.with_name("grid"), GRID.partition("[[compare]]")[0], seeds=settings)
    overrides = [f"dataset.{one}" for one in dataset.split()]
    cell, registry, device = (
        load_grid(grid, registry_files=plugins, overrides=overrides).cells[0],
        Registry.load(),
        torch.device("cuda:0"),
    )
    data = prepare(cell.dataset)
    evaluator = Evaluator(data, [registry.create("metric", "fid")], registry.create("features", "random"), 64, device)
    return open_run(cell, (23, 120), folder, data, evaluator, slot=Slot(device, graphs=graphs))


def finish(training: Training) -> Training:
    """Train a run to its end."""
    for _ in training:
        pass
    training.finish()
    return training


def assert_equal_ends(a: Training, b: Training) -> None:
    """Equal checkpoints, curves and scores, whether or not by graphs."""
    assert_equal(a.folder.load_checkpoint()[0], b.folder.load_checkpoint()[0])
    for file in ("scores.json", "samples.png"):
        for step in (23, 120):
            one, two = ((run.folder.snapshot(step) / file) for run in (a, b))
            if file.endswith("json"):
                assert_equal(json.loads(one.read_text()), json.loads(two.read_text()))
            else:
                assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("tricks", TRICKS)
def test_graphs_train_the_bits_of_single_steps(tmp_path, tricks):
    graphed, eager = finish(make(tmp_path / "a", tricks)), finish(make(tmp_path / "b", tricks, graphs=False))
    assert graphed.steps.reason is None, graphed.steps.reason
    assert eager.steps.reason is not None
    assert_equal_ends(graphed, eager)


def test_graphs_take_mirrored_and_repeated_samples(tmp_path):
    chosen = "subset=100 balance=true flip=true"
    graphed, eager = (finish(make(tmp_path / str(on), graphs=on, dataset=chosen)) for on in (True, False))
    assert graphed.steps.reason is None, graphed.steps.reason
    assert_equal_ends(graphed, eager)


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16", "fp16"])
def test_packed_runs_train_the_bits_of_lone_ones(tmp_path, precision):
    alone = [finish(make(tmp_path / f"alone {i}", tricks, precision)) for i, tricks in enumerate(TRICKS)]
    packed = [make(tmp_path / f"packed {i}", tricks, precision) for i, tricks in enumerate(TRICKS)]
    turns = [iter(training) for training in packed]
    while turns:
        for turn in list(turns):
            if next(turn, None) is None:
                turns.remove(turn)
    for one, two in zip(alone, packed, strict=True):
        assert two.steps.reason is None, two.steps.reason
        assert_equal_ends(one, two)


@pytest.mark.parametrize("tricks", ["[]", '["ema", "clip_gradients"]', '["extra_gradient"]', '["wgan_gp"]'])
def test_graphs_hold_a_loss_scale_and_the_updates_that_it_skips(tmp_path, monkeypatch, tricks):
    monkeypatch.setattr(loss_scale, "START", 2.0**20)  # the first updates are skipped
    monkeypatch.setattr(loss_scale, "PATIENCE", 7)  # and so are others, once the scale has risen again
    graphed, eager = (finish(make(tmp_path / str(on), tricks, "fp16", graphs=on)) for on in (True, False))
    assert graphed.steps.reason is None, graphed.steps.reason
    assert all(0 < row["skipped_d"] < 1 for row in graphed.curves.rows)
    assert_equal_ends(graphed, eager)


EDITS = '''
import torch
from torch import nn

from gan_bench import Trick, hookimpl


class Decay(Trick):
    """The learning rates fall with every step."""

    name = "decay"

    def edit(self, recipe):
        for network, settings in recipe.optimizer.items():
            first = settings["lr"]
            rate = settings["lr"] = recipe.register(network, torch.tensor(first, device=recipe.step.device))
            recipe.after_g_step(lambda rate=rate, first=first: rate.copy_(first / (1 + 0.1 * recipe.step)))


class Bent(Trick):
    """Both networks go on in one more layer."""

    name = "bent"

    def edit(self, recipe):
        recipe.generator = nn.Sequential(recipe.generator, nn.Conv2d(1, 1, 3, padding=1), nn.Tanh())
        recipe.discriminator = nn.Sequential(recipe.discriminator, nn.Linear(1, 1))


@hookimpl
def gan_bench_tricks():
    return [Decay, Bent]
'''


@pytest.mark.parametrize("tricks", ['["decay"]', '["ema", "bent"]'])
def test_schedules_and_replaced_networks_are_captured_and_resumed(tmp_path, tricks):
    plugin = tmp_path / "edits.py"
    plugin.write_text(EDITS)
    graphed = finish(make(tmp_path / "a", tricks, plugins=[plugin]))
    eager = finish(make(tmp_path / "b", tricks, graphs=False, plugins=[plugin]))
    assert graphed.steps.reason is None, graphed.steps.reason
    assert_equal_ends(graphed, eager)
    parts = make(tmp_path / "parts", tricks, plugins=[plugin])
    for _ in parts:
        if parts.loop.steps >= 41:
            parts.save()
            break
    assert_equal_ends(finish(make(tmp_path / "parts", tricks, plugins=[plugin])), graphed)


def test_what_no_graph_can_hold_is_trained_step_by_step_and_said(tmp_path):
    plugin = tmp_path / "reads.py"
    plugin.write_text(READS)
    plain, reads = finish(make(tmp_path / "a")), finish(make(tmp_path / "b", '["reads"]', plugins=[plugin]))
    assert not json.loads(reads.folder.result_file.read_text())["graphs"]["captured"]
    for one, two in zip(plain.loop.g_parameters, reads.loop.g_parameters, strict=True):
        assert torch.equal(one, two)


def test_an_interrupted_run_ends_with_the_same_bits(tmp_path):
    whole = finish(make(tmp_path / "whole", TRICKS[1]))
    for until in (13, 41, 77):
        training = make(tmp_path / "parts", TRICKS[1])
        for _ in training:
            if training.loop.steps >= until:
                training.save()
                break
    assert_equal_ends(finish(make(tmp_path / "parts", TRICKS[1])), whole)


def test_a_grid_trains_on_slots_of_the_gpu(tmp_path):
    grid = write_grid(tmp_path, GRID, seeds='seeds = "0-2"')
    gan_bench("run", grid, "--devices", "cuda:0", "--slots", "4", "--out", "packed", cwd=tmp_path)
    gan_bench("run", grid, "--devices", "cuda:0", "--slots", "1", "--out", "alone", cwd=tmp_path)
    gan_bench("run", grid, "--devices", "cuda:0", "--out", "measured", cwd=tmp_path)
    packed = run_folders(tmp_path / "packed")
    assert len(packed) == 6
    for folder in packed:
        assert '"device": "cuda:0"' in (folder / "run.json").read_text()
        assert json.loads((folder / "result.json").read_text())["graphs"]["captured"]
        for other in ("alone", "measured"):
            assert_equal_runs(folder, tmp_path / other / "runs" / folder.name)


def test_killed_at_random_instants_it_ends_with_the_same_bits(tmp_path):
    grid = write_grid(tmp_path, GRID, seeds='seeds = "0-2"', steps="steps = 2000")
    options = ("--devices", "cuda:0", "--slots", "3")
    began = time.monotonic()
    gan_bench("run", grid, "--out", "whole", *options, cwd=tmp_path)
    seconds, chance = time.monotonic() - began, random.Random(0)
    victim = Victim(tmp_path, tmp_path / "whole", grid, *options)
    while victim.kills < 3:
        victim.kill_after(chance.uniform(4, 4 + seconds), chance)
    victim.finish_and_compare("killed thrice")


def test_plan_measures_the_gpu(tmp_path):
    done = gan_bench("plan", write_grid(tmp_path), "--devices", "cuda:0", cwd=tmp_path)
    assert "1 slot on cuda:0" in done.stdout


def test_weights_are_those_of_the_cpu(tmp_path):
    cell = load_grid(write_grid(tmp_path)).cells[0]
    built = [
        build_networks(cell.architecture, cell.dataset.spec(), Streams(0, torch.device(d))) for d in ("cpu", "cuda:0")
    ]
    for one, two in zip(*(pair[0].state_dict().values() for pair in built), strict=True):
        assert torch.equal(one, two.cpu())
