"""What all tests share."""

from __future__ import annotations

import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests compare bits, and worker processes use one thread


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Datasets and features are cached in a folder of this test session, never in the user's."""
    os.environ["GAN_BENCH_CACHE"] = str(tmp_path_factory.mktemp("cache"))


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Tests run in two processes, for many of them wait for processes of their own; those of a GPU in one."""
    return 0 if config.getoption("markexpr") == "gpu" else 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need a GPU are skipped, with the reason, where there is none."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="no CUDA device here"))
