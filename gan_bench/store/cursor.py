"""How far a tracker has been told of a store's runs: one small file a run, in `.track/` of the store.

A process that tells may be killed before it has written down what it told. So it writes first how far it is about to tell
(`begun`), and whoever finds a cursor knows what was surely told, and up to which step that can't be known.
"""

from __future__ import annotations

import hashlib
import math
from contextlib import suppress
from pathlib import Path

from pydantic import Field

from gan_bench.store.documents import Document, Whole, read_object, write_object
from gan_bench.store.trust import strange_part

FOLDER = ".track"  # in the store


class Cursor(Document):
    """What was told of one run."""

    run: str  # its id
    begun: Whole = 0  # the last step of anything that was told, or perhaps told
    curves: Whole = 0  # the step of the last window of its curves
    snapshots: dict[str, list[Whole]] = Field(default_factory=dict)  # by name of a score or picture the steps
    state: str = ""  # how it stood, as a hash


class Cursors:
    """Those of one tracker at one place."""

    def __init__(self, store: Path, tracker: str, place: str) -> None:
        self.folder = store / FOLDER / f"{tracker}-{hashlib.sha256(place.encode()).hexdigest()[:8]}"

    def read(self, name: str, run: str, *, known: bool) -> tuple[Cursor, float]:
        """The cursor of the run folder of this name, and the step up to which what it lacks may have been told.

        `known` says whether the tracker has the run: if not, nothing was told that is still there.
        """
        file, found = self._file(name), None
        if known and not strange_part(file):
            with suppress(ValueError):  # it is damaged, and the tracker is asked what it has
                found = read_object(file, Cursor)
        if found is None or found.run != run:
            return Cursor(run=run), math.inf if known else -1
        return found, found.begun

    def write(self, name: str, cursor: Cursor) -> None:
        """Keep a cursor."""
        write_object(self._file(name), cursor.model_dump())

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.json"
