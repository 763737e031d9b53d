"""Progress for a person: what is done, of how many, and how long the rest will take."""

from __future__ import annotations

import io
import sys
from types import ModuleType

import pytest

from gan_bench import console
from gan_bench.console import NotebookConsole, PlainConsole, counted, plain_console
from gan_bench.workers.events import Advanced, Failed, Finished, Started
from gan_bench.workers.progress import Display, Shown


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(console, "time", clock := Clock())
    return clock


def test_without_a_terminal_there_is_a_line_now_and_then(clock: Clock) -> None:
    file = io.StringIO()
    with counted(PlainConsole(file=file, width=200), "dataset cats") as show:
        for second in range(101):
            clock.now = 1000.0 + second
            show("decoding", 50_000 + 500 * second, 200_000)
        clock.now += 30
        show("comparing", 0, 0)
    assert file.getvalue().splitlines() == [
        "decoding: 65,000 of 200,000, about 4 min left",  # of 270 s: what was done before is not counted
        "decoding: 80,000 of 200,000, about 4 min left",
        "decoding: 95,000 of 200,000, about 4 min left",
        "comparing",
    ]


def test_on_a_terminal_it_is_a_line_that_changes(clock: Clock) -> None:
    file = io.StringIO()
    terminal = PlainConsole(file=file, width=200, force_terminal=True)
    with counted(terminal, "dataset cats") as show:
        show("decoding", 1, 3)
        clock.now += 10
        show("decoding", 2, 3)
        terminal.print("end")  # so that the line is drawn
    assert "decoding: 2 of 3, about 10 s left" in file.getvalue()


class Place:
    """A cell's output in which something is shown again and again."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []

    def display(self, data: dict[str, str], *, raw: bool, display_id: bool) -> Place:
        assert raw
        assert display_id
        assert not self.shown  # all else goes to the same place
        self.shown.append(data)
        return self

    def update(self, data: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.shown.append(data)

    @property
    def texts(self) -> list[str]:
        return [data["text/plain"].strip() for data in self.shown]


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Place:
    made = ModuleType("IPython.display")
    made.display = (place := Place()).display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython.display", made)
    return place


def test_in_a_notebook_it_is_drawn_in_one_place_and_not_too_often(clock: Clock, place: Place, capsys) -> None:
    notebook = NotebookConsole()
    with counted(notebook, "dataset cats") as show:
        for done in range(100):
            clock.now += 0.1
            show("decoding", done, 100)
        notebook.print("a [line] that stays")
    with notebook.status("features of cats"):
        pass
    assert place.texts[0] == "dataset cats"
    assert place.texts[-3:] == ["", "features of cats", ""]
    assert 30 <= len([text for text in place.texts if text.startswith("decoding: ")]) <= 40
    assert place.shown[-1]["text/html"] == ""
    assert capsys.readouterr().out == "a [line] that stays\n"


def test_what_is_drawn_there_is_text_whatever_it_holds(place: Place) -> None:
    NotebookConsole().draw("<script>[red]\x1b[31m", at_once=True)
    assert "&lt;script&gt;[red]\\x1b[31m" in place.shown[0]["text/html"]


def test_elsewhere_there_is_no_notebook() -> None:
    assert not isinstance(plain_console(), NotebookConsole)


def test_a_grid_in_a_notebook_is_bars_and_lines_for_what_is_wrong(clock: Clock, place: Place, capsys) -> None:
    runs = [Shown(name, f"run {name}", 100, 0) for name in "abc"]
    with Display(runs, 10.0, NotebookConsole()) as display:
        for name in "ab":
            display(Started(name, 0, 0))
        clock.now += 1
        display(Advanced("a", 50, 800, {"loss_g": 1.25, "loss_d": 0.5}, {"collapse": "two samples are one"}))
        during = place.texts[-1]
        clock.now += 0.01
        display(Finished("a"))
        assert place.texts[-1] == during
        display(Failed("b", "it broke"))
    assert "run a" in during
    assert "G 1.250  D 0.500  collapse" in during
    assert "1 of 3 runs, 1 failed" in place.texts[-1]
    assert "run a" not in place.texts[-1]
    assert "color" in place.shown[-1]["text/html"]
    assert capsys.readouterr().out.splitlines() == ["run a: collapse: two samples are one", "run b: failed: it broke"]
