"""What a task of a cluster does for a store: prepare it, train a share of its runs, or finish it."""

from __future__ import annotations

import os
import platform
import signal
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_bench.commands.bundle import Bundle, read_bundle, write_bundle
from gan_bench.commands.submission import Ending, Submission, check_unsubmitted
from gan_bench.console import say
from gan_bench.errors import GanBenchError
from gan_bench.workers import slurm
from gan_bench.workers.events import Advanced, Event, Failed, Finished, Foreign, Returned, Started
from gan_bench.workers.journal import Begun, Journal, Journals, Over, Refused, Told
from gan_bench.workers.shards import Given, Round

if TYPE_CHECKING:
    from gan_bench.commands.command import Command
    from gan_bench.grid import Grid
    from gan_bench.workers.executor import Executor

AGAIN = 75  # exit code of a job that finishes, where there is more to do: that of sysexits.h for trying again later
FRUITLESS = 5  # arrays in a row in which no run ends, after which no further one is submitted
SAVING = 0.8  # of the time between signal and limit: for workers to save their runs
KILL_WAIT = 20.0  # seconds for that after SIGTERM, which Slurm follows by SIGKILL after 30 unless it is told otherwise
MOST_IDLE = 2  # lives of a task without a step, after which more time is not asked for
ORPHAN_SECONDS = 1.0  # between two looks at whether Slurm still knows of this process


def take_on(command: Command, grid: Grid, store: Path) -> None:
    """Make a store one whose jobs somebody else submits. GanBenchError: Slurm has jobs of it."""
    check_unsubmitted(store)
    write_bundle(command, grid, store)
    Submission.new(store, grid.cluster.most, on_slurm=False)


def submission_of(store: Path, name: str | None) -> Submission:
    """The store's submission. GanBenchError: it has none, or the one that a job belongs to is no longer the latest."""
    found = Submission.latest(store)
    if found is None:
        raise GanBenchError(f"{store} has no runs that were given to a cluster")
    if name not in (None, found.name):
        raise GanBenchError(f"{name} is over: {store} was given to {found.name} since")
    return found


def prepare(submission: Submission) -> Ending | None:
    """Make data and features, and give out the runs of the first round. Returns how the grid has ended, if that was all."""
    return _give_out(submission, 1, Told())


def finish(submission: Submission) -> Ending | None:
    """Write tables and report, or give out what is left, for another array of tasks. Returns how it has ended, if it has."""
    if (ending := submission.ending) is not None:
        return ending
    if submission.stopped.exists():
        return _end(submission, Ending(stopped=True))
    rounds, told, fruitless = submission.rounds(), Told(), 0
    if not rounds:
        return _end(submission, Ending(error=_silent(submission)))
    for number in range(1, rounds + 1):
        ended = len(told.ended)
        told.take(Journals(submission.round(number).journals).new())
        fruitless = fruitless + 1 if len(told.ended) == ended else 0
    if told.refused:
        return _end(submission, Ending(error="; ".join(told.refused)))
    if fruitless >= FRUITLESS:
        lost = submission.round(rounds).facts["runs"]
        line = f"{lost} runs were lost with their tasks {FRUITLESS} times; {submission.logs} has what those printed"
        return _end(submission, Ending(runs=lost, failed=lost, lines=(line,)))
    if submission.on_slurm and submission.cancelled():
        return _end(submission, Ending(stopped=True))
    return _give_out(submission, rounds + 1, told)


def shard(submission: Submission, task: int, tasks: int) -> int:
    """Train a share of the runs that were given out; returns the exit code."""
    rounds = submission.rounds()
    if submission.ending or submission.stopped.exists() or not rounds:
        return 0
    round_ = submission.round(rounds)
    return Shard(round_, task, tasks).work(submission.store) if task < round_.used(tasks) else 0


def _give_out(submission: Submission, number: int, told: Told) -> Ending | None:
    """Do the command with an engine that writes down what is to be trained."""
    from gan_bench.commands.giving_out import GivingOut  # imports PyTorch, which a task without runs does without

    store = submission.store
    try:
        command, grid = read_bundle(store).open(store)
        engine = GivingOut(submission.round(number), submission.tasks, command, grid.cluster, told)
        outcome, lines = command.perform(grid, engine, told.ended)
    except GanBenchError as error:
        return _end(submission, Ending(error=str(error)))
    if not engine.given:
        return _end(submission, Ending(runs=outcome.runs, failed=outcome.failed, stopped=outcome.stopped, lines=lines))
    if number > 1 and submission.on_slurm:
        own = slurm.own_job()
        submission.submit(grid.cluster, [job for job in submission.living() if job.job != own], number)
    return None


def _end(submission: Submission, ending: Ending) -> Ending:
    submission.end(ending)
    return ending


def _silent(submission: Submission) -> str:
    return (
        f"the first job, which prepares data and features, ended without a word; {submission.logs}/prepare.log has what it "
        "printed, and is missing where the job's node does not see the store"
    )


class Shard:
    """A task's share of the runs of a round."""

    def __init__(self, round_: Round, task: int, tasks: int) -> None:
        self.round, self.task, self.tasks = round_, task, tasks
        self.executor: Executor | None = None
        self.left: dict[str, Given] = {}
        self.foreign: set[str] = set()  # runs that go on only on another kind of device
        self.orphan = False  # Slurm's process for this job has ended
        self.out_of_time = False  # its time limit is near
        self.trained = False  # any step, as far as is told
        self.lives = 0  # in which this task has begun before
        self.before: dict[str, int] = {}  # steps that its runs had then

    def work(self, store: Path) -> int:
        """Train the runs, those excepted that have ended in an earlier life of this task; returns the exit code."""
        if hasattr(signal, "SIGUSR1"):
            signal.signal(signal.SIGUSR1, self._near_the_limit)
        bundle = read_bundle(store)
        node = os.environ.get("SLURMD_NODENAME") or platform.node()
        job = slurm.own_job()
        try:
            files, devices, slots = self._at_hand(bundle, store)
        except GanBenchError as error:
            Journal(self.round.journals, Begun(self.task, node, job, 0))(Refused(f"{node}: {error}"))
            raise
        told = Told()
        told.take(Journals(self.round.journals).new())
        self.lives = sum(begun.shard == self.task for begun in told.nodes.values())
        self.before = told.steps
        share = self.round.share(self.task, self.tasks)
        self.left = {one.job.run: one for one in share if one.job.run not in told.ended}
        journal = Journal(self.round.journals, Begun(self.task, node, job, len(devices)))
        if not self.left:
            return 0
        try:
            done = self._train(store, files, devices, slots, told.started, journal)
        except GanBenchError as error:
            journal(Over(str(error)))
            raise
        return self._leave(journal, job, done)

    def _at_hand(self, bundle: Bundle, store: Path) -> tuple[Sequence[Path], Sequence[str], int | None]:
        """The plugin files here, and the devices. GanBenchError: others than the command's, or none."""
        from gan_bench.workers.engine import LocalEngine

        files = bundle.enter(store)
        engine = LocalEngine(bundle.command.devices, bundle.command.slots)
        return files, engine.devices, engine.slots

    def _train(
        self,
        store: Path,
        files: Sequence[Path],
        devices: Sequence[str],
        slots: int | None,
        started: Collection[str],
        journal: Journal,
    ) -> bool:
        from gan_bench.workers.executor import Executor
        from gan_bench.workers.hosts.local import LocalHost

        rules = self.round.rules()

        def listen(event: Event) -> None:
            self._take(event, journal, rules.fail_fast)

        setup: Any = replace(self.round.setup(store, files), slots=slots)
        self.executor = Executor(setup, LocalHost(devices), listen, fail_fast=rules.fail_fast, retries=rules.retries)
        if slurm.own_job():
            self.executor.grace = KILL_WAIT
            threading.Thread(target=self._end_as_orphan, daemon=True).start()
        jobs = [replace(one.job, clear=one.job.clear and run not in started) for run, one in self.left.items()]
        return False if self.out_of_time else self.executor.run(jobs)

    def _take(self, event: Event, journal: Journal, fail_fast: bool) -> None:
        further = isinstance(event, Started) and event.steps > self.before.get(
            event.run, 0
        )  # than its life before began
        self.trained |= further or isinstance(event, Advanced)
        if isinstance(event, Foreign):
            self.foreign.add(event.run)
        elif isinstance(event, Failed) and event.run in self.foreign:  # another node may be of its kind
            event = Returned(event.run, event.reason)
        journal(event)
        if isinstance(event, Finished | Failed):
            self.left.pop(event.run, None)
        if fail_fast and self.executor is not None:
            if isinstance(event, Failed):
                self.round.failed_mark.touch()
            elif not self.executor.stopping and self.round.failed_mark.exists():
                self.executor.stop()

    def _near_the_limit(self, *_: object) -> None:
        self.out_of_time = True
        if self.executor is not None:
            self.executor.grace = self.round.facts["signal_seconds"] * SAVING
            self.executor.stop()

    def _end_as_orphan(self) -> None:
        """Once Slurm's own process for this job is gone, save and end: Slurm will notice, and start another."""
        parent = os.getppid()
        while os.getppid() == parent:
            time.sleep(ORPHAN_SECONDS)
        self.orphan = True
        os.kill(os.getpid(), signal.SIGTERM)

    def _leave(self, journal: Journal, job: str, done: bool) -> int:
        """Say why this task ends; what its time limit has stopped asks for more time."""
        if not self.left:
            journal(Over("all its runs have ended"))
            return 0
        if self.orphan and slurm.node_of(job) == os.environ.get("SLURMD_NODENAME"):  # it has not noticed yet
            journal(Over("Slurm's process for this task is gone; it goes on as soon as Slurm starts it again"))
            slurm.requeue(job)
            return 130
        if not self.out_of_time or not job:
            journal(Over("it was stopped"))
            return 0 if done else 130
        if self.lives > MOST_IDLE and not self.trained:
            journal(Over("its time limit leaves no time to train: give tasks more time (cluster.sbatch.time)"))
            return 1
        journal(Over("its time limit is near; it goes on as soon as Slurm starts it again"))
        slurm.requeue(job)
        return 0


def tell(ending: Ending | None, *, again: bool) -> int:
    """Print how a part of the work has ended, or that runs are given out, `again`; returns the exit code. GanBenchError: bad
    input."""
    if ending is None:
        say("The runs are given out.")
        return AGAIN if again else 0
    if ending.error:
        raise GanBenchError(ending.error)
    for line in ending.lines:
        say(line)
    return 130 if ending.stopped else 1 if ending.failed else 0
