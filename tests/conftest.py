"""What all tests share."""

from __future__ import annotations

import os
import signal

import fuzz
import pytest
from browser import address, browser, page, visit  # noqa: F401 - fixtures

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests compare bits, and worker processes use one thread
SECONDS, SLOW_SECONDS = 300, 1200  # that a test may take where nothing else is said, on a busy machine


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz", type=int, default=1, metavar="TIMES", help="so many times the inputs of fuzz tests")


def pytest_configure(config: pytest.Config) -> None:
    fuzz.times = config.getoption("fuzz")
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:  # in a shell's background, under nohup
            signal.signal(number, lambda *_: None)  # ignored still, but not by the commands that tests start


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Datasets and features are cached in a folder of this test session, common to its processes; never in the user's."""
    base = tmp_path_factory.getbasetemp()
    common = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    os.environ["GAN_BENCH_CACHE"] = str(common / "cache")


@pytest.fixture(scope="session")
def parts():
    """What small real runs need: a registry, data and an evaluator."""
    from small_runs import small_parts

    return small_parts()


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Tests run in two processes, for many of them wait for processes of their own; those of a GPU in one."""
    return 0 if config.getoption("markexpr") == "gpu" else 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test has a time limit. Tests that need a GPU are skipped, with the reason, where there is none."""
    for item in items:
        if not item.get_closest_marker("timeout"):
            seconds = SLOW_SECONDS if item.get_closest_marker("slow") else SECONDS
            item.add_marker(pytest.mark.timeout(seconds * fuzz.times))
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="no CUDA device here"))
