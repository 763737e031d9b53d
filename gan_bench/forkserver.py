"""Where worker processes come from: one process that has imported PyTorch, and is forked for each worker.

So a worker starts in a tenth of a second, and the libraries' memory is shared. Where there is no forking, each worker
starts from nothing.
"""

from __future__ import annotations

import multiprocessing
from typing import Any

PRELOADED = ["gan_bench.preloaded"]


def worker_context() -> Any:
    """How to start workers here."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def warm_up() -> None:
    """Let the server begin to import, while the caller does so too."""
    if "forkserver" in multiprocessing.get_all_start_methods():
        worker_context()
        from multiprocessing.forkserver import ensure_running

        ensure_running()
