"""A training step of gan-bench against the usual hand-written PyTorch loop, on the same networks and data.

pytest benchmarks/test_training_step.py

The usual loop is that of PyTorch's own DCGAN example: a DataLoader, D on real, D on fake, then G, each backward through all
of D, default Adam, both losses read every step. It is timed with one thread, as gan-bench's is; its best thread count on
a whole machine is compared by `python benchmarks/whole_machine.py`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parent))
from loops import CASES, ours, usual


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("loop", [usual, ours], ids=lambda f: f.__name__)
def test_step(benchmark, case, loop):
    benchmark.group = case
    step, batch_size = loop(case)
    benchmark.pedantic(step, rounds=15, warmup_rounds=3)
    benchmark.extra_info["images_per_second"] = batch_size / benchmark.stats.stats.median
