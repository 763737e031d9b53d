"""The peak of a run's memory: its own alone, and none where it can't be told."""

from __future__ import annotations

import sys

import pytest
import torch

from gan_bench.training import meters as peak_memory
from gan_bench.training.meters import PeakMemory

MIB = 2**20
CPU = torch.device("cpu")


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process begins anew on Linux only")
def test_each_peak_is_its_own():
    large = PeakMemory(CPU)
    block = torch.ones(256 * MIB, dtype=torch.uint8)
    del block
    first = large.end()
    if first is None:
        pytest.skip("this process may not reset its peak")
    second = PeakMemory(CPU).end()
    assert first - second > 200 * MIB


def test_runs_that_share_a_process_have_none():
    first, second = PeakMemory(CPU), PeakMemory(CPU)
    assert (first.end(), second.end()) == (None, None)
    assert not PeakMemory(CPU).shared


def test_none_where_the_system_does_not_tell(monkeypatch, tmp_path):
    monkeypatch.setattr(peak_memory, "PROCESS", tmp_path / "none")
    assert PeakMemory(CPU).end() is None
