"""What a task of a cluster tells: a file of its own that only grows, a line of JSON an event, which others read meanwhile."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gan_bench.workers import events
from gan_bench.workers.events import Advanced, Ended, Event, Failed, Finished, Started

ADVANCED_SECONDS = 5.0  # between two lines of how far a run has come


@dataclass(frozen=True)
class Begun:
    """A task has begun."""

    shard: int
    node: str
    job: str  # its number in the cluster's queue
    workers: int


UNKNOWN = Begun(-1, "?", "", 0)


@dataclass(frozen=True)
class Refused:
    """The task can't do its work there, which only a person can change."""

    text: str


@dataclass(frozen=True)
class Over:
    """The task ends; those of its runs that have not ended are given out again."""

    text: str


Entry = Event | Begun | Refused | Over
OF_RUNS = {name: kind for name, kind in vars(events).items() if getattr(kind, "__module__", "") == events.__name__}
KINDS: dict[str, type] = OF_RUNS | {kind.__name__: kind for kind in (Begun, Refused, Over)}


@dataclass(frozen=True)
class Line:
    """An entry of a journal."""

    at: float  # seconds since 1970, by the writer's clock
    journal: str  # the file's name, which is of one process
    entry: Entry


def as_line(entry: Entry, at: float) -> bytes:
    """An entry as a line of JSON."""
    fields = {"at": at, "what": type(entry).__name__, **asdict(entry)}
    return json.dumps(fields, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"


def of_line(line: bytes, journal: str) -> Line | None:
    """The entry of a line; None: it is damaged, or of a later version."""
    try:
        fields: Mapping[str, Any] = json.loads(line)
        at, kind = float(fields["at"]), KINDS[fields["what"]]
        return Line(at, journal, kind(**{key: value for key, value in fields.items() if key not in ("at", "what")}))
    except (ValueError, KeyError, TypeError):
        return None


class Journal:
    """The journal of this process. Several may have a shard's runs, one after the other or, for a while, at once."""

    def __init__(self, folder: Path, begun: Begun) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{begun.shard}.{begun.node}-{os.getpid()}-{time.time_ns()}.jsonl"
        self._file = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        self._advanced: dict[str, float] = {}  # when it was last told of a run
        self(begun)

    def __call__(self, entry: Entry) -> None:
        """Write an entry, but for those of runs that advance every quarter of a second."""
        now = time.time()
        if isinstance(entry, Advanced):
            if now - self._advanced.get(entry.run, 0) < ADVANCED_SECONDS:
                return
            self._advanced[entry.run] = now
        line = as_line(entry, now)
        while line:
            line = line[os.write(self._file, line) :]
        if not isinstance(entry, Advanced):
            os.fsync(self._file)


@dataclass
class Journals:
    """All journals of a folder, read on as they grow."""

    folder: Path
    _read: dict[str, int] = field(default_factory=dict)  # bytes of each

    def new(self) -> list[Line]:
        """What has come since this was last asked, by time."""
        lines = []
        for file in sorted(self.folder.glob("*.jsonl")):
            with file.open("rb") as opened:
                opened.seek(self._read.get(file.name, 0))
                whole = opened.read().rpartition(b"\n")[0]  # the last one may be half written
            if whole:
                self._read[file.name] = self._read.get(file.name, 0) + len(whole) + 1
                lines += [line for text in whole.split(b"\n") if (line := of_line(text, file.name))]
        return sorted(lines, key=lambda line: line.at)


@dataclass
class Told:
    """What journals have told in all."""

    started: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    finished: set[str] = field(default_factory=set)
    refused: dict[str, None] = field(default_factory=dict)  # texts, in order
    steps: dict[str, int] = field(default_factory=dict)  # by run, where it stands
    furthest: dict[str, int] = field(default_factory=dict)  # by run, where it stood at best
    at: dict[str, Begun] = field(default_factory=dict)  # by run, the task that trains it
    nodes: dict[str, Begun] = field(default_factory=dict)  # by journal
    tasks: dict[int, str] = field(default_factory=dict)  # by number, of those at work: their nodes

    @property
    def ended(self) -> set[str]:
        """Runs that will not go on."""
        return self.failed | self.finished

    def take(self, lines: list[Line]) -> None:
        """Take in what is new."""
        for line in lines:
            entry = line.entry
            if isinstance(entry, Begun):
                self.nodes[line.journal] = entry
                self.tasks[entry.shard] = entry.node
            elif isinstance(entry, Over | Refused):
                if isinstance(entry, Refused):
                    self.refused[entry.text] = None
                self.tasks.pop(self.nodes[line.journal].shard if line.journal in self.nodes else -1, None)
            elif isinstance(entry, Started | Advanced):
                self.started.add(entry.run)
                self.steps[entry.run] = entry.steps
                self.furthest[entry.run] = max(entry.steps, self.furthest.get(entry.run, 0))
                self.at[entry.run] = self.nodes.get(line.journal, UNKNOWN)
            elif isinstance(entry, Ended):
                self.at.pop(entry.run, None)
                {Failed: self.failed, Finished: self.finished}.get(type(entry), set()).add(entry.run)
