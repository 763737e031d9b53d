"""A grid on Slurm: submitted once, and followed by what its tasks write into the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import Timeout

from gan_bench.commands.bundle import FOLDER, Bundle, make_bundle, read_bundle, write_bundle
from gan_bench.commands.following import Follower
from gan_bench.commands.run import Outcome
from gan_bench.commands.submission import STILL, Submission
from gan_bench.console import plain_console, say
from gan_bench.errors import GanBenchError
from gan_bench.planning.courses import check_undecoded
from gan_bench.store.lock import locked
from gan_bench.workers import slurm

if TYPE_CHECKING:
    from gan_bench.commands.command import Command
    from gan_bench.grid import Grid


def run_on_slurm(command: Command, grid: Grid, *, detach: bool) -> tuple[Outcome | None, list[str]]:
    """Train a command's grid there; returns how it ended, None if that is not awaited, and lines for a person.

    Where its jobs live already, it is followed from there on; where they have ended since, that is told. GanBenchError: bad
    input, Slurm is not there or refuses the jobs, or another command's jobs live in the store.
    """
    check_time(grid)
    check_undecoded(grid)
    store = command.store(grid).resolve()
    submission, said = submit(command, grid, store)
    if detach and submission.ending is None:
        more = f"`gan-bench status {store}` tells how far it is; the same command without --detach follows it."
        return None, [said, more]
    say(said, err=True)
    return Follower(submission, plain_console()).follow()


def submit(command: Command, grid: Grid, store: Path) -> tuple[Submission, str]:
    """The store's living submission, one of the same command that has ended since, or a new one; and a line for a person."""
    bundle = make_bundle(command, grid, store)
    with _one_at_a_time(store):
        before = Submission.latest(store)
        if before and before.on_slurm and (said := _attached(before, bundle, grid)):
            return before, said
        write_bundle(command, grid, store)
        tasks = min(grid.cluster.most, most_runs(grid), slurm.most_tasks())
        submission = Submission.new(store, tasks)
        try:
            submission.submit(grid.cluster, ())
        except BaseException:  # Ctrl-C too
            if not submission.stop():
                say(STILL, err=True)
            raise
        return submission, f"Given to Slurm: a job that prepares, an array of {tasks} tasks, and a job that finishes."


def _attached(submission: Submission, bundle: Bundle, grid: Grid) -> str:
    """A line for a person where this one is to be followed, with what lacks of its jobs submitted; "": it is over.

    GanBenchError: its jobs are another command's, or are being stopped, or Slurm refuses them.
    """
    store, ending = submission.store, submission.ending
    if ending is not None:
        with suppress(GanBenchError):  # a damaged bundle is made anew
            if not ending.stopped and not submission.told.exists() and bundle.same(read_bundle(store)):
                return f"Its jobs, submitted {submission.began}, have ended. Another such command submits new ones."
        return ""
    living = submission.living()
    if not living:
        return ""
    if submission.is_stopped:
        raise GanBenchError(f"the jobs of {store} are still ending; `gan-bench status {store}` shows them")
    if not bundle.same(read_bundle(store)):
        raise GanBenchError(
            f"jobs of another command are at work in {store}, submitted {submission.began}; wait for them, end them by "
            f"`gan-bench stop {store}`, or give another --out"
        )
    submission.submit(grid.cluster, living, max(1, submission.rounds()))
    return f"Slurm has its jobs already, submitted {submission.began}."


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
        with locked(store / FOLDER / ".submitting", 120):
            yield
    except Timeout as error:
        raise GanBenchError(f"another command is submitting jobs for {store}") from error
