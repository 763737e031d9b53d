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

ORPHAN_SECONDS = 30.0  # that a worker without a parent has to save its runs


@contextmanager
def time_limit(seconds: float | None, place: Path) -> Iterator[None]:
    """End this process if what is inside takes longer; where it hung is written to the file `place`.

    A thread of C does so, which also works where Python's interpreter is held.
    """
    if seconds is None:
        yield
        return
    with place.open("w") as file:
        faulthandler.dump_traceback_later(seconds, exit=True, file=file)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


def hung_at(place: Path) -> str | None:
    """Where a run hung, None if it did not; the file is deleted."""
    text = place.read_text(encoding="utf-8", errors="replace") if place.exists() else ""
    place.unlink(missing_ok=True)
    return text or None


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
