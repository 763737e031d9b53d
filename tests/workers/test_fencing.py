"""A process frozen between any look at its token and the write that follows, while another one takes its run over and ends it.

The frozen worker and the one that takes over work in two threads of this process, one at a time: so each of the frozen one's
writes can be tried, one after the other.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from stores import GRID, assert_equal_runs, write_grid

from gan_bench.console import plain_console
from gan_bench.grid import load_grid
from gan_bench.planning.courses import prepare_grid
from gan_bench.planning.runs import make_runs
from gan_bench.store import attempt
from gan_bench.workers.events import Busy, Ended, Event, Failed, Finished
from gan_bench.workers.jobs import Job, Setup, make_job
from gan_bench.workers.worker import Worker

ONCE = '''
from pathlib import Path

from gan_bench import Trick, hookimpl


class Once(Trick):
    """Raises at its 30th step, once."""

    name = "once"
    marker: str

    def edit(self, recipe):
        def trouble():
            if int(recipe.step) == 30 and not Path(self.marker).exists():
                Path(self.marker).touch()
                raise RuntimeError("once")

        recipe.after_g_step(trouble)


@hookimpl
def gan_bench_tricks():
    return [Once]
'''


@dataclass
class Line:
    """A connection to a parent with one run."""

    jobs: list[Job]
    told: list[Event] = field(default_factory=list)

    def send(self, event: Event) -> None:
        if isinstance(event, Ended):
            self.told.append(event)

    def poll(self) -> bool:
        return True

    def recv(self) -> Job | None:
        return self.jobs.pop() if self.jobs else None


@dataclass
class Actor:
    """A worker in a thread of its own, which can be frozen before its nth write."""

    scene: Scene
    job: Job
    freezes_at: int = 0
    writes: list[str] = field(default_factory=list)  # what each of them does, without what is new in names
    told: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.frozen, self.awake = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._train)
        self.scene.actors[self.thread] = self
        self.thread.start()

    def to_the_end(self) -> Event:
        """Wake it up; what it tells at last."""
        self.awake.set()
        self.thread.join()
        return self.told[-1]

    def until_frozen(self) -> bool:
        """False: it has ended before."""
        while not self.frozen.wait(0.01):
            if not self.thread.is_alive():
                return False
        return True

    def writes_now(self, function: str, path: object) -> None:
        self.writes.append(f"{function} {re.sub('[.][0-9a-f]{8}$', '', Path(str(path)).name)}")
        if len(self.writes) == self.freezes_at:
            self.frozen.set()
            self.awake.wait()

    def _train(self) -> None:
        torch.set_num_threads(1)
        worker = Worker(line := Line([self.job]), self.scene.setup)  # type: ignore[arg-type]
        if self.scene.worker:  # what it has in memory
            worker.registry, worker.evaluator = self.scene.worker.registry, self.scene.worker.evaluator
        self.scene.worker = worker
        while worker._fill_slots():
            for run in list(worker.active):
                worker._turn(run)
        self.told = line.told


@dataclass
class Scene:
    """A grid of one run."""

    folder: Path
    setup: Setup
    job: Job
    before: Callable[[Path], object] = lambda run: None  # what is done to a new store first
    worker: Worker | None = None
    actors: dict[threading.Thread, Actor] = field(default_factory=dict)

    @property
    def run(self) -> Path:
        return self.setup.run_path(self.job.run)

    @property
    def once(self) -> Path:
        return self.folder / "once"

    def begin(self, job: Job | None = None, freezes_at: int = 0) -> Actor:
        """Let a worker begin in a new store."""
        shutil.rmtree(self.setup.store, ignore_errors=True)
        self.once.unlink(missing_ok=True)
        self.run.parent.mkdir(parents=True)
        self.before(self.run)
        return Actor(self, job or self.job, freezes_at)

    def other(self, freezes_at: int = 0) -> Actor:
        """Let another one take over."""
        return Actor(self, replace(self.job, clear=False, attempt="other"), freezes_at)

    def finish(self) -> None:
        """Let others have it until it has finished: a run that fails is tried once more."""
        if not isinstance(self.other().to_the_end(), Finished):
            assert isinstance(self.other().to_the_end(), Finished)

    def undisturbed(self, name: str = "whole") -> Path:
        """The run as nobody disturbs it, kept elsewhere."""
        if isinstance(self.begin().to_the_end(), Failed):
            self.finish()
        return Path(shutil.copytree(self.run, self.folder / name / self.run.name))

    def writes(self) -> list[str]:
        """The writes that a worker makes."""
        (actor := self.begin()).to_the_end()
        return actor.writes


@pytest.fixture
def scene(tmp_path, monkeypatch) -> Callable[[str], Scene]:
    """Makes scenes."""
    monkeypatch.setattr(attempt, "BEAT_SECONDS", 1e6)  # a frozen process does not beat
    monkeypatch.setattr(attempt, "DEAD_SECONDS", 0.01)
    scenes: list[Scene] = []

    def before(module: object, name: str, *, always: bool = False) -> None:
        function = getattr(module, name)

        def wrapped(*args, **options):
            actor = scenes[0].actors.get(threading.current_thread()) if scenes else None
            if actor and (always or any(str(part).startswith(str(scenes[0].run.parent)) for part in args)):
                actor.writes_now(name, args[0])
            return function(*args, **options)

        monkeypatch.setattr(module, name, wrapped)

    for name in ("replace", "link"):
        before(os, name)
    for name in ("rename", "unlink", "mkdir", "write_bytes"):
        before(Path, name)
    before(os, "write", always=True)

    def make(tricks: str) -> Scene:
        plugin = tmp_path / "once.py"
        plugin.write_text(ONCE)
        tricks = tricks.replace("MARKER", str(tmp_path / "once"))
        text = GRID.replace('["ema", "spectral_norm"]', tricks).replace("steps = 60", "steps = 50")
        grid = load_grid(write_grid(tmp_path, text), registry_files=[plugin])
        prepared = prepare_grid(grid, plain_console())
        *_, run = make_runs(prepared, tmp_path / "store", {})
        setup = Setup("cpu", tmp_path / "store", (plugin,), grid.evaluate.model_copy(update={"samples": 32}))
        scenes.append(Scene(tmp_path, setup, make_job(run, grid, {"fp32": 1e11}, clear=False)))
        return scenes[0]

    return make


def contents(run: Path) -> dict[str, bytes]:
    """All files of a store's runs; what was printed excepted."""
    return {
        str(file.relative_to(run.parent)): file.read_bytes()
        for file in run.parent.rglob("*")
        if file.is_file() and file.name != "output.txt"
    }


def try_every_write(scene: Scene, whole: Path) -> None:
    """Freeze one before each kind of write, let another one finish, and wake it up."""
    writes, lost = scene.writes(), 0
    kinds = {write: number for number, write in enumerate(writes, 1)}  # the last of each kind
    for point in kinds.values():
        one = scene.begin(freezes_at=point)
        assert one.until_frozen()
        scene.finish()
        found = contents(scene.run)
        end = one.to_the_end()
        assert_equal_runs(scene.run, whole)
        if isinstance(end, Failed):  # before the other one came
            assert point > len(writes) - 5, (writes[point - 1], end)
        if isinstance(end, Busy):  # else it had the run before the other one, or after
            assert contents(scene.run) == found, writes[point - 1]
            lost += 1
    assert lost >= len(kinds) - 6, "but for the few before the run is its own, and after that"


CASES = ("begun", "failed", "cleared", "damaged", "longer", "scored again")


def stage(scene: Callable[[str], Scene], case: str) -> tuple[Scene, Path]:
    """A scene, and how its run is when it ends undisturbed."""
    one = scene('[{ name = "once", marker = "MARKER" }]' if case == "failed" else '["ema"]')
    whole = ended = one.undisturbed()
    if case == "cleared":
        one.job = replace(one.job, clear=True)
        one.before = lambda run: shutil.copytree(ended, run)
    elif case == "damaged":  # its snapshot stays, and is taken again
        one.before = lambda run: (shutil.copytree(ended, run), (run / "result.json").unlink(), spoil(run))
        whole = one.undisturbed("mended")
    elif case == "longer":
        one.before = lambda run: shutil.copytree(ended, run)
        one.job = replace(one.job, snapshot_steps=(25, 50, 75))
        whole = one.undisturbed("longer")
    elif case == "scored again":
        one.before = lambda run: (shutil.copytree(ended, run), (run / "snapshots/step-00000025/scores.json").unlink())
    return one, whole


def spoil(run: Path) -> None:
    content = (run / "checkpoint.pt").read_bytes()
    (run / "checkpoint.pt").write_bytes(content[:2000] + b"spoiled" + content[2007:])


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_what_comes_late_damages_nothing(scene, case):
    try_every_write(*stage(scene, case))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_one_that_wakes_up_does_not_disturb_the_other_one(scene, case):
    one, whole = stage(scene, case)
    chance, writes = random.Random(case), len(one.writes())
    for _ in range(10):
        point, at = chance.randint(2, writes), chance.randint(2, writes)
        frozen = one.begin(freezes_at=point)
        assert frozen.until_frozen()
        other = one.other(freezes_at=at)
        other.until_frozen()
        assert not isinstance(frozen.to_the_end(), Failed) or point > writes - 5, (point, at)
        end = other.to_the_end()
        if isinstance(end, Failed) and case == "failed":
            one.finish()
        else:
            assert isinstance(end, Finished), (point, at, end)
        assert_equal_runs(one.run, whole)
