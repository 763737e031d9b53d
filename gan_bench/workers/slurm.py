"""Slurm, by its own commands: sbatch, squeue, scancel, scontrol. Never sacct, which many clusters do without."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from gan_bench.errors import GanBenchError

SECONDS = 60  # that a command of Slurm's may take
PAUSES = (
    5.0,
    10.0,
    20.0,
    30.0,
    30.0,
)  # before a job of ours asks again: a controller that is started anew is back by then
ORPHAN_SECONDS = 1.0  # between two looks at whether Slurm still knows of this process
COLUMNS = "%i|%T|%N|%j|%r"
MOST_TASKS = 1000  # of an array, where Slurm does not say
HIDDEN = re.compile(r"CUDA_VISIBLE_DEVICES|SLURM_(?!CONF$).*")  # of where a job is submitted, wrong where it runs
MISLEADING = re.compile(
    r"(SQUEUE|SCANCEL)_.*|(SLURM|SBATCH)_CLUSTERS|SBATCH_(ARRAY_INX|WAIT)"
)  # change what is asked for


R = TypeVar("R")


@dataclass(frozen=True)
class Task:
    """A job in Slurm's queue, or one task of an array."""

    number: str  # of the job, or JOB_TASK
    state: str  # RUNNING, PENDING, COMPLETING, ...
    node: str
    name: str
    reason: str  # why it waits

    @property
    def job(self) -> str:
        """The number of the job, or of the array."""
        return self.number.partition("_")[0]

    @property
    def index(self) -> int:
        """Of a task in its array."""
        found = re.search(r"_\[?(\d+)", self.number)
        return int(found[1]) if found else 0


def ask(*command: str, given: str | None = None) -> str:
    """What one of Slurm's commands prints, `given` a script to submit. GanBenchError: it is not there, or does not work."""
    environment = {
        key: value
        for key, value in os.environ.items()
        if not MISLEADING.fullmatch(key) and (given is None or not HIDDEN.fullmatch(key))
    }
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, errors="replace", timeout=SECONDS, env=environment
        )
    except FileNotFoundError as error:
        raise GanBenchError(
            f"there is no {command[0]} here; give the command on a machine where Slurm's own commands work, such as a login node"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise GanBenchError(f"{command[0]} has not answered for {SECONDS} s") from error
    if done.returncode:
        raise GanBenchError(f"{command[0]}: {' '.join(done.stderr.split()) or f'exit code {done.returncode}'}")
    return done.stdout


def patiently(asked: Callable[[], R]) -> R:
    """What a question is answered, which is asked again where Slurm does not answer. GanBenchError: the last time neither."""
    for pause in PAUSES:
        with suppress(GanBenchError):
            return asked()
        time.sleep(pause)
    return asked()


def queue(names: Iterable[str], states: str = "") -> list[Task]:
    """Jobs of ours that have these names and wait, run or are completing; or those in some states."""
    own = [f"--name={','.join(names)}", f"--user={os.getuid()}"]
    asked = ["squeue", "--noheader", "--array", *own, f"--format={COLUMNS}"]
    lines = ask(*asked, *([f"--states={states}"] if states else [])).splitlines()
    return [Task(*line.strip().split("|", 4)) for line in lines if line.count("|") >= 4]


def submit(script: str, options: Mapping[str, str | int | bool]) -> str:
    """Submit a script; returns the job's number. GanBenchError: it is refused, or no number is told."""
    told = ask("sbatch", "--parsable", *as_options(options), given=script)
    numbers = re.findall(r"^(\d+)(?:;.*)?$", told, re.MULTILINE)  # beside what a cluster's own plugins may print
    if not numbers:
        raise GanBenchError(f"sbatch tells no number of the job: {' '.join(told.split()) or 'nothing'}")
    return str(numbers[-1])


def as_options(options: Mapping[str, str | int | bool]) -> list[str]:
    """Options of sbatch as it takes them; False leaves one out."""
    return [
        f"--{name}" if value is True else f"--{name}={value}" for name, value in options.items() if value is not False
    ]


def cancel(jobs: Sequence[str]) -> None:
    """Take jobs out of the queue; what runs of them is told to end. Those that have ended are none."""
    if jobs:
        ask("scancel", "--quiet", *jobs)


def most_tasks() -> int:
    """How many tasks an array may have."""
    limits = re.findall(
        r"^MaxArraySize\s*=\s*(\d+)|\bmax_array_tasks=(\d+)", ask("scontrol", "show", "config"), re.MULTILINE
    )
    return max(1, min((int(size or most) for size, most in limits), default=MOST_TASKS))


def own_job() -> str:
    """This process's job in Slurm's queue, as JOB_TASK where it is a task of an array; "": Slurm has not started it.

    An array's last task has the array's own number as its SLURM_JOB_ID, by which Slurm would requeue every task.
    """
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else os.environ.get("SLURM_JOB_ID", "")


def node_of(job: str) -> str:
    """The node where a job, or a task, runs, as far as Slurm knows; "": it does not run."""
    return ask("squeue", "--noheader", f"--jobs={job}", "--states=RUNNING", "--format=%N").strip()


def requeue(job: str) -> None:
    """Give up the node that this job, or this task, is on, and have it started again."""
    ask("scontrol", "requeue", job)


def end_as_orphan(orphaned: Callable[[], object] = lambda: None) -> None:
    """Once Slurm's own process for this job is gone, have it end, as SIGTERM does: Slurm will notice, and start another."""

    def watch() -> None:
        parent = os.getppid()
        while os.getppid() == parent:
            time.sleep(ORPHAN_SECONDS)
        orphaned()
        os.kill(os.getpid(), signal.SIGTERM)

    if own_job():
        threading.Thread(target=watch, daemon=True).start()
