"""What commands tell a person: progress, warnings, lines, durations; never what a terminal would obey."""

from __future__ import annotations

import io
import time
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.status import Status
from rich.text import Text


def printable(text: str) -> str:
    """The text with all but newlines that a terminal would obey written out, as `repr` does: "\\x1b", "\\u202e".

    A stranger's names, messages and files may hold it. Spaces of all kinds stay.
    """
    if text.isprintable():  # most often, and quick
        return text
    return "".join(
        c if c.isprintable() or c == "\n" or unicodedata.category(c) == "Zs" else repr(c)[1:-1] for c in text
    )


def one_line(text: str) -> str:
    """The same with newlines written out too."""
    return printable(text).replace("\n", "\\n")


def say(line: object, *, err: bool = False) -> None:
    """Print a line for a person, to standard output or standard error."""
    click.echo(printable(str(line)), err=err)


class PlainConsole(Console):
    """Text is text, whatever brackets it holds, and nothing of it is obeyed by the terminal."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, highlight=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Made printable before it is measured, so that tables and lines keep their widths."""
        return super().render_str(printable(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Also what is no plain string: a spinner's or a progress bar's text."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


DRAW_SECONDS = 0.25  # at least, between two drawings in a notebook of what goes on
PREFORMATTED = '<pre style="white-space: pre; overflow-x: auto; line-height: normal">{code}</pre>'


class NotebookConsole(PlainConsole):
    """Lines go to a cell's output, and what changes to one place in it, which any front end draws anew: it needs no widgets."""

    def __init__(self, width: int | None = None) -> None:
        super().__init__(width=width or 100, force_jupyter=False, force_terminal=False)
        self._place: Any = None
        self._drawn = -DRAW_SECONDS

    def draw(self, what: RenderableType, *, at_once: bool = False) -> None:
        """Show it where the last one was; not at once, only if that was there for a while."""
        from IPython.display import display

        if not at_once and time.monotonic() - self._drawn < DRAW_SECONDS:
            return
        page = PlainConsole(file=io.StringIO(), record=True, width=self.width, force_jupyter=False)
        page.print(what)
        text = page.export_text(clear=False)
        html = page.export_html(code_format=PREFORMATTED, inline_styles=True) if text.strip() else ""
        data = {"text/plain": text, "text/html": html}
        if self._place is None:
            self._place = display(data, raw=True, display_id=True)
        else:
            self._place.update(data, raw=True)
        self._drawn = time.monotonic()

    def status(self, status: RenderableType, **style: Any) -> Status:
        """A line that is there while something goes on."""
        return _NotebookStatus(self, status)


class _NotebookStatus(Status):
    def __init__(self, notebook: NotebookConsole, status: RenderableType) -> None:
        super().__init__(status, console=notebook)
        self.notebook = notebook

    def start(self) -> None:
        self.notebook.draw(self.status, at_once=True)

    def update(self, status: RenderableType | None = None, **style: Any) -> None:
        self.notebook.draw(status or self.status)

    def stop(self) -> None:
        self.notebook.draw("", at_once=True)


def plain_console(*, stderr: bool = True, width: int | None = None) -> PlainConsole:
    """Where progress is told: standard error, or else standard output; in a notebook its cell's output."""
    return NotebookConsole(width) if Console().is_jupyter else PlainConsole(stderr=stderr, width=width)


@contextmanager
def warnings_told(console: Console) -> Iterator[None]:
    """Warnings become lines for a person, equal ones one."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    tell(dict.fromkeys(str(warning.message) for warning in caught), console)


def tell(warnings: Iterable[object], console: Console) -> None:
    """A line for each."""
    for warning in warnings:
        console.print(f"Warning: {warning}", style="yellow")


LINE_SECONDS = 30.0  # between two lines of progress where there is no terminal


@contextmanager
def counted(console: Console, title: str) -> Iterator[Callable[[str, int, int], None]]:
    """While something long goes on: gives a function that is told of it (what, how many are done, of how many).

    On a terminal or in a notebook it is one line that changes; elsewhere a line now and then, of what takes more than half a
    minute.
    """
    progress, printed = _TimeLeft(), time.monotonic()

    def show(what: str, done: int, total: int) -> None:
        nonlocal printed
        line = progress.line(what, done, total)
        if console.is_terminal or isinstance(console, NotebookConsole):
            status.update(line)
        elif time.monotonic() - printed >= LINE_SECONDS:
            printed = time.monotonic()
            console.print(line)

    with console.status(title) as status:
        yield show


class _TimeLeft:
    """What is left of each thing that is counted, by how fast it has gone so far."""

    def __init__(self) -> None:
        self.what, self.began, self.first = "", 0.0, 0

    def line(self, what: str, done: int, total: int) -> str:
        """For a person. (What was done before is not counted: a part that is gone on with begins with a leap.)"""
        now = time.monotonic()
        if what != self.what:
            self.what, self.began, self.first = what, now, done
        if not total:
            return what
        seconds, own = now - self.began, done - self.first
        left = (
            f", about {duration(seconds / own * (total - done))} left" if own and seconds > 2 and done < total else ""
        )
        return f"{what}: {done:,} of {total:,}{left}"


def duration(seconds: float) -> str:
    """A duration for a person."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
