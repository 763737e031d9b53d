"""Where worker processes come from: one process that has imported PyTorch, and is forked for each worker.

So a worker starts in a tenth of a second, and the libraries' memory is shared. Where there is no forking, each worker
starts from nothing.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from types import ModuleType
from typing import Any

PRELOADED = ["gan_bench.workers.preloaded"]


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

        with without_main():
            ensure_running()


@contextmanager
def without_main() -> Iterator[None]:
    """Processes started here don't import the caller's script again.

    They need nothing of it, and a script without `if __name__ == "__main__":` would start the grid in each of them.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


ORPHAN_SECONDS = 30.0  # that a worker without a parent has to save its runs


def end_with_parent() -> None:
    """Stop this process, as SIGTERM does, when its parent has ended; at once if it does not obey."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            wait([parent.sentinel])
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(ORPHAN_SECONDS)
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
