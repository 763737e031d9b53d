"""What a person sees of a grid: how much of it is left."""

from __future__ import annotations

import io

from rich.console import Console

from gan_bench.workers.events import Advanced, Failed, Finished, Returned, Started
from gan_bench.workers.progress import Display, Shown


def test_steps_that_are_left_are_those_of_runs_that_have_not_ended():
    shown = [Shown(name, name, 100, 20) for name in "abc"]
    with Display(shown, None, Console(file=io.StringIO())) as display:
        trained = []
        for event in (
            Started("a", 20, 0),
            Advanced("a", 60, 0, {}, {}),
            Returned("a"),
            Started("a", 50, 0),
            Advanced("a", 55, 0, {}, {}),
            Finished("a"),
            Failed("b", "no"),
        ):
            display(event)
            assert display.steps_left == sum(display.left.values())
            trained.append(display.bars.tasks[0].completed)
    assert trained == [0, 40, 40, 40, 35, 80, 160]
