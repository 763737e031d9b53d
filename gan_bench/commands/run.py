"""From a grid to a finished store: prepare data and features, train what is missing, write tables and report."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from rich.console import Console

from gan_bench.api.asking import ask
from gan_bench.api.global_state import keep_freed_memory, preserved
from gan_bench.api.samples import PreparedData
from gan_bench.api.trackers import trackers
from gan_bench.commands.outputs import write_outputs
from gan_bench.console import plain_console, say
from gan_bench.errors import GanBenchError, OccupiedError
from gan_bench.files import checked, remove_leftovers
from gan_bench.findings.stand_ins import sentence, stand_ins
from gan_bench.findings.told import lines, told_all
from gan_bench.grid.labels import value_text
from gan_bench.grid.stages import drawn, tuned
from gan_bench.planning.cost import check_space
from gan_bench.planning.courses import prepare_grid
from gan_bench.planning.datasets import dataset_key
from gan_bench.planning.draws import Search, undrawn
from gan_bench.planning.family import no_verdict_lines
from gan_bench.planning.optuna import with_more_draws
from gan_bench.planning.planned import plan_runs
from gan_bench.planning.runs import Run, Todo, select
from gan_bench.planning.stale import stale_lines
from gan_bench.planning.store_files import write_store
from gan_bench.planning.todo import remember, what_to_do
from gan_bench.scoring.evaluator import Evaluator
from gan_bench.scoring.neighbours import prepare_neighbours
from gan_bench.scoring.real_scores import score_real_data
from gan_bench.stats.sequential import Looks
from gan_bench.store.attempt import Lost
from gan_bench.store.index import FOLDER as INDEX
from gan_bench.store.lock import Held, hold
from gan_bench.training.dry import dry_pass
from gan_bench.training.known_passes import known_pass
from gan_bench.workers.engine import Engine, LocalEngine, Rules
from gan_bench.workers.events import Event, Failed
from gan_bench.workers.jobs import Job, Setup, make_job
from gan_bench.workers.progress import Display, Shown
from gan_bench.workers.speed import Speed, speed_text, write_speed

if TYPE_CHECKING:
    from gan_bench.grid import Cell, Grid


@dataclass(frozen=True)
class Execution:
    """Where runs are trained, and what is done when one of them fails; nothing but `any_device` changes what they compute."""

    devices: str = "auto"
    slots: int | None = None  # on each device; None: as many as pay
    fail_fast: bool = False  # stop at the first run that fails
    retries: int = 1  # of a run whose process died
    step_seconds: float | None = None  # after which a step counts as hung
    any_device: bool = False  # go on with runs on another kind of device than they were begun on

    @property
    def rules(self) -> Rules:
        """What the executor does about runs that fail."""
        return Rules(self.fail_fast, self.retries)


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    store: Path
    runs: int  # that the command was about
    failed: int
    stopped: bool  # before all had ended
    finished: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """How many runs it was about, and how these stand."""
        return {"runs": self.runs, "finished": self.finished, "failed": self.failed}

    @property
    def exit_code(self) -> int:
        """0 if every run has succeeded, 1 if some failed, 130 if it was stopped."""
        return 130 if self.stopped else 1 if self.failed else 0


def store_of(grid: Grid, out: Path | None = None) -> Path:
    """The folder of a grid's runs."""
    return out or Path("runs") / grid.name


def told_beside(grid: Grid, store: Path, names: Sequence[str]) -> AbstractContextManager[Callable[[], None] | None]:
    """What tells trackers of these names of the grid's store, if any are named, as `gan_bench.commands.track.beside` does.

    GanBenchError: one is unknown, or not installed; nothing has trained yet then.
    """
    if not names:
        return nullcontext()
    from gan_bench.commands.track import beside  # imports pandas

    trackers(grid.registry.manager, names, partial(say, err=True))
    return beside(store, names, grid.plugin_files)


def prepare_evaluators(
    grid: Grid, data: dict[str, PreparedData], device: str, console: Console, kept: Path | None = None
) -> dict[str, Evaluator]:
    """The features of every dataset that runs train on, trained or loaded once and kept for the workers.

    Those that are `kept` in a folder, where a device of the runs' kind has made them, are loaded as something asks for them.
    """
    evaluators = {}
    for key in dict.fromkeys(dataset_key(cell) for cell in grid.cells):  # in the grid's order
        with console.status(f"features of {data[key].name}"):
            evaluators[key] = Evaluator.of(
                grid.evaluate, grid.registry, data[key], torch.device(device), grid.half, grid.conditional, kept
            )
            if kept is None:
                evaluators[key].prepare()
                prepare_neighbours(evaluators[key])
    return evaluators


class GridWork:
    """A grid in its store. What does not depend on seeds is derived once, however often it is gone through."""

    def __init__(
        self,
        grid: Grid,
        *,
        out: Path | None = None,
        fresh: bool = False,
        stale: Literal["rerun", "keep"] = "rerun",
        console: Console | None = None,
        execution: Execution = Execution(),
        search: Search | None = None,
        engine: Engine | None = None,
        verify: bool = False,
    ) -> None:
        if fresh and stale == "keep":
            raise GanBenchError("--fresh trains again what --stale keep would leave as it is; give one of them")
        self.grid, self.store, self.execution = grid, store_of(grid, out), execution
        self.fresh, self.keep_stale, self.verify = fresh, stale == "keep", verify
        self.console = console or plain_console()
        self.engine = engine or LocalEngine(execution.devices, execution.slots)
        self.prepared = prepare_grid(grid, self.console, known_pass)
        self.search = search  # of which its runs are the second stage; or, once it has run, which it is itself
        self.untold = True  # what its data and plugins were found to be

    @cached_property
    def evaluators(self) -> dict[str, Evaluator]:
        """By `dataset_key`; made only once the store is ours."""
        engine = self.engine
        return prepare_evaluators(self.grid, self.prepared.data, engine.device, self.console, engine.features)

    def run(
        self,
        *,
        only: str | None = None,
        add_looks: Callable[[Looks], Looks] | None = None,
        leave: Collection[str] = (),
        any_match: bool = False,
    ) -> Outcome:
        """Train what is missing, evaluate, write tables and report.

        `add_looks` is given the looks that the store's comparisons have, and returns those that they shall have; `leave`
        names runs that are left as they are. With `any_match`, `only` may select none.
        """
        fresh, self.fresh = self.fresh, False  # what was trained afresh is so, whatever seeds come later
        every, looks = plan_runs(
            self.prepared, self.store, keep_stale=self.keep_stale, add_looks=add_looks, verify=self.verify
        )
        runs = select(every, only, any_match=any_match, begun=self.engine.begun)
        tested = () if self.grid.half == "selection" else no_verdict_lines(self.grid, looks)
        for line in (*tested, *stale_lines(runs)):
            self.say(line)
        with self._alone():
            asked = [run for run in runs if run.name not in leave]
            if self.grid.written and self.grid.half == "selection":
                self.search = Search.of(self.grid.written, every, self.evaluators)
                if not fresh and only != "failed":  # that it does not train is what was found of a draw
                    asked = [run for run in asked if not run.state.failed]
            todo, unreadable = what_to_do(asked, self.evaluators, fresh, self.console)
            if self.grid.half == "selection" and not todo:
                self.say(f"All {len(asked)} runs of the search have ended.")
                return Outcome(self.store, len(runs), 0, stopped=False)
            self._write(every, looks)
            new = [run for run, what in todo if what == "train"]
            check_space(self.store, new, self.grid.evaluate.keep, self.engine.workers)
            self._tell_found()
            for cell in dict.fromkeys(run.cell for run, _ in todo):
                dry_pass(cell)  # what was known of it says nothing of today
            done, failed = self._train([run for run, _ in todo], self._jobs(todo, fresh))
            if not (
                self.store / "grid.json"
            ).exists():  # somebody deleted the store, and runs were trained into a new one
                self._write(every, looks)
            if self.engine.lost:
                self.say(self.engine.lost)
            if done or self.engine.lost:  # who stops the command waits for its end
                remember([run for run, _ in todo], self.evaluators)
                shown = {
                    run.name: run for run in (*every, *(self.search.runs.values() if self.search else ()))
                }.values()
                write_outputs(self.store, shown, self.grid.registry.manager, self.say, verify=self.verify)
        failed |= unreadable
        attempted = {run.name for run, _ in todo}  # what is known of these was read before
        others = [run for run in runs if run.name not in failed]
        states = {run.name: run.folder.read() if run.name in attempted else run.state for run in others}
        failed |= {name for name, state in states.items() if state.failed}
        finished = sum(states[run.name].finished_steps >= run.total_steps for run in others)
        return Outcome(self.store, len(runs), len(failed), stopped=not done, finished=finished)

    def _tell_found(self) -> None:
        """Tell a person what its datasets were found to be, and whose plugins it uses, once a command."""
        if not self.untold:
            return
        self.untold = False
        for line in lines(told_all(self.prepared.datasets), self.console.width if self.console.is_terminal else 200):
            self.say(line)
        if said := sentence(stand_ins(self.prepared)):
            self.say(said)

    def say(self, line: str) -> None:
        """Tell a person a line, which is not broken."""
        self.console.print(line, soft_wrap=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """The store is this process's own, and computing is as in a worker. OccupiedError: another command is at work there."""
        self.store.mkdir(parents=True, exist_ok=True)
        try:
            with hold(self.store, self.say) as heart, checked(heart.go_on), preserved():
                torch.set_num_threads(1)  # so that whoever computes features gets the same bits
                keep_freed_memory()
                remove_leftovers(self.store)
                remove_leftovers(self.store / INDEX)
                yield
        except Held as error:
            raise OccupiedError(
                f"another gan-bench run is at work in {self.store} ({error}); wait for it, or give another --out"
            ) from error
        except Lost as error:  # it was frozen, and the store is another command's by now
            raise KeyboardInterrupt(str(error)) from error

    def _write(self, runs: Sequence[Run], looks: Looks) -> None:
        """What the store holds beside its runs."""
        score_real_data(self.grid, self.store, self.prepared.data, self.evaluators, self.console)
        plugins = stand_ins(self.prepared)
        write_store(self.grid, self.store, runs, looks, self.evaluators.values(), self.search, plugins)

    def _jobs(self, todo: Sequence[tuple[Run, Todo]], fresh: bool) -> list[Job]:
        peaks = self.engine.peaks({run.cell.precision for run, _ in todo})
        return [make_job(run, self.grid, peaks, clear=fresh or what in ("again", "damaged")) for run, what in todo]

    def _train(self, runs: Sequence[Run], jobs: Sequence[Job]) -> tuple[bool, set[str]]:
        """Train the runs; False if it was stopped before all had ended, and the names of those that failed."""
        failed: set[str] = set()
        if not runs:
            self.console.print("All runs are finished; nothing is trained.")
            return True, failed
        shown = [Shown(run.name, run.title, run.total_steps, run.state.steps) for run in runs]
        display = Display(shown, self.prepared.steps_an_epoch, self.console)
        speed = Speed(min(self.engine.workers, len(jobs)), {job.run: job.limit for job in jobs})

        def listen(event: Event) -> None:
            if isinstance(event, Failed):
                failed.add(event.run)
            speed(event)
            display(event)

        setup, rules = worker_setup(self.grid, self.store, self.execution), self.execution.rules
        with display:
            done = self.engine.train(runs, jobs, replace(setup, slots=self.engine.slots), rules, listen)
        if self.engine.trains:
            session = speed.summary()
            write_speed(self.store, session)
            self.console.print(speed_text(session))
        return done, failed


def run_grid(
    grid: Grid,
    *,
    out: Path | None = None,
    only: str | None = None,
    fresh: bool = False,
    stale: Literal["rerun", "keep"] = "rerun",
    console: Console | None = None,
    execution: Execution = Execution(),
    engine: Engine | None = None,
    leave: Collection[str] = (),
    verify: bool = False,
) -> Outcome:
    """Train what is missing of a grid, evaluate, write tables and report; `engine` says where, `leave` names runs that are left.

    `stale` says what becomes of results that a changed plugin or dataset has put out of date: their runs train again, or
    they are kept and marked. To `verify` is to read every file again, also where the store's index knows it. GanBenchError:
    bad input. A failing run does not raise; the outcome counts it.
    """
    options: dict[str, Any] = {"out": out, "fresh": fresh, "stale": stale, "console": console, "execution": execution}
    options["engine"] = engine
    options["verify"] = verify
    if grid.search is None:
        outcome = GridWork(grid, **options).run(only=only, leave=leave)
    else:
        work, outcome = after_search(grid, only=only, leave=leave, **options)
        if work:
            outcome = work.run(only=only, any_match=outcome.runs > 0, leave=leave)
    tell_end(grid, outcome, console, engine)
    return outcome


def tell_end(grid: Grid, outcome: Outcome, console: Console | None = None, engine: Engine | None = None) -> None:
    """Tell listeners how a command has ended, unless it has only given its runs out to others."""
    if engine and engine.given:
        return
    console = console or plain_console()
    facts = {"store": outcome.store, "counts": outcome.counts, "stopped": outcome.stopped}
    ask(grid.registry.manager, "gan_bench_grid_ended", partial(console.print, soft_wrap=True), **facts)


def after_search(
    grid: Grid, *, only: str | None = None, leave: Collection[str] = (), **options: Any
) -> tuple[GridWork | None, Outcome]:
    """The second stage of a grid with a search, whose first stage is run here, and how that ended.

    None: it was stopped, or `only` has left out runs without which the best draws are not known. Draws that failed are no
    failure of the command: they are the worst. `options` are those of `GridWork`.
    """
    told: dict[Cell, list[float | None]] = {}
    ended = set(leave)  # and runs of draws that others were asked for by
    untold = True
    while True:
        if undrawn(grid):
            grid = with_more_draws(grid, told)
        first = GridWork(drawn(grid), **options)
        first.untold = untold
        outcome = first.run(only=only, any_match=True, leave=ended)
        search, untold = first.search, first.untold
        if outcome.stopped or search is None:
            return None, outcome
        found = search.told()
        if found is None:
            line = (
                "Which draws are best is known when all have ended; the same command without --only goes on with them."
            )
            first.say(line)
            return None, replace(outcome, failed=0)
        if not undrawn(grid):
            break
        told, ended = found, {*leave, *(run.name for run in search.runs.values())}
    chosen = search.chosen()
    assert chosen is not None
    if failed := sum(run.folder.read().failed for run in search.runs.values()):
        first.say(
            f"{failed} of {len(search.runs)} runs of the search failed, and count as the worst; --only failed tries them again."
        )
    for cell, number in chosen.items():
        values = ", ".join(f"{path} {value_text(value)}" for path, value in grid.draws[cell][number].values.items())
        first.say(f"{cell.label}: draw {number} is the best of {len(grid.draws[cell])}{values and f' ({values})'}")
    second = GridWork(tuned(grid, chosen), search=search, **options)
    second.untold = untold
    return second, replace(outcome, failed=0)


def worker_setup(grid: Grid, store: Path, execution: Execution) -> Setup:
    """What all workers are told."""
    return Setup(
        device="",
        store=store.resolve(),
        plugin_files=tuple(grid.plugin_files),
        evaluate=grid.evaluate,
        step_seconds=execution.step_seconds,
        half=grid.half,
        conditional=grid.conditional,
        any_device=execution.any_device,
    )
