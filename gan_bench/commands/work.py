"""What a task of a cluster does for a store: prepare it, train a share of its runs, or finish it."""

from __future__ import annotations

import os
import platform
import signal
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_bench.commands.bundle import Bundle, read_bundle, write_bundle
from gan_bench.commands.submission import Ending, Submission, check_unsubmitted
from gan_bench.console import say
from gan_bench.errors import GanBenchError, OccupiedError
from gan_bench.workers import slurm
from gan_bench.workers.events import Advanced, Event, Failed, Finished, Foreign, Returned, Started
from gan_bench.workers.journal import Begun, Journal, Journals, Over, Refused, Told
from gan_bench.workers.processes import on_stop
from gan_bench.workers.shards import Given, Round

if TYPE_CHECKING:
    from gan_bench.commands.command import Command
    from gan_bench.grid import Grid
    from gan_bench.grid.schema import Cluster
    from gan_bench.workers.executor import Executor

AGAIN = 75  # exit code of a job that finishes, where there is more to do: that of sysexits.h for trying again later
FRUITLESS = 5  # arrays in a row in which no run ends or comes further, after which no further one is submitted
SAVING = 0.8  # of the time between signal and limit: for workers to save their runs
KILL_WAIT = 20.0  # seconds for that after SIGTERM, which Slurm follows by SIGKILL after 30 unless it is told otherwise
MOST_IDLE = 2  # lives of a task without a step, after which more time is not asked for
OCCUPIED_SECONDS = 600.0  # to wait for a store in which this job still works where Slurm had started it before
LOOK_SECONDS = 10.0  # between two looks at that
ROUND_SECONDS = 120.0  # until a node sees what another one has written


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
    """Make data and features, and give out the runs of the first round. Returns how the grid has ended, if that was all.

    OccupiedError: another process prepares it still, or finishes it; how that ends is its to say.
    """
    return _once_free(lambda: _prepare(submission))


def finish(submission: Submission) -> Ending | None:
    """Write tables and report, or give out what is left, for another array of tasks. Returns how it has ended, if it has.

    OccupiedError: as `prepare`.
    """
    return _once_free(lambda: _finish(submission))


def shard(submission: Submission, task: int, tasks: int, number: int | None = None) -> int:
    """Train a share of the runs that were given out the `number`-th time, or last; returns the exit code.

    GanBenchError: this node does not see that they were.
    """
    deadline = time.monotonic() + ROUND_SECONDS
    while (rounds := submission.rounds()) < (number or 0):
        if time.monotonic() > deadline:
            raise GanBenchError(
                f"{_node()} does not see {submission.round(rounds + 1).folder}, where runs were given out"
            )
        time.sleep(1.0)
    if submission.ending or submission.is_stopped or not rounds or number not in (None, rounds):
        return 0
    return Shard(submission, rounds, task, tasks).work() if task < submission.round(rounds).used(tasks) else 0


def _once_free(do: Callable[[], Ending | None]) -> Ending | None:
    """Do it as soon as another process, such as one on a node that Slurm takes for dead, has let go of the store."""
    slurm.end_as_orphan()
    deadline = time.monotonic() + OCCUPIED_SECONDS
    with on_stop(_interrupt):
        while True:
            try:
                return do()
            except OccupiedError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(LOOK_SECONDS)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _prepare(submission: Submission) -> Ending | None:
    ending = _over(submission)
    return ending if ending or submission.rounds() else _give_out(submission, 1, Told())


def _finish(submission: Submission) -> Ending | None:
    if (ending := _over(submission)) is not None:
        return ending
    rounds, told, fruitless = submission.rounds(), Told(), 0
    if not rounds:
        return submission.end(Ending(error=_silent(submission)))
    for number in range(1, rounds + 1):
        before = len(told.ended), sum(told.furthest.values())
        told.take(Journals(submission.round(number).journals).new())
        fruitless = fruitless + 1 if before == (len(told.ended), sum(told.furthest.values())) else 0
    if told.refused:
        return submission.end(Ending(error="; ".join(told.refused)))
    return _give_out(submission, rounds + 1, told, enough=fruitless >= FRUITLESS)


def _over(submission: Submission) -> Ending | None:
    """How it has ended, or ends now that somebody has stopped it; None: it goes on."""
    ending = submission.ending
    return submission.end(Ending(stopped=True)) if ending is None and submission.is_stopped else ending


def _give_out(submission: Submission, number: int, told: Told, *, enough: bool = False) -> Ending | None:
    """Do the command with an engine that writes down what is to be trained, unless that was done often `enough`."""
    from gan_bench.commands.giving_out import GivingOut  # imports PyTorch, which a task without runs does without

    store, earlier = submission.store, [submission.round(before) for before in range(1, number)]
    try:
        if earlier and submission.on_slurm:
            if slurm.patiently(lambda: submission.others("finish")):
                return None  # this job has done its work, and was started anew
            if slurm.patiently(submission.cancelled):
                return submission.end(Ending(stopped=True))
        command, grid = read_bundle(store).open(store)
        engine = GivingOut(
            submission.round(number), submission.tasks, command, grid.cluster, told, earlier=earlier, enough=enough
        )
        outcome, lines = command.perform(grid, engine, told.ended)
        if engine.given:
            if submission.on_slurm:
                _have_trained(submission, grid.cluster, number)
            return None
    except OccupiedError:
        raise
    except GanBenchError as error:
        return submission.end(Ending(error=str(error)))
    if engine.left:
        lost = f"{engine.left} runs were lost with their tasks {FRUITLESS} times"
        lines = [*lines, f"{lost}; {submission.logs} has what those printed"]
    failed = min(outcome.runs, outcome.failed + engine.left)
    return submission.end(Ending(runs=outcome.runs, failed=failed, stopped=outcome.stopped, lines=tuple(lines)))


def _have_trained(submission: Submission, cluster: Cluster, number: int) -> None:
    """Have jobs that train what was given out. GanBenchError: Slurm refuses them."""
    if number > 1:
        slurm.patiently(lambda: submission.submit(cluster, submission.others(), number))
    else:
        with suppress(GanBenchError):  # else they end by themselves once they have begun
            submission.cancel_surplus()


def _node() -> str:
    return os.environ.get("SLURMD_NODENAME") or platform.node()


def _silent(submission: Submission) -> str:
    return (
        f"the first job, which prepares data and features, ended without a word; {submission.logs}/prepare.log has what it "
        "printed, and is missing where the job's node does not see the store"
    )


class Shard:
    """A task's share of the runs of a round."""

    def __init__(self, submission: Submission, number: int, task: int, tasks: int) -> None:
        self.submission, self.task, self.tasks = submission, task, tasks
        self.round: Round = submission.round(number)
        self.executor: Executor | None = None
        self.left: dict[str, Given] = {}
        self.foreign: set[str] = set()  # runs that go on only on another kind of device
        self.orphan = False  # Slurm's process for this job has ended
        self.out_of_time = False  # its time limit is near
        self.trained = False  # any step, as far as is told
        self.lives = 0  # in which this task has begun before
        self.before: dict[str, int] = {}  # steps that its runs had then

    def work(self) -> int:
        """Train the runs, those excepted that have ended in an earlier life of this task; returns the exit code."""
        if hasattr(signal, "SIGUSR1"):
            signal.signal(signal.SIGUSR1, self._near_the_limit)
        store = self.submission.store
        bundle, node, job = read_bundle(store), _node(), slurm.own_job()
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
        kind = self.round.facts["device"]
        if not devices[0].startswith(kind):
            journal(Over(f"{node} has no device that is {kind}, as the other nodes have"))
            return 1
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
            slurm.end_as_orphan(self._orphaned)
        jobs = [replace(one.job, clear=one.job.clear and run not in started) for run, one in self.left.items()]
        return False if self.out_of_time else self.executor.run(jobs)

    def _take(self, event: Event, journal: Journal, fail_fast: bool) -> None:
        begun = self.before.get(event.run, 0)  # where its life before stood
        further = isinstance(event, Started) and event.steps > begun
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

    def _orphaned(self) -> None:
        self.orphan = True

    def _leave(self, journal: Journal, job: str, done: bool) -> int:
        """Say why this task ends; what its time limit has stopped asks for more time."""
        if not self.left:
            journal(Over("all its runs have ended"))
            return 0
        stopped = self.submission.is_stopped  # to requeue a job that is cancelled would revive it
        if (
            self.orphan and not stopped and slurm.patiently(lambda: slurm.node_of(job)) == _node()
        ):  # it has not noticed yet
            journal(Over("Slurm's process for this task is gone; it goes on as soon as Slurm starts it again"))
            slurm.patiently(lambda: slurm.requeue(job))
            return 130
        if stopped or not self.out_of_time or not job:
            journal(Over("it was stopped"))
            return 0 if done else 130
        if self.lives > MOST_IDLE and not self.trained:
            journal(Over("its time limit leaves no time to train: give tasks more time (cluster.sbatch.time)"))
            return 1
        journal(Over("its time limit is near; it goes on as soon as Slurm starts it again"))
        slurm.patiently(lambda: slurm.requeue(job))
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
