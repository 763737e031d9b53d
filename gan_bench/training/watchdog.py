"""The end of a process in which a step hangs."""

from __future__ import annotations

import faulthandler
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
