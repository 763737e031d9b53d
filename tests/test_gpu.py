"""What needs a GPU: training there, on the same code path, with the same bits after an interruption."""

from __future__ import annotations

import pytest
import torch
from stores import GRID, assert_equal_runs, gan_bench, run_folders, write_grid

from gan_bench.data import prepare
from gan_bench.evaluation import Evaluator
from gan_bench.grid import load_grid
from gan_bench.registry import Registry
from gan_bench.store import RunFolder
from gan_bench.training import Training

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def _deterministic():
    """cuDNN and cuBLAS by deterministic algorithms, so that bits can be compared."""
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = True
    yield
    torch.backends.cudnn.deterministic = before


def test_a_grid_trains_on_the_gpu(tmp_path):
    gan_bench("run", write_grid(tmp_path), "--devices", "cuda:0", cwd=tmp_path)
    for folder in run_folders(tmp_path / "runs" / "toy"):
        assert '"device": "cuda:0"' in (folder / "run.json").read_text()


def test_plan_measures_the_gpu(tmp_path):
    done = gan_bench("plan", write_grid(tmp_path), "--devices", "cuda:0", cwd=tmp_path)
    assert "1 slot on cuda:0" in done.stdout


def test_an_interrupted_run_ends_with_the_same_bits(tmp_path):
    device = torch.device("cuda:0")
    cell = load_grid(write_grid(tmp_path, GRID)).cells[1]
    registry = Registry.load()
    data = prepare(cell.dataset)
    evaluator = Evaluator(data, [registry.create("metric", "fid")], registry.create("features", "random"), 64, device)

    def train(name: str, until: int) -> RunFolder:
        folder = RunFolder(tmp_path / name)
        folder.path.mkdir(exist_ok=True)
        training = Training(cell, 0, (20, 60), folder, data, evaluator, device)
        for _ in training:
            if training.loop.steps == until:
                training.save()
                return folder
        training.finish()
        return folder

    whole = train("whole", 1000)
    for until in (13, 41, 1000):
        parts = train("parts", until)
    assert_equal_runs(parts.path, whole.path)


def test_weights_are_those_of_the_cpu(tmp_path):
    from gan_bench.networks import build_networks
    from gan_bench.streams import Streams

    cell = load_grid(write_grid(tmp_path)).cells[0]
    built = [
        build_networks(cell.architecture, cell.dataset.spec(), Streams(0, torch.device(d))) for d in ("cpu", "cuda:0")
    ]
    for one, two in zip(*(pair[0].state_dict().values() for pair in built), strict=True):
        assert torch.equal(one, two.cpu())
