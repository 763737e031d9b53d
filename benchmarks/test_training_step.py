"""A training step of gan-bench against the usual hand-written PyTorch loop, on the same networks and data.

pytest benchmarks/test_training_step.py

The usual loop is timed with one thread, as gan-bench's is; its best thread count on a whole machine is compared by
`gan-bench bench`.
"""

from __future__ import annotations

import pytest
import torch

from gan_bench.bench.cases import cases
from gan_bench.bench.contestants import engine, usual

BATCH, CPU = 64, torch.device("cpu")
BUILD = {"usual": lambda case: usual(case, BATCH, CPU), "ours": lambda case: engine(case, BATCH, CPU, 1, "fp32")}


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.title)
@pytest.mark.parametrize("loop", BUILD)
def test_step(benchmark, case, loop):
    benchmark.group = case.title
    benchmark.pedantic(BUILD[loop](case), rounds=15, warmup_rounds=3)
    benchmark.extra_info["images_per_second"] = BATCH / benchmark.stats.stats.median
