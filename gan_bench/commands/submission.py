"""A grid that was given to tasks of a cluster: what of it lies in the store, and which of its jobs live in Slurm.

Three jobs do it: one prepares data and features and writes down the runs, an array of tasks trains them, and a last one writes
tables and report, or gives out what is still left and follows that array. Slurm's queue alone says which of them live: their
names tell whose they are, so that a command that is killed at any moment submits nothing twice.
"""

from __future__ import annotations

import shlex
import shutil
import sys
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from gan_bench.commands.bundle import FOLDER
from gan_bench.errors import GanBenchError
from gan_bench.files import beside, flush, listed, replace_file, twin
from gan_bench.store.lock import at_work
from gan_bench.workers import slurm
from gan_bench.workers.shards import Round

if TYPE_CHECKING:
    from gan_bench.grid.schema import Cluster

Part = Literal["prepare", "train", "finish"]
STILL = "Some of its jobs don't end; `squeue --me` shows them."
WHAT: dict[Part, str] = {"prepare": "preparing job", "train": "task", "finish": "finishing job"}
STOP_SECONDS = 90.0  # for tasks to save their runs and end


class Ending(BaseModel):
    """How a grid has ended there."""

    model_config = ConfigDict(frozen=True)
    runs: int = 0
    failed: int = 0
    stopped: bool = False
    lines: tuple[str, ...] = ()  # for a person
    error: str = ""  # bad input


class Submission(BaseModel):
    """A grid given to tasks; `.cluster/submission.json` is the latest one's."""

    model_config = ConfigDict(frozen=True)
    name: str  # its folder in `.cluster`, and how its jobs' names begin
    began: str
    tasks: int  # of its arrays
    on_slurm: bool = True  # else somebody submits its jobs elsewhere
    store: Path

    @classmethod
    def new(cls, store: Path, tasks: int, *, on_slurm: bool = True) -> Submission:
        """Another one, in the place of the one before."""
        name = f"gan-bench-{uuid.uuid4().hex[:8]}"
        began = datetime.now(UTC).isoformat(timespec="seconds")
        made = cls(name=name, began=began, tasks=tasks, store=store, on_slurm=on_slurm)
        for before in (store / FOLDER).glob("gan-bench-*"):
            shutil.rmtree(before, ignore_errors=True)
        made.logs.mkdir(parents=True)
        text = made.model_dump_json(indent=1, exclude={"store"}) + "\n"
        replace_file(_file(store), lambda beside: beside.write_text(text, encoding="utf-8"))
        return made

    @classmethod
    def latest(cls, store: Path) -> Submission | None:
        """The store's; None: it has none. GanBenchError: its file is damaged."""
        try:
            text = _file(store).read_text(encoding="utf-8")
            found = cls.model_validate_json(text.replace("{", '{"store": "",', 1))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise GanBenchError(f"{_file(store)} is damaged; delete it") from error
        return found.model_copy(update={"store": store.resolve()})

    @property
    def folder(self) -> Path:
        """What of it lies in the store."""
        return self.store / FOLDER / self.name

    @property
    def logs(self) -> Path:
        """What its jobs print."""
        return self.folder / "logs"

    def round(self, number: int) -> Round:
        """The runs of its first array, its second, ..."""
        return Round(self.folder / f"round-{number}")

    def rounds(self) -> int:
        """How many times runs were given out."""
        return next(number for number in range(1_000_000) if not listed(self.round(number + 1).folder / "round.json"))

    @property
    def stopped(self) -> Path:
        """A file that says that somebody has stopped it: no task begins, and none is submitted."""
        return self.folder / "stopped"

    @property
    def is_stopped(self) -> bool:
        """Whether somebody has."""
        return listed(self.stopped)

    @property
    def told(self) -> Path:
        """A file that says that a person has been told how it ended."""
        return self.folder / "told"

    @property
    def ending(self) -> Ending | None:
        """How it has ended; None: it has not."""
        file = self.folder / "ending.json"
        with suppress(FileNotFoundError, ValidationError):
            return Ending.model_validate_json(file.read_bytes()) if listed(file) else None
        return None

    def end(self, ending: Ending) -> Ending:
        """Write down how it has ended, unless another process has; returns what is written there."""
        file = self.folder / "ending.json"
        new = beside(file)
        new.write_text(ending.model_dump_json() + "\n", encoding="utf-8")
        flush(new)
        with suppress(FileExistsError):
            twin(new, file)
        new.unlink()
        flush(self.folder)
        return self.ending or ending

    def queued(self) -> list[slurm.Task]:
        """Its jobs in Slurm's queue, the latest first. GanBenchError: Slurm does not answer, or has not got them."""
        if not self.on_slurm:
            raise GanBenchError("its jobs were not given to Slurm; whatever runs them tells of them, and ends them")
        found = slurm.queue(self._name(part) for part in WHAT)
        return sorted(found, key=lambda task: int(task.job), reverse=True)

    def living(self) -> list[slurm.Task]:
        """Those that will train, or do: not those that are completing, which may hang there for hours. GanBenchError: as
        `queued`."""
        return [task for task in self.queued() if task.state != "COMPLETING"]

    def others(self, *parts: Part) -> list[slurm.Task]:
        """Those of some parts that live beside this process's own. GanBenchError: as `queued`."""
        own, names = slurm.own_job(), [self._name(part) for part in parts or WHAT]
        return [task for task in self.living() if task.job != own and task.name in names]

    def cancelled(self) -> bool:
        """Whether somebody has lately taken tasks of its latest array out of the queue that had runs."""
        found = slurm.queue([self._name("train")], "all")
        latest = max((int(task.job) for task in found), default=0)
        runs = self.round(self.rounds()).used(self.tasks)
        own = [task for task in found if task.state == "CANCELLED" and int(task.job) == latest]
        return any(task.index < runs for task in own)

    def cancel_surplus(self) -> None:
        """Take tasks out of the queue that get no runs, and would wait for nodes only to end. GanBenchError: as `queued`."""
        used = self.round(1).used(self.tasks)
        arrays = [task.job for task in self.living() if task.name == self._name("train")]
        if arrays and used < self.tasks:
            slurm.cancel([f"{arrays[0]}_[{used}-{self.tasks - 1}]"])

    def submit(self, cluster: Cluster, living: Sequence[slurm.Task], round_number: int = 1) -> None:
        """Submit those of a round's jobs that do not live. GanBenchError: Slurm refuses them."""
        jobs = {part: task.job for part in WHAT for task in reversed(living) if task.name == self._name(part)}
        if "finish" in jobs:
            return
        if "train" not in jobs:
            needs: dict[str, str | bool] = {}
            if round_number == 1:
                prepared = jobs.get("prepare") or self._submit("prepare", cluster, 1)
                needs = {"dependency": f"afterok:{prepared}", "kill-on-invalid-dep": "yes"}
            tasks = self.tasks if round_number == 1 else self.round(round_number).used(self.tasks)
            ahead = f"B:USR1@{cluster.signal_seconds}"
            jobs["train"] = self._submit("train", cluster, round_number, array=f"0-{tasks - 1}", signal=ahead, **needs)
        self._submit("finish", cluster, round_number, dependency=f"afterany:{jobs['train']}")

    def _submit(self, part: Part, cluster: Cluster, round_number: int, **options: str | bool) -> str:
        each = "-%a" if part == "train" else ""
        own: dict[str, str | int | bool] = {
            "job-name": self._name(part),
            "output": f"{str(self.logs).replace('%', '%%')}/{part}{each}.log",
            "open-mode": "append",
            "requeue": True,
            **{key.replace("_", "-"): value for key, value in options.items()},
        }
        return slurm.submit(self._script(part, cluster, round_number), {**cluster.sbatch, **own})

    def _script(self, part: Part, cluster: Cluster, round_number: int) -> str:
        """What a job runs. The signal ahead of a time limit is ignored until Python listens to it."""
        what = [f"--{part}"]
        if part == "train":
            what = ["--shard", f'"$SLURM_ARRAY_TASK_ID"/{self.tasks}', "--round", str(round_number)]
        python = [shlex.quote(sys.executable), "-P", "-c", "'from gan_bench.cli import main; main()'"]
        work = ["exec", *python, "work", shlex.quote(str(self.store)), *what, "--submission", self.name]
        return "\n".join(["#!/bin/bash", "trap '' USR1", *cluster.setup, " ".join(work), ""])

    def _name(self, part: Part) -> str:
        return f"{self.name}-{part}"

    def stop(self) -> bool:
        """End its jobs, and wait until they have saved their runs; False: some live still.

        GanBenchError: Slurm does not answer.
        """
        self.stopped.touch()
        deadline = time.monotonic() + STOP_SECONDS
        while tasks := self.queued():
            living = [task for task in tasks if task.state != "COMPLETING"]
            if time.monotonic() > deadline:
                if living:
                    return False
                break
            living.sort(key=lambda task: task.name != self._name("finish"))  # first what would give runs out again
            slurm.cancel(list(dict.fromkeys(task.job for task in living)))
            time.sleep(1.0)
        self.end(Ending(stopped=True))
        return True

    def in_words(self, living: Sequence[slurm.Task]) -> str:
        """What of it is in Slurm's queue."""
        parts = []
        for part, what in WHAT.items():
            own = [task for task in living if task.name == self._name(part)]
            if running := [task for task in own if task.node]:
                parts.append(f"{count(len(running), what)} on {', '.join(sorted({task.node for task in running}))}")
            for reason, number in Counter(task.reason for task in own if not task.node).items():
                parts.append(f"{count(number, what)} waiting ({reason})")
        return f"Slurm: {'; '.join(parts)}" if parts else "Slurm has no job of it."


def check_unsubmitted(store: Path) -> None:
    """GanBenchError: Slurm has jobs of a store, in whose way another command would be."""
    found = Submission.latest(store)
    if found is None or not found.on_slurm or found.ending is not None:
        return
    living = False
    with suppress(GanBenchError):  # where Slurm does not answer nobody knows; no two processes train the same run
        living = bool(found.living())
    if living:
        raise GanBenchError(
            f"Slurm has jobs of {store}, submitted {found.began}; --on slurm follows them, `gan-bench stop {store}` ends them"
        )


def in_work(store: Path) -> bool:
    """Whether a command or, as far as the store tells, a cluster works for it."""
    with suppress(GanBenchError):
        found = Submission.latest(store)
        return at_work(store) or (found is not None and found.ending is None)
    return at_work(store)


def _file(store: Path) -> Path:
    return store / FOLDER / "submission.json"


def count(number: int, name: str) -> str:
    """`1 task`, `2 tasks`."""
    return f"{number} {name}" if number == 1 else f"{number} {name}s"
