"""Trackers are told of a store by a process that follows it, so that training waits for none and none dies with a worker.

What was told is kept in the store (`gan_bench.store.cursor`), so that this process may be killed at any instant, and the runs
too: a run that is resumed writes the same windows again, which are not told twice.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import math
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from filelock import Timeout

from gan_bench.api.faults import cause
from gan_bench.api.registry import Registry
from gan_bench.api.trackers import SAMPLES, Point, TrackedRun, Tracker, trackers
from gan_bench.console import one_line, say
from gan_bench.errors import GanBenchError, shortened
from gan_bench.findings.compare import compare
from gan_bench.findings.comparisons import Comparison, Difference
from gan_bench.findings.run_folders import Fill, RunFiles
from gan_bench.findings.settings_text import flatten
from gan_bench.findings.sides import Sides
from gan_bench.findings.tables import Results, load
from gan_bench.live.beside import start, task_and_end
from gan_bench.live.changes import Changes
from gan_bench.store.cursor import FOLDER, Cursor, Cursors
from gan_bench.store.lock import locked
from gan_bench.store.state import is_picture
from gan_bench.store.trust import FINGERPRINT, strange_part

LOOK_SECONDS = 1.0  # between two looks at the store
REST = 4.0  # times as long as a look took, until the next: a fifth of one core at most
BATCH = 500  # points that are told at a time
IN_A_ROW = 2  # failures after which a tracker rests
REST_SECONDS = 60.0  # of a tracker that has failed
WAIT_SECONDS = 60.0  # for another process that tells the same tracker of the same store
LAST_SECONDS = 120.0  # that a grid's command waits, once the grid has ended, for all to be told
MOST_LETTERS = 200  # of a name
LOCK = ".lock"  # beside the cursors of a tracker
MOMENTS = frozenset(("step", "d_steps", "images", "seconds"))  # what of a window is no curve

Tell = Callable[[str], object]


def follow(
    store: Path,
    chosen: Sequence[type[Tracker]],
    at_work: Callable[[], bool],
    pause: Callable[[float], object],
    tell: Tell,
) -> bool:
    """Tell trackers of a store for as long as `at_work` says that runs train, and then what there is still to tell.

    Returns whether all was told; `tell` is given lines for a person. GanBenchError: the store is no sound one, or another
    process tells the only one of it.
    """
    changes, tellers, said, ended = Changes([store]), [Teller(store, cls, tell) for cls in chosen], {}, -1
    try:
        while True:
            began, last = time.monotonic(), not at_work()  # asked before a look: what comes later is looked at again
            try:
                there = (store / "grid.json").exists()
                if there and (changes.have_come() or last or any(one.behind for one in tellers)):
                    results, files = read(store, changes)
                    if last or ended != sum(run.result is not None for run in files):
                        ended = sum(run.result is not None for run in files)
                        said = verdicts(compare(results, words=False))
                    project = results.grids[next(iter(results.stores))].name
                    for teller in tellers:
                        teller.look(project, files, said, last=last)
            except OSError as error:  # of the store; the disk may be away for a while
                if last:
                    raise
                changes = Changes([store])
                tell(f"Warning: {store} can't be read ({error.strerror or error}); it is looked at again")
            if last:
                if refused := [one.refused for one in tellers if one.refused]:
                    raise NotOurs("; ".join(refused))
                return not any(teller.behind for teller in tellers)
            pause(LOOK_SECONDS + REST * (time.monotonic() - began))
    finally:
        for teller in tellers:
            teller.close()


def read(store: Path, changes: Changes) -> tuple[Results, list[RunFiles]]:
    """A store's tables, and what its run folders hold."""
    files: list[RunFiles] = []

    def keep(one: RunFiles, length: float, fill: Fill) -> RunFiles:
        files.append(changes.read(one, length, fill))
        return files[-1]

    return load(store, read=keep), files


def verdicts(comparisons: Sequence[Comparison]) -> dict[str, dict[str, str]]:
    """By run what is said of its level, by the comparison's title."""
    said: dict[str, dict[str, str]] = {}
    for comparison in comparisons:
        words = {tests[0].level.label: _verdict(comparison, tests) for tests in comparison.tests}
        for level in comparison.levels:
            text = "reference" if level.reference else words.get(level.label, "not tested")
            for run in level.runs.values():
                said.setdefault(run, {})[_name(comparison.title)] = one_line(text)
    return said


def _verdict(comparison: Comparison, tests: Sequence[Difference]) -> str:
    one = Sides(comparison, tests)
    if one.told:
        return f"{one.adjectives} than {comparison.reference.label}: {one.sizes()}"
    return f"{one.standing}: {one.so_far()}. {one.seeds()}" if one.so_far() else one.standing


class NotOurs(GanBenchError):
    """Nobody is to tell this tracker of this store, or another process does."""


class Teller:
    """Tells one tracker of one store. Whatever the tracker raises costs a warning, and what it was told is told again later."""

    def __init__(self, store: Path, cls: type[Tracker], tell: Tell) -> None:
        self.store, self.cls, self.tell = store, cls, tell
        self.project = ""  # the grid's name, once it is known
        self.behind = False  # whether something is still to be told
        self.refused = ""  # why it is not for us to tell
        self._said = ""
        self._rests_until = -math.inf
        self._opened: tuple[Tracker, Cursors, Collection[str]] | None = None  # with the runs that it has
        self._known: dict[str, tuple[Cursor, float]] = {}  # by run folder, with the step up to which it is not sure
        self._lock: ExitStack | None = None

    def look(
        self, project: str, files: Sequence[RunFiles], said: Mapping[str, Mapping[str, str]], *, last: bool
    ) -> None:
        """Tell what is new. The `last` look is for every tracker, whether it rests or not."""
        if self.refused or (not last and (not self.cls.live or time.monotonic() < self._rests_until)):
            return
        self.project = project
        self.behind, failures, seen = False, 0, set[str]()
        for one in files:
            run = tracked(one, said.get(one.run, {}))
            if not one.document.run or run.id in seen:  # it has not begun, or its folder is a copy
                continue
            seen.add(run.id)
            try:
                self._tell(one, run)
                failures = 0
            except NotOurs as error:
                self.refused, self.behind = str(error), False
                self._say(f"Warning: {error}")
                return
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a tracker may raise anything
                self.behind, failures = True, failures + 1
                self._rests_until = time.monotonic() + REST_SECONDS
                self._say(f"Warning: the tracker {self.cls.name} failed: {cause(error)}")
            if failures == IN_A_ROW:
                break
        if self.behind and last:
            again = f"`gan-bench track {self.store} --with {self.cls.name}` goes on from there"
            self._say(f"{self.cls.name} has not been told everything; {again}.")

    def close(self) -> None:
        """Nothing more is told."""
        try:
            if self._opened:
                self._opened[0].close()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - as above
            self._say(f"Warning: the tracker {self.cls.name} failed: {cause(error)}")
        finally:
            if self._lock:
                self._lock.close()

    def _say(self, line: str) -> None:
        if line != self._said:
            self._said = line
            self.tell(line)

    def _open(self) -> tuple[Tracker, Cursors, Collection[str]]:
        if not self._opened:
            tracker = self.cls(self.project, self.store / self.cls.name)
            cursors = Cursors(self.store, self.cls.name, tracker.place)
            places = (self.store / self.cls.name, self.store / FOLDER, cursors.folder, cursors.folder / LOCK)
            if why := next(filter(None, map(strange_part, places)), ""):
                raise NotOurs(f"{self.store}: {why}")
            self._lock = self._lock or self._alone(cursors)
            self._opened = tracker, cursors, tracker.runs()
            self.tell(f"{self.cls.name}: {tracker.hint}")
        return self._opened

    def _alone(self, cursors: Cursors) -> ExitStack:
        cursors.folder.mkdir(parents=True, exist_ok=True)
        lock = ExitStack()
        try:
            lock.enter_context(locked(cursors.folder / LOCK, WAIT_SECONDS))
        except Timeout as error:
            raise NotOurs(f"another process tells {self.cls.name} of {self.store}; wait for its end") from error
        return lock

    def _tell(self, files: RunFiles, run: TrackedRun) -> None:
        tracker, cursors, has = self._open()
        name = files.folder.name
        cursor, unsure = self._known.get(name) or cursors.read(name, run.id, known=run.id in has)
        state = _state(run)
        points = new_points(files, cursor)
        while (batch := list(islice(points, BATCH))) or cursor.state != state:
            cursor = cursor.model_copy(update={"begun": max([cursor.begun, *(point.step for point in batch)])})
            cursors.write(name, cursor)
            self._known[name] = cursor, max(unsure, cursor.begun)
            first = [point for point in batch if point.step <= unsure]  # they are in order of steps
            rest = batch[len(first) :]
            if first:
                tracker.tell(run, first, again=True)
            if rest or not first:
                tracker.tell(run, rest, again=False)
            cursor = told(cursor, batch, state)
            cursors.write(name, cursor)
            self._known[name] = cursor, unsure


def tracked(files: RunFiles, verdicts: Mapping[str, str]) -> TrackedRun:
    """What a tracker is told of a run as a whole."""
    document = files.document
    settings = {_name(path): value for path, value in flatten(document.settings).items()}
    identity = document.identity.lower()
    if not FINGERPRINT.fullmatch(identity):  # a stranger's, or a store of before there were any
        identity = hashlib.sha256(f"{identity} {files.folder.name}".encode()).hexdigest()
    return TrackedRun(
        id=identity,
        name=files.folder.name,
        group=_name(files.label or str(settings.get("architecture", ""))),
        started=_started(files),
        seconds=files.outcome.get("seconds") or 0.0,
        settings=settings if files.seed is None else {**settings, "seed": files.seed},
        tags={**({"health": _name(files.health)} if files.result and files.health else {}), **verdicts},
        status=files.status,
    )


def new_points(files: RunFiles, cursor: Cursor) -> Iterator[Point]:
    """What of a run's curves and snapshots was not told, in order of steps."""
    return heapq.merge(_windows(files, cursor), _snapshots(files, cursor), key=lambda point: point.step)


def _windows(files: RunFiles, cursor: Cursor) -> Iterator[Point]:
    curves = {_name(name): column.tolist() for name, column in files.curves.items() if name not in MOMENTS}
    steps, images, seconds = (files.curves.get(name, ()) for name in ("step", "images", "seconds"))
    for i, step in enumerate(map(int, steps)):
        if step > cursor.curves:
            values = {name: value for name, column in curves.items() if math.isfinite(value := column[i])}
            if values:
                yield Point(step, int(_number(images, i)) or None, _number(seconds, i), values)


def _snapshots(files: RunFiles, cursor: Cursor) -> Iterator[Point]:
    tags: dict[tuple[str, str], str] = {}  # by a score's label and protocol
    for shot in files.snapshots:
        values = {}
        for score in shot.scores.scores:
            label = _name(score.label)
            mark = f" #{score.protocol_id[:4]}" if label in tags.values() else ""  # another protocol has the label
            tag = tags.setdefault((score.label, score.protocol_id), label + mark)
            if score.value is not None and shot.step not in cursor.snapshots.get(tag, ()):
                values[tag] = score.value
        new = shot.picture is not None and shot.step not in cursor.snapshots.get(SAMPLES, ())
        pictures = {SAMPLES: shot.picture.read_bytes()} if new and shot.picture and is_picture(shot.picture) else {}
        if values or pictures:
            yield Point(shot.step, shot.scores.images, shot.scores.seconds or 0.0, values, pictures, snapshot=True)


def told(cursor: Cursor, batch: Sequence[Point], state: str) -> Cursor:
    """The cursor once these have been told."""
    snapshots = {name: list(steps) for name, steps in cursor.snapshots.items()}
    for point in batch:
        for name in (*point.values, *point.pictures) if point.snapshot else ():
            snapshots.setdefault(name, []).append(point.step)
    curves = max([cursor.curves, *(point.step for point in batch if not point.snapshot)])
    return cursor.model_copy(update={"curves": curves, "snapshots": snapshots, "state": state})


def _state(run: TrackedRun) -> str:
    return hashlib.sha256(json.dumps([run.status, sorted(run.tags.items())]).encode()).hexdigest()[:16]


def _name(text: str) -> str:
    """A text of the store's as a name: one line, of a sane length, with nothing that a terminal would obey."""
    return one_line(shortened(text, MOST_LETTERS))


def _number(column: Any, i: int) -> float:
    return float(column[i]) if i < len(column) and math.isfinite(column[i]) else 0.0


def _started(files: RunFiles) -> float:
    """When the run was begun; 0.0 where that is not known."""
    try:
        return max(0.0, datetime.fromisoformat(files.document.sessions[0].started).timestamp())
    except (IndexError, ValueError, OverflowError):
        return 0.0


@contextmanager
def beside(store: Path, names: Sequence[str], plugins: Sequence[Path]) -> Iterator[Callable[[], None]]:
    """A process that tells trackers of the store for as long as the block lasts, and then what there is still to tell.

    The block gets a function that waits for that, but not for ever. When the block or this process ends, in whatever way, the
    other one ends too, with all told. What it fails at costs a warning.
    """
    task = {"store": str(store), "names": list(names), "plugins": [str(file) for file in plugins]}
    process, pipe = start(__name__, task)

    def wait() -> None:
        pipe.close()
        try:
            process.wait(LAST_SECONDS)
        except subprocess.TimeoutExpired:
            say(f"{', '.join(names)} is still being told; that goes on by itself.", err=True)

    try:
        yield wait
    finally:
        pipe.close()


def main() -> None:
    """The process beside a run."""
    task, ended = task_and_end()

    def tell(line: str) -> None:
        say(line, err=True)

    try:
        manager = Registry.load([Path(file) for file in task["plugins"]]).manager
        chosen = trackers(manager, task["names"], tell)
        follow(Path(task["store"]), chosen, lambda: not ended.is_set(), ended.wait, tell)
    except Exception as error:  # noqa: BLE001 - whatever it is, the grid trains on
        tell(f"Warning: nothing more is tracked: {cause(error)}")
