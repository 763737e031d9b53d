"""Progress for a person: what is done, of how many, and how long the rest will take."""

from __future__ import annotations

import io

import pytest

from gan_bench import console
from gan_bench.console import PlainConsole, counted


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
