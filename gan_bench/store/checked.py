"""Finished runs of which everything has been read and found sound: a resume need not open a file of them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gan_bench.store.documents import ResultDocument
from gan_bench.store.index import FEWEST, FOLDER, read_part, still_so, write_part
from gan_bench.store.places import Places
from gan_bench.store.state import Columns, RunState, Snapshot

FILE = "checked.json"
HEAD = b"gan-bench checked 1"


@dataclass(frozen=True)
class Checked:
    """What was found of a finished run."""

    stamp: str  # of its folder, before it was read
    identity: str
    seed: int
    settings: str  # their hash
    counts: tuple[int, int, int]  # steps, d_steps, images
    snapshots: dict[int, frozenset[tuple[str, str]] | None]  # by step the scores of those whose weights were kept

    @classmethod
    def of(cls, stamp: str, state: RunState, identity: str, seed: int, settings: str) -> Checked:
        """What there is to say of a run that has finished with nothing lost or spoiled."""
        result = state.finished
        assert result is not None
        shots = {shot.step: frozenset(shot.columns) if shot.has_weights else None for shot in state.snapshots}
        counts = (result.steps or 0, result.d_steps or 0, result.images or 0)
        return cls(stamp, identity, seed, _hash(settings), counts, shots)


@dataclass(frozen=True)
class KnownSnapshot(Snapshot):
    """A complete snapshot whose files are sound."""

    scored: frozenset[tuple[str, str]] = frozenset()

    @property
    def columns(self) -> Columns:
        """Of the scores that it has."""
        return set(self.scored)

    @property
    def spoiled(self) -> tuple[str, ...]:
        """Nothing."""
        return ()


@dataclass(frozen=True)
class KnownState(RunState):
    """How a run stands that has finished and not changed since it was found sound."""

    known: Checked | None = None

    @property
    def lost(self) -> str:
        """Nothing."""
        return ""

    @cached_property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """The complete ones, in order."""
        places, known = self.places, self.known
        return tuple(
            KnownSnapshot(step, places.snapshot(step), scored is not None, scored or frozenset())
            for step, scored in (known.snapshots if known else {}).items()
        )

    def is_spoiled(self, identity: str, seed: int, settings: str) -> bool:
        """Whether it is of another identity, seed or settings."""
        known = self.known
        return not known or (known.identity, known.seed, known.settings) != (identity, seed, _hash(settings))


def known_states(store: Path, folders: Iterable[Places]) -> dict[Path, RunState]:
    """How those run folders stand that the store's index knows and that have not changed since; no file of them is opened."""
    entries = read_checked(store)
    mine = {os.fspath(one.path): one for one in folders if one.path.name in entries} if entries else {}
    same = still_so(
        {path: (entries[one.path.name].stamp, [*entries[one.path.name].snapshots]) for path, one in mine.items()}
    )
    return {mine[path].path: _state(mine[path], entries[mine[path].path.name]) for path in same}


def _state(places: Places, known: Checked) -> RunState:
    steps, d_steps, images = known.counts
    result = ResultDocument(status="finished", steps=steps, d_steps=d_steps, images=images)
    return KnownState(places, result=result, known=known)


def read_checked(store: Path) -> dict[str, Checked]:
    """The index's entries by the run folder's name; none where there is no index that can be used."""
    return read_part(store / FOLDER / FILE, HEAD, _parsed) or {}


def _parsed(content: bytes) -> dict[str, Checked]:
    value = json.loads(content)
    columns = [frozenset((str(label), str(protocol)) for label, protocol in own) for own in value["columns"]]
    return {
        name: Checked(
            *(str(stamp), str(identity), int(seed), str(settings), (int(counts[0]), int(counts[1]), int(counts[2]))),
            {int(step): None if own is None else columns[own] for step, own in shots},
        )
        for name, (stamp, identity, seed, settings, counts, shots) in value["runs"].items()
    }


def write_checked(store: Path, found: Mapping[str, Checked | None]) -> None:
    """Put into a store's index, if it has so many runs, what was found of some; None: nothing that it may vouch for.

    What can't be written is read again another time.
    """
    with suppress(OSError):
        _write(store, found)


def _write(store: Path, found: Mapping[str, Checked | None]) -> None:
    kept = {name for name in os.listdir(store / "runs") if not name.startswith(".")}
    if len(kept) < FEWEST:
        return
    before = read_checked(store)
    entries = {name: one for name, one in {**before, **found}.items() if one and name in kept}
    if entries == before:
        return
    numbers: dict[frozenset[tuple[str, str]], int] = {}
    runs: dict[str, list[Any]] = {}
    for name, one in entries.items():
        shots = [
            [step, None if own is None else numbers.setdefault(own, len(numbers))]
            for step, own in one.snapshots.items()
        ]
        runs[name] = [one.stamp, one.identity, one.seed, one.settings, one.counts, shots]
    columns = [sorted(own) for own in numbers]
    content = json.dumps({"columns": columns, "runs": runs}, separators=(",", ":")).encode()
    write_part(store / FOLDER / FILE, HEAD, content)


def _hash(settings: str) -> str:
    return hashlib.blake2b(settings.encode(), digest_size=16).hexdigest()
