"""What ends a worker process that can't end by itself: a step that hangs, and a parent that is gone."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from pathlib import Path

HUNG = "Timeout ("  # how faulthandler's report begins
ORPHAN_SECONDS = 30.0  # that a worker without a parent has to save its runs


@contextmanager
def time_limit(seconds: float | None, output: Path) -> Iterator[None]:
    """End this process if what is inside takes longer; where it hung is appended to `output`.

    A thread of C does so, which also works where Python's interpreter is held.
    """
    if seconds is None:
        yield
        return
    with output.open("a") as file:
        faulthandler.dump_traceback_later(seconds, exit=True, file=file)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
    if not output.stat().st_size:
        output.unlink()  # the run prints nothing


def hung_at(output: Path) -> str | None:
    """Where the run that prints to this file hung, None if it did not."""
    text = output.read_text(encoding="utf-8", errors="replace") if output.exists() else ""
    _, mark, rest = text.rpartition(HUNG)
    return mark + rest if mark else None


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
