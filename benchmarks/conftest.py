"""What all benchmarks share."""

from __future__ import annotations

import pytest
import torch


def pytest_xdist_auto_num_workers() -> int:
    """One process: nothing else may run beside what is timed."""
    return 0


@pytest.fixture(autouse=True)
def _one_thread():
    """A run has one thread on the CPU; several are erratic, too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
