"""Files that are damaged or hostile, told in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gan_bench.errors import GanBenchError, message

FILE_BYTES = 2**28  # of a picture's file; more is not read


@contextmanager
def damage_told(place: object) -> Iterator[None]:
    """GanBenchError in place of whatever damaged or hostile bytes make the readers of files raise."""
    try:
        yield
    except GanBenchError:
        raise
    except Exception as error:
        raise GanBenchError(f"{place} can't be read: {reason_of(error)}") from error


def reason_of(error: Exception) -> str:
    """What is wrong, as the reader of a file says it."""
    said = str(error) if isinstance(error, ValueError) else getattr(error, "strerror", None)
    return " ".join((said or message(error)).split())


def check_file_size(size: int) -> None:
    """ValueError: no picture's file has so many bytes."""
    if size > FILE_BYTES:
        raise ValueError(f"it has {size:,} bytes; a picture has at most {FILE_BYTES:,}")
