"""How far a store's runs are: by its files, and on Slurm by its queue and what tasks tell."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from gan_bench.commands.submission import Submission
from gan_bench.console import duration
from gan_bench.errors import GanBenchError
from gan_bench.workers.journal import Journals, Told
from gan_bench.workers.shards import Given


def status_lines(store: Path) -> Iterator[str]:
    """Lines for a person. GanBenchError: it is no store."""
    submission = Submission.latest(store)
    yield from _of_files(store) if submission is None else _of_slurm(submission)


def _of_files(store: Path) -> Iterator[str]:
    """Of a store whose runs train on this machine, or on Ray, where the command that trains them tells more."""

    from gan_bench.findings.tables import load
    from gan_bench.live.standing import standings
    from gan_bench.store.lock import at_work

    working = at_work(store)
    for found in standings(load(store), time.time(), at_work=working):
        runs = found.finished + found.failed + found.unfinished
        counts = f"{found.failed} failed, {found.training} training, {found.waiting} waiting"
        yield f"{found.finished} of {runs} runs finished, {counts}"
        if found.seconds_left is not None:
            yield f"about {duration(found.seconds_left)} left"
    yield "a command is at work there" if working else "nothing works there"


def _of_slurm(submission: Submission) -> Iterator[str]:
    yield f"{submission.store}, given to {'Slurm' if submission.on_slurm else 'tasks'} {submission.began}"
    ending = submission.ending
    if ending is not None:
        if ending.error:
            yield f"ended: {ending.error}"
        else:
            yield "stopped; the same command goes on" if ending.stopped else "ended; the report is written"
    at_work: set[str] | None = None  # jobs; None: nobody knows
    try:
        living = submission.living()
        at_work = {task.number for task in living if task.node}
        yield submission.in_words(living)
    except GanBenchError as error:
        yield f"jobs: {error}"
    if ending is not None:  # other commands may have gone on since
        with suppress(GanBenchError):  # it ended before there was a run
            yield from _of_files(submission.store)
        yield f"what the jobs print: {submission.logs}"
        return
    rounds = submission.rounds()
    if not rounds:
        yield "No run is given out yet: the first job prepares data and features."
        return
    every, told = [submission.round(number) for number in range(1, rounds + 1)], Told()
    given = list({one.job.run: one for round_ in every for one in round_.given()}.values())
    for round_ in every:
        told.take(Journals(round_.journals).new())
    running = [one for one in given if (task := told.at.get(one.job.run)) and (at_work is None or task.job in at_work)]
    again = f" (given out for the {rounds}th time)" if rounds > 2 else " (given out again)" if rounds == 2 else ""
    waiting = len(given) - len(told.ended) - len(running)
    yield (
        f"{len(told.finished)} of {len(given)} runs finished, {len(told.failed)} failed, {len(running)} training, "
        f"{waiting} waiting{again}"
    )
    for one in running:
        node, steps = told.at[one.job.run].node, told.steps[one.job.run]
        yield f"  {node}: {one.title}: step {steps:,} of {one.job.snapshot_steps[-1]:,}"
    seconds = sum(_seconds_left(one, told) for one in given if one.job.run not in told.ended)
    if seconds:
        yield f"It still needs about {duration(seconds)} of one worker; tasks train {every[-1].facts['workers']} runs at a time."
    yield f"what the jobs print: {submission.logs}"


def _seconds_left(one: Given, told: Told) -> float:
    """Of one worker."""
    last = one.job.snapshot_steps[-1]
    share = (last - told.steps.get(one.job.run, one.steps)) / max(1, last - one.steps)
    return one.seconds * share
