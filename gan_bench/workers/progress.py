"""What a person sees while a grid trains: a line for each active run and one for the whole grid, also in a notebook.

Without either, a plain line now and then. Only the parent process draws.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column

from gan_bench.console import NotebookConsole, duration
from gan_bench.planning.cost import seconds_left
from gan_bench.workers.events import Advanced, Busy, Ended, Event, Failed, Finished, Returned, Started, Warned

PLAIN_SECONDS = 10.0  # between two lines about the whole grid where there is no terminal


@dataclass(frozen=True)
class Shown:
    """A run as a person sees it."""

    name: str
    title: str
    total_steps: int
    steps: int  # that it had when this began


@dataclass
class Active:
    """A run that is training."""

    run: Shown
    first_step: int
    since: float
    task: TaskID | None = None
    told: set[str] = field(default_factory=set)  # names of its diagnoses that were told


class Display:
    """Listens to the executor's events."""

    def __init__(self, runs: Sequence[Shown], steps_an_epoch: float | None, console: Console) -> None:
        self.console = console
        self.notebook = console if isinstance(console, NotebookConsole) else None
        self.runs = {run.name: run for run in runs}
        self.steps_an_epoch = steps_an_epoch
        self.active: dict[str, Active] = {}
        self.left = {run.name: run.total_steps - run.steps for run in runs}
        self.steps_left = sum(self.left.values())
        self.all_steps = max(1, self.steps_left)
        self.busy: dict[str, str] = {}  # by run that another process trains: what was told of it
        self.done = self.failed = 0
        self.began = self._line_at = time.monotonic()
        self.bars = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True)),
            BarColumn(24),
            TextColumn("{task.fields[text]}", markup=False),
            TimeElapsedColumn(),
            console=self.console,
            expand=True,
            disable=not self.console.is_terminal,
        )

    def __enter__(self) -> Display:
        self.bars.start()
        self.whole = self.bars.add_task("grid", total=self.all_steps, text="")
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()
        if self.notebook:
            self.notebook.draw(self.bars.get_renderable(), at_once=True)

    def __call__(self, event: Event) -> None:
        """Take in an event of a run."""
        run = self.runs[event.run]
        if isinstance(event, Started):
            self._start(run, event.steps)
        elif isinstance(event, Advanced):
            self._advance(run, event)
        elif isinstance(event, Warned):
            self.console.print(f"{run.title}: {event.text}", style="yellow")
        else:
            self._end(run, event)
        self._show_grid()

    def _start(self, run: Shown, step: int) -> None:
        before = self.active.get(run.name)
        if before and before.task is not None:
            self.bars.remove_task(before.task)  # it begins again, from the start
        active = self.active[run.name] = Active(run, step, time.monotonic())
        if self.console.is_terminal or self.notebook:
            active.task = self.bars.add_task(run.title, total=run.total_steps, completed=step, text="")
        else:
            self.console.print(f"{run.title}: from step {step} to {run.total_steps}")

    def _advance(self, run: Shown, event: Advanced) -> None:
        active, step = self.active[run.name], event.steps
        self._is_left(run, run.total_steps - step)
        if active.task is not None:
            sick = "".join(f"  {name}" for name in event.diagnoses)
            self.bars.update(
                active.task, completed=step, text=f"{self._epoch(active, step)}{losses(event.means)}{sick}"
            )
        for name, evidence in event.diagnoses.items():
            if name not in active.told:
                active.told.add(name)
                self.console.print(f"{run.title}: {name}: {evidence}", style="yellow")

    def _epoch(self, active: Active, step: int) -> str:
        if self.steps_an_epoch is None:
            return ""
        pace = (time.monotonic() - active.since) / max(1, step - active.first_step)
        return f"epoch {step / self.steps_an_epoch:.1f}  {duration(pace * self.steps_an_epoch)}/epoch  "

    def _end(self, run: Shown, event: Ended) -> None:
        active = self.active.pop(run.name, None)
        if active is not None and active.task is not None:
            self.bars.remove_task(active.task)
        if isinstance(event, Finished):
            self.done += 1
            self._is_left(run, 0)
            if not self.notebook:  # whose lines stay
                self.console.print(f"{run.title}: finished")
        elif isinstance(event, Failed):
            self.failed += 1
            self._is_left(run, 0)
            self.console.print(f"{run.title}: failed: {event.reason}", style="red")
        elif isinstance(event, Busy):
            if self.busy.get(run.name) != event.reason:
                self.console.print(f"{run.title}: {event.reason}; it is looked at again", style="yellow")
            self.busy[run.name] = event.reason
        elif isinstance(event, Returned) and event.reason:
            self.console.print(f"{run.title}: {event.reason}; it is tried again from its checkpoint", style="yellow")

    def _is_left(self, run: Shown, steps: int) -> None:
        self.steps_left += steps - self.left[run.name]
        self.left[run.name] = steps

    def _show_grid(self) -> None:
        trained = self.all_steps - self.steps_left
        now = time.monotonic()
        failed = f", {self.failed} failed" if self.failed else ""
        text = f"{self.done} of {len(self.runs)} runs{failed}"
        if (rest := seconds_left(trained, self.steps_left, now - self.began)) is not None:
            text += f", {duration(rest)} left"
        self.bars.update(self.whole, completed=trained, text=text)
        if self.notebook:
            self.notebook.draw(self.bars.get_renderable())
        elif not self.console.is_terminal and now - self._line_at > PLAIN_SECONDS:
            self._line_at = now
            self.console.print(f"grid: {text}")


def losses(means: Mapping[str, float | None]) -> str:
    """Both losses, as far as they are known."""
    return "  ".join(
        f"{name} {means[key]:.3f}" for name, key in (("G", "loss_g"), ("D", "loss_d")) if means.get(key) is not None
    )
