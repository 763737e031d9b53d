"""Ctrl-C, also while a library is imported."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPED = "Stopped. The same command goes on from here."
CODE = 130  # as shells have it of SIGINT
IMPORTING = "<frozen importlib._bootstrap>"  # the file of each import's frames
SHOW_CURSOR = b"\x1b[?25h"  # which a line of progress hides


@contextmanager
def leaving_imports() -> Iterator[None]:
    """Ctrl-C is a KeyboardInterrupt, as ever, but within an import the process's end: libraries swallow exceptions there, or make
    other errors of them.

    That is safe wherever being killed is. Where somebody else handles Ctrl-C, or has it ignored, it stays so.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def stop(_: int, frame: FrameType | None) -> None:
    """A handler of signals: KeyboardInterrupt, or within an import the process's end."""
    while frame is not None:
        if frame.f_code.co_filename == IMPORTING:
            try:
                os.write(2, (SHOW_CURSOR if os.isatty(2) else b"") + f"{STOPPED}\n".encode())
            finally:  # whether anybody reads it or not
                os._exit(CODE)
        frame = frame.f_back
    raise KeyboardInterrupt
