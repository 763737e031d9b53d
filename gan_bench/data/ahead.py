"""Work that several processes do at once, in order, with no more of it in memory than they need."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any, TypeVar

from gan_bench.errors import GanBenchError

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(function: Callable[[Item], Result], items: Sequence[Item], workers: int) -> Iterator[Result]:
    """What a function gives for each item, computed by forked processes (threads where forking is not safe).

    GanBenchError: the function's own. If processes die (for want of memory, say), the rest is computed in this one.
    """
    done = 0
    if workers > 1 and len(items) > 1:
        pool, call = _pool(function, workers)
        waiting: deque[Future[Any]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(call, item))
                if len(waiting) > 2 * workers:
                    yield _result(waiting.popleft())
                    done += 1
            while waiting:
                yield _result(waiting.popleft())
                done += 1
        except BrokenProcessPool:
            pass  # the rest follows below
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    yield from map(function, items[done:])


def _pool(function: Callable[[Any], Any], workers: int) -> tuple[Executor, Callable[[Any], Any]]:
    """What does the work, and what it is to call with each item."""
    if sys.platform == "linux":
        forked = multiprocessing.get_context("fork")  # so that a plugin of any file is there, and nothing is sent
        return ProcessPoolExecutor(workers, forked, _begin, (function, os.getpid())), _call_own
    return ThreadPoolExecutor(workers), partial(_call, function)


_function: Callable[[Any], Any]  # in a forked process: what it is for


def _begin(function: Callable[[Any], Any], parent: int) -> None:
    """In a forked process: never outlive the parent, which alone is interrupted."""
    global _function
    _function = function
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _call_own(item: Any) -> Any:
    return _call(_function, item)


def _call(function: Callable[[Any], Any], item: Any) -> Any:
    """A result, or the text of an error. (Not all exceptions can be sent.)"""
    try:
        return function(item), None
    except GanBenchError as error:
        return None, str(error)


def _result(future: Future[Any]) -> Any:
    result, error = future.result()
    if error is not None:
        raise GanBenchError(error)
    return result
