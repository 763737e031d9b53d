"""The speed that a device has at best, and the work that training is."""

from __future__ import annotations

import json
import time

import pytest
import torch
from small_runs import CPU, make_loop
from torch.utils.flop_counter import FlopCounterMode

from gan_bench.api.data_spec import DataSpec
from gan_bench.training.describe import describe_architecture
from gan_bench.workers import peak as module
from gan_bench.workers.peak import peak, training_flops
from gan_bench_plugins.architectures.dcgan import DCGAN
from gan_bench_plugins.architectures.fcgan import FCGAN


@pytest.fixture(autouse=True)
def _quick(tmp_path, monkeypatch):
    """A cache of its own, and little time."""
    monkeypatch.setenv("GAN_BENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(module, "SECONDS", {"cpu": 0.02, "cuda": 0.02})


def test_is_measured_once_a_machine_and_type(tmp_path):
    assert peak(CPU, "fp32") > 1e8
    peak(CPU, "bf16")
    file = tmp_path / "peak.json"
    known = json.loads(file.read_text())
    assert len(known) == 2
    assert all(torch.__version__ in key for key in known)
    file.write_text(json.dumps(dict.fromkeys(known, 7.0)))
    assert peak(CPU, "fp32") == 7
    assert peak(CPU, "fp32", anew=True) > 1e8
    assert peak(CPU, "bf16") == 7
    file.write_text(json.dumps(dict.fromkeys(known, 1e18)))
    assert peak(CPU, "fp32", anew=True) == 1e18, "the best that was ever reached: a busy moment takes nothing away"


def test_a_peak_of_an_earlier_version_is_not_believed(tmp_path):
    peak(CPU, "fp32")
    file = tmp_path / "peak.json"
    (key,) = json.loads(file.read_text())
    file.write_text(json.dumps({key.rpartition(",")[0]: 7.0}))  # as they were written
    assert peak(CPU, "fp32") > 1e8
    assert len(json.loads(file.read_text())) == 2


def test_the_peak_is_that_of_the_fastest_kernel(monkeypatch):
    seconds = iter([1e-3, 2e-3, 1e-2, 1e-6, 1e-3, 1e-3])
    monkeypatch.setattr(module, "_shortest", lambda *_: next(seconds))
    assert peak(CPU, "fp32") == [flops for flops, _ in module._kernels(CPU, torch.float32)][3] / 1e-6


def test_the_work_of_kernels_is_what_torch_counts():
    for flops, kernel in module._kernels(CPU, torch.float32):
        with FlopCounterMode(display=False) as counter:
            kernel()
        assert counter.get_total_flops() == flops


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"KEY": "fast"}', '{"KEY": null}', '{"KEY": 0.0}', '{"KEY": NaN}'])
def test_a_damaged_cache_is_measured_anew(tmp_path, damage):
    peak(CPU, "fp32")
    file = tmp_path / "peak.json"
    (key,) = json.loads(file.read_text())
    file.write_text(damage.replace("KEY", key))
    assert peak(CPU, "fp32") > 1e8
    assert json.loads(file.read_text())[key] > 1e8


@pytest.mark.slow
def test_the_time_of_loading_a_library_leaves_no_kernel_out(monkeypatch):
    sizes, mm = [], torch.mm

    def slow_at_first(a, b, *, out):
        sizes.append(len(a))
        if len(sizes) == 1:
            time.sleep(2)
        return mm(a, b, out=out)

    monkeypatch.setattr(torch, "mm", slow_at_first)
    monkeypatch.setattr(module, "SECONDS", {"cpu": 1.0, "cuda": 1.0})  # a busy machine is not taken for a slow one
    monkeypatch.setattr(module, "SIZES", {"cpu": (256, 512)})
    monkeypatch.setattr(module, "CONVOLUTIONS", {"cpu": ()})
    peak(CPU, "fp32")
    assert sizes[-1] == 512


def test_leaves_torch_as_it_was():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        state, arithmetic = torch.get_rng_state(), torch.backends.cuda.matmul.fp32_precision
        for dtype in ("fp32", "tf32", "bf16", "fp16"):
            peak(CPU, dtype)
        assert torch.get_num_threads() == 2
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.backends.cuda.matmul.fp32_precision == arithmetic
    finally:
        torch.set_num_threads(threads)


@pytest.mark.gpu
def test_of_a_gpu():
    for dtype in ("bf16", "fp16"):
        assert peak(torch.device("cuda:0"), dtype) > peak(CPU, "fp32")


@pytest.mark.parametrize(("d_steps", "g_per_d"), [(1, 1), (2, 1), (3, 1), (1, 2)])
@pytest.mark.parametrize(("architecture", "bound"), [(DCGAN(), 1.02), (FCGAN(), 1.3)], ids=["dcgan", "fcgan"])
def test_flops_of_training_are_those_counted_and_little_more(architecture, bound, d_steps, g_per_d):
    loop = make_loop(architecture, shape=(1, 28, 28), batch_size=4)
    loop.recipe.d_steps, loop.recipe.g_per_d = d_steps, g_per_d
    with FlopCounterMode(display=False) as counter:
        for _ in range(g_per_d):
            loop.step()
    counted = counter.get_total_flops() / (4 * loop.d_steps)
    networks = describe_architecture(architecture, DataSpec((1, 28, 28)))
    assert 1 <= training_flops(networks, d_steps / g_per_d) / counted < bound
