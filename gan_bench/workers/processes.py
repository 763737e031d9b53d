"""Where worker processes come from: one process that has imported PyTorch, and is forked for each worker.

So a worker starts in a tenth of a second, and the libraries' memory is shared. Where there is no forking, each worker
starts from nothing.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import wait
from types import ModuleType
from typing import Any

PRELOADED = ["gan_bench.workers.preloaded"]
TERMINAL = [signal.SIGINT, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]  # signals that come from one
SAFE = "PYTHONSAFEPATH"  # in the environment: `python -c` does not look for modules in the current folder


def worker_context() -> Any:
    """How to start workers here."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def warm_up(thresholds: tuple[int, int, int]) -> None:
    """Let the server begin to import, while the caller goes on.

    On Linux it is forked from here once PyTorch is imported, which so is done once, and whose memory both share: but only from
    a process that had no use of PyTorch yet, for a fork takes neither threads nor a GPU along. `thresholds` are those of garbage
    collection that workers have, whatever this process has.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return
    worker_context()
    from multiprocessing import forkserver, resource_tracker, util

    starter: Any = util
    fresh = sys.platform == "linux" and threading.active_count() == 1 and "torch" not in sys.modules
    if fresh:
        import torch  # noqa: F401
    with apart():
        resource_tracker.ensure_running()  # which is an interpreter of its own in any case
        start = starter.spawnv_passfds
        starter.spawnv_passfds = partial(_fork, start, thresholds) if fresh else start
        try:
            forkserver.ensure_running()
        finally:
            starter.spawnv_passfds = start


def _fork(start: Any, thresholds: tuple[int, int, int], path: str, args: list[Any], passed: list[int]) -> int:
    """In place of `start`, `multiprocessing.util.spawnv_passfds`: a fork of this process runs the code that `python -c` would."""
    from multiprocessing import forkserver, resource_tracker, util

    starter: Any = util
    starter._flush_std_streams()  # else both would write what they hold
    # An exception of a handler's would leave here, and the caller's code would run twice.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {*TERMINAL, signal.SIGTERM})
    try:
        if child := os.fork():
            return child
        code = 1
        try:
            ignore_the_terminal()
            starter.spawnv_passfds = start
            gc.set_threshold(*thresholds)
            for number in map(int, os.listdir("/proc/self/fd")):
                if number > 2 and number not in passed:
                    with suppress(OSError):  # the listing's own
                        os.close(number)
            known: list[Any] = [forkserver._forkserver, resource_tracker._resource_tracker]
            for one in known:  # nothing of them is this process's, and a lock is held
                vars(one).update(vars(type(one)()))
            at = args.index("-c") + 1
            sys.argv = ["-c", *args[at + 1 :]]
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            exec(args[at], {})
            code = 0
        except SystemExit:
            code = 0
        except BaseException:  # noqa: BLE001 - told as an interpreter would, and no more of the caller is run
            traceback.print_exc()
        finally:
            os._exit(code)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def server() -> int | None:
    """The number of the process that starts workers, if one does."""
    from multiprocessing import forkserver

    number: int | None = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    return number


def has_ended(child: int | None, within: float = 0.0) -> bool:
    """Whether a child of this process has ended, or does so in so many seconds: its files are closed some time before."""
    if child is None or not hasattr(os, "waitid"):  # which macOS has from Python 3.13
        return False
    deadline = time.monotonic() + within
    try:
        while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.01)
    except ChildProcessError:
        pass  # it is buried already
    return True


@contextmanager
def apart() -> Iterator[None]:
    """Processes started here, and theirs, import neither the caller's script nor what lies in the current folder.

    They need nothing of the script, and one without `if __name__ == "__main__":` would start the grid in each of them. The
    folder may be a stranger's, with a `random.py`, and `python -c`, by which they are started, looks there first.
    """
    main, path, safe = sys.modules["__main__"], sys.path, os.environ.get(SAFE)
    sys.modules["__main__"], sys.path, os.environ[SAFE] = ModuleType("__main__"), _path_elsewhere(), "1"
    try:
        yield
    finally:
        sys.modules["__main__"], sys.path = main, path
        if safe is None:
            del os.environ[SAFE]
        else:
            os.environ[SAFE] = safe


def _path_elsewhere() -> list[str]:
    """`sys.path`, which processes get, without the current folder where that would be asked before the standard library."""
    standard = os.path.dirname(os.__file__)
    first = sys.path.index(standard) if standard in sys.path else len(sys.path)
    asked_for = {os.path.abspath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry}
    return [
        entry
        for place, entry in enumerate(sys.path)
        if not _is_here(entry) or (entry and place > first) or os.path.abspath(entry) in asked_for
    ]


def _is_here(entry: str) -> bool:
    try:
        return os.path.samefile(entry or ".", ".")
    except OSError:  # it is not there
        return False


@contextmanager
def on_stop(handler: Callable[[int, Any], object]) -> Iterator[None]:
    """Ctrl-C, SIGTERM and the end of the terminal call the handler; what `nohup` has this process ignore stays ignored."""
    ignored = {number for number in TERMINAL if number != signal.SIGINT and signal.getsignal(number) == signal.SIG_IGN}
    before = {number: signal.signal(number, handler) for number in {*TERMINAL, signal.SIGTERM} - ignored}
    try:
        yield
    finally:
        for number, own in before.items():
            signal.signal(number, own)


def ignore_the_terminal() -> None:
    """Ctrl-C, and the end of a terminal, reach the whole group: what is to be done then, the parent says."""
    for number in TERMINAL:
        signal.signal(number, signal.SIG_IGN)


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
