"""A grid on Slurm: submitted once, and followed by what its tasks write into the store."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import Timeout

from gan_bench.commands.bundle import FOLDER, make_bundle, read_bundle, write_bundle
from gan_bench.commands.run import Outcome
from gan_bench.commands.submission import Ending, Submission, of_part
from gan_bench.console import plain_console, say
from gan_bench.errors import GanBenchError
from gan_bench.planning.courses import check_undecoded
from gan_bench.store.lock import Lock
from gan_bench.workers import slurm
from gan_bench.workers.events import Advanced, Ended, Event, Started, Warned
from gan_bench.workers.journal import Journals, Refused
from gan_bench.workers.progress import Display, Shown

if TYPE_CHECKING:
    from rich.console import Console

    from gan_bench.commands.command import Command
    from gan_bench.grid import Grid

READ_SECONDS = 1.0  # between two looks at the tasks' journals
POLL_SECONDS = 15.0  # between two questions to Slurm
STOP_SECONDS = 90.0  # for tasks to save their runs and end


def run_on_slurm(command: Command, grid: Grid, *, detach: bool) -> tuple[Outcome, list[str]]:
    """Train a command's grid there; returns how it ended, and lines for a person.

    Where its jobs live already, it is followed from there on. GanBenchError: bad input, Slurm is not there or refuses the jobs,
    or another command's jobs live in the store.
    """
    check_time(grid)
    check_undecoded(grid)
    store = command.store(grid).resolve()
    submission, said = submit(command, grid, store)
    if detach:
        follow = f"gan-bench status {store}"
        return Outcome(store, 0, 0, stopped=False), [
            said,
            f"`{follow}` tells how far it is; the same command without --detach follows it.",
        ]
    say(said, err=True)
    return Follower(submission, plain_console()).follow()


def submit(command: Command, grid: Grid, store: Path) -> tuple[Submission, str]:
    """The store's living submission, or a new one; and a line for a person."""
    bundle = make_bundle(command, grid, store)
    with _one_at_a_time(store):
        submission = Submission.latest(store)
        if submission is not None and submission.ending is None and (living := submission.living()):
            if not bundle.same(read_bundle(store)):
                raise GanBenchError(
                    f"jobs of another command are at work in {store}, submitted {submission.began}; wait for them, end them by "
                    f"`gan-bench stop {store}`, or give another --out"
                )
            submission.submit(grid.cluster, living, max(1, submission.rounds()))
            return submission, f"Slurm has its jobs already, submitted {submission.began}."
        write_bundle(command, grid, store)
        tasks = min(grid.cluster.most, most_runs(grid), slurm.most_tasks())
        submission = Submission.new(store, tasks)
        submission.submit(grid.cluster, ())
        return submission, f"Given to Slurm: a job that prepares, an array of {tasks} tasks, and a job that finishes."


def most_runs(grid: Grid) -> int:
    """Of the grid at once, as far as is known before anything has run."""
    runs = len(grid.cells) * len(grid.seeds)
    return max(runs, len(grid.cells) * grid.search.draws * len(grid.search.seeds)) if grid.search else runs


def check_time(grid: Grid) -> None:
    """GanBenchError: tasks would save their runs before they have begun."""
    given = grid.cluster.sbatch.get("time")
    limit = seconds_of(str(given)) if given is not None else None
    if limit is not None and limit <= grid.cluster.signal_seconds:
        raise GanBenchError(
            f"cluster.sbatch.time is {given}, and tasks save their runs {grid.cluster.signal_seconds} s before it is over "
            "(cluster.signal_seconds): give them more time"
        )


def seconds_of(limit: str) -> float | None:
    """A time limit as sbatch takes it: "minutes", "minutes:seconds", "hours:minutes:seconds", "days-hours[:minutes[:seconds]]";
    None: it is none."""
    days, dash, rest = limit.rpartition("-")
    try:
        parts = [int(part) for part in rest.split(":")]
        whole = int(days) * 86_400 if dash else 0
    except ValueError:
        return None
    if dash:
        units: Sequence[int] = (3600, 60, 1)
    else:
        units = (3600, 60, 1) if len(parts) == 3 else (60, 1)
    return whole + sum(part * unit for part, unit in zip(parts, units, strict=False))


@contextmanager
def _one_at_a_time(store: Path) -> Iterator[None]:
    """Of two equal commands, the second finds what the first has submitted."""
    (store / FOLDER).mkdir(parents=True, exist_ok=True)
    try:
        with Lock(store / FOLDER / ".submitting", timeout=120):
            yield
    except Timeout as error:
        raise GanBenchError(f"another command is submitting jobs for {store}") from error


class Hangup(BaseException):
    """The terminal is gone, or somebody has ended this command: its jobs go on."""


@dataclass
class Follower:
    """Tells a person what the tasks of a submission write, and what Slurm says of those that wait."""

    submission: Submission
    console: Console
    round: int = 0
    unseen: int = 0  # polls at which Slurm had no job of it
    said: str = ""  # of the queue
    display: Display | None = None
    journals: Journals | None = None
    logs: dict[Path, int] = field(default_factory=dict)  # bytes that were told
    lines: set[str] = field(default_factory=set)  # of the logs
    polled: float = 0.0

    def follow(self) -> tuple[Outcome, list[str]]:
        """Until it has ended. Ctrl-C ends its jobs; SIGTERM or the end of the terminal only this command."""
        store = self.submission.store
        try:
            with ExitStack() as shown, _hangups():
                while (ending := self.submission.ending) is None:
                    self._look(shown)
                    if time.monotonic() - self.polled > POLL_SECONDS:
                        self.polled = time.monotonic()
                        if self._poll():
                            self.submission.end(Ending(stopped=True))
                    time.sleep(READ_SECONDS)
                self._look(shown)
        except KeyboardInterrupt:
            self.console.print("Stopping its tasks; they save their runs.")
            stop(self.submission)
            ending = Ending(stopped=True)
        except Hangup:
            self.console.print("Its jobs go on; the same command follows them again.")
            raise SystemExit(130) from None
        if ending.error:
            raise GanBenchError(ending.error)
        return Outcome(store, ending.runs, ending.failed, ending.stopped), list(ending.lines)

    def _look(self, shown: ExitStack) -> None:
        """Tell what is new in logs and journals."""
        for log in sorted(self.submission.logs.glob("*.log")):
            if not log.name.startswith("train"):
                self._tell_log(log)
        self._tell_journals()
        if (rounds := self.submission.rounds()) > self.round:
            self.round = rounds
            round_ = self.submission.round(rounds)
            runs = [Shown(one.job.run, one.title, one.job.snapshot_steps[-1], one.steps) for one in round_.given()]
            shown.close()
            self.display = shown.enter_context(Display(runs, None, self.console))
            self.journals = Journals(round_.journals)
            self.console.print(f"{len(runs)} runs for {round_.used(self.submission.tasks)} tasks")

    def _tell_log(self, log: Path) -> None:
        with log.open("rb") as opened:
            opened.seek(self.logs.get(log, 0))
            whole = opened.read().rpartition(b"\n")[0]
        if whole:
            self.logs[log] = self.logs.get(log, 0) + len(whole) + 1
            for line in whole.decode(errors="replace").splitlines():
                if line not in self.lines:  # the last job finds the same of the data as the first
                    self.lines.add(line)
                    self.console.print(line, soft_wrap=True)

    def _tell_journals(self) -> None:
        if self.journals is None or self.display is None:
            return
        for line in self.journals.new():
            entry: Any = line.entry
            if isinstance(entry, Refused):
                self.console.print(entry.text, style="red", soft_wrap=True)
            elif isinstance(entry, Started | Warned | Ended) or (
                isinstance(entry, Advanced) and entry.run in self.display.active
            ):
                self.display(entry)

    def _poll(self) -> bool:
        """Ask Slurm what lives; True: nothing has for two polls, and nothing has said how it ended."""
        try:
            living = self.submission.living()
        except GanBenchError as error:
            self._say(f"Slurm does not answer ({error}); what trains goes on.")
            return False
        if not living:
            self.unseen += 1
            if self.unseen == 2:
                self.console.print("Slurm has no job of it any more, and none has written how it ended.")
            return self.unseen >= 2
        self.unseen = 0
        self._say(in_words(self.submission, living))
        return False

    def _say(self, line: str) -> None:
        if line != self.said:
            self.said = line
            self.console.print(line, soft_wrap=True)


@contextmanager
def _hangups() -> Iterator[None]:
    def hang_up(*_: object) -> None:
        raise Hangup

    numbers = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        if before[number] != signal.SIG_IGN:
            signal.signal(number, hang_up)
    try:
        yield
    finally:
        for number, own in before.items():
            signal.signal(number, own)


def in_words(submission: Submission, living: Sequence[slurm.Task]) -> str:
    """What lives of a submission in Slurm's queue."""
    parts = []
    for part, name in (("prepare", "job that prepares"), ("train", "task"), ("finish", "job that finishes")):
        own = list(of_part(submission, living, part))  # type: ignore[arg-type]
        running = [task for task in own if task.node]
        if running:
            parts.append(f"{_count(len(running), name)} on {', '.join(sorted({task.node for task in running}))}")
        for reason, number in Counter(task.reason for task in own if not task.node).items():
            parts.append(f"{_count(number, name)} waiting ({reason})")
    return f"Slurm: {'; '.join(parts)}"


def _count(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"


def stop(submission: Submission, tell: Callable[[str], object] = lambda line: None) -> bool:
    """End a submission's jobs, and wait until they have saved their runs; False: some live still. GanBenchError: as `slurm.ask`."""
    submission.stopped.touch()
    deadline = time.monotonic() + STOP_SECONDS
    asked: set[str] = set()
    while living := submission.living():
        new = [task.job for task in (*of_part(submission, living, "finish"), *living) if task.job not in asked]
        slurm.cancel(list(dict.fromkeys(new)))
        asked.update(new)
        if time.monotonic() > deadline:
            return False
        tell(in_words(submission, living))
        time.sleep(READ_SECONDS)
    submission.end(Ending(stopped=True))
    return True
