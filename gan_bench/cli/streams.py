"""Standard streams as a command needs them: closed, full, unread or of a small alphabet, they cost a line, never a traceback."""

from __future__ import annotations

import codecs
import errno
import io
import os
import select
import sys
from typing import IO, Any

import click

PLAIN = str.maketrans(  # what reports and tables are written with
    {"–": "-", "—": "-", "−": "-", "\u202f": " ", "’": "'", "‘": "'", "“": '"', "”": '"', "…": "..."}
    | {"×": "x", "±": "+-", "·": "*", "≠": "!=", "≥": ">=", "≤": "<=", "→": "->"}
)


class Unprintable(click.ClickException):
    """Standard output takes no more."""

    exit_code = 2


class Unread(Unprintable):
    """Its reader has gone, as `head` does, which is no fault: silent, with what a shell says of one ended by SIGPIPE."""

    exit_code = 128 + 13

    def show(self, file: IO[Any] | None = None) -> None:
        pass


class StandardError(io.FileIO):
    """Takes everything, also where it gets lost: what only tells of the work must not stop it."""

    def write(self, data: Any) -> int:
        try:
            while (written := super().write(data)) is None:  # somebody has made it non-blocking
                select.select([], [self], [])
            return written
        except OSError as error:
            self.failed(error)
            return len(data)

    def failed(self, error: OSError) -> None:
        """What is written is lost."""


class StandardOutput(StandardError):
    """Unprintable: what is written is lost. Told once, so that Python's end, which writes the rest, is quiet."""

    told = False

    def failed(self, error: OSError) -> None:
        if not self.told:
            self.told = True
            kind = Unread if error.errno == errno.EPIPE else Unprintable
            raise kind(f"standard output: {error.strerror}") from error


def plain(error: UnicodeError) -> tuple[str, int]:
    """The error handler of encoders: an ASCII sign for what the alphabet lacks, else its escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(PLAIN)
    return text.encode("ascii", "backslashreplace").decode(), error.end


def guard() -> None:
    """Put such streams into the place of this process's own."""
    if os.name == "nt":
        return  # a console there is no file
    codecs.register_error("plain", plain)
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # closed: the next file that is opened would be what everybody prints into
            os.set_inheritable(os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY), True)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    if sys.stdout is sys.__stdout__:
        sys.stdout = _text(StandardOutput(1, "w", closefd=False), sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(StandardError(2, "w", closefd=False), sys.stderr)


def _text(raw: StandardError, before: Any) -> io.TextIOWrapper:
    buffer = io.BufferedWriter(raw)
    line_buffering = raw.fileno() == 2 or raw.isatty()
    return io.TextIOWrapper(buffer, getattr(before, "encoding", None), "plain", line_buffering=line_buffering)
