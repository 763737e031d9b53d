"""Several runs in one process: the same bits, the same end of each, whatever becomes of another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stores import GRID, assert_equal_runs, write_grid

from gan_bench.console import plain_console
from gan_bench.grid import load_grid
from gan_bench.planning.courses import prepare_grid
from gan_bench.planning.runs import make_runs
from gan_bench.workers.events import Advanced, Event, Finished, Returned, Started
from gan_bench.workers.executor import Executor
from gan_bench.workers.hosts.local import LocalHost
from gan_bench.workers.jobs import Setup, make_job
from gan_bench.workers.slots import MEASURE, MOST, SETTLE, Slots

TROUBLE = '''
import os
from pathlib import Path

import torch
from gan_bench import Recipe, Trick, hookimpl


class Trouble(Trick):
    """Ends its process, or runs out of memory once, at its 40th step."""

    name = "trouble"
    kind: str
    marker: str = ""

    def edit(self, recipe: Recipe) -> None:
        def trouble():
            if int(recipe.step) != 40:
                return
            if self.kind == "exit":
                os._exit(3)
            if not Path(self.marker).exists():
                Path(self.marker).touch()
                raise torch.OutOfMemoryError("CUDA out of memory")

        recipe.after_g_step(trouble)


@hookimpl
def gan_bench_tricks():
    return [Trouble]
'''


def train(
    folder: Path, slots: int, levels: str = '[[], ["ema"], ["spectral_norm"]]', order: int = 1
) -> list[tuple[type[Event], Path]]:
    """Train a grid in a process of so many slots; the events in order, progress left out: its kind and run folder."""
    plugin = folder / "trouble.py"
    folder.mkdir()
    plugin.write_text(TROUBLE)
    grid = load_grid(
        write_grid(folder, GRID.replace('[[], ["ema", "spectral_norm"]]', levels)), registry_files=[plugin]
    )
    runs = make_runs(prepare_grid(grid, plain_console()), folder / "store", {})
    for run in runs:
        run.path.mkdir(parents=True)
    setup = Setup("", folder / "store", (plugin,), grid.evaluate.model_copy(update={"samples": 64}), slots=slots)
    events = []
    executor = Executor(
        setup, LocalHost(["cpu"]), lambda event: events.append((type(event), folder / "store/runs" / event.run))
    )
    assert executor.run([make_job(run, grid, {"fp32": 1e11}, clear=False) for run in runs[::order]])
    return [event for event in events if event[0] is not Advanced]


def folders(events: list[tuple[type[Event], Path]]) -> list[Path]:
    """The run folders in the grid's order, which is the order in which the runs began."""
    return list(dict.fromkeys(folder for kind, folder in events if kind is Started))


def results(events: list[tuple[type[Event], Path]]) -> list[dict]:
    """How each run ended."""
    return [json.loads((folder / "result.json").read_text()) for folder in folders(events)]


@pytest.mark.slow
def test_packed_runs_give_the_bits_of_lone_ones(tmp_path):
    alone, packed = train(tmp_path / "alone", 1), train(tmp_path / "packed", 3)
    assert [kind for kind, _ in alone] == [Started, Finished] * 3
    assert [kind for kind, _ in packed] == [Started] * 3 + [Finished] * 3
    backwards = train(tmp_path / "backwards", 2, order=-1)
    for one, two, three in zip(folders(alone), folders(packed), reversed(folders(backwards)), strict=True):
        assert one.name == two.name == three.name
        assert_equal_runs(one, two)
        assert_equal_runs(one, three)


@pytest.mark.slow
def test_a_process_that_dies_fails_only_the_run_that_ended_it(tmp_path):
    levels = '[[], [{ name = "trouble", kind = "exit" }], ["ema"]]'
    events = train(tmp_path / "runs", 3, levels)
    first, guilty, last = results(events)
    assert (first["status"], last["status"]) == ("finished", "finished")
    assert guilty["status"] == "failed"
    assert guilty["reason"] == "the worker process ended (exit code 3)"
    returned = [folder for kind, folder in events if kind is Returned]
    assert len(returned) == 3 + 1  # any might have been the one; and it was tried again
    for one, two in zip(
        (folders(events)[0], folders(events)[2]), folders(train(tmp_path / "others", 2, '[[], ["ema"]]')), strict=True
    ):
        assert_equal_runs(one, two)


@pytest.mark.slow
def test_a_run_without_memory_goes_back_and_is_repeated_beside_fewer(tmp_path):
    marker = tmp_path / "was here"
    levels = f'[[], [{{ name = "trouble", kind = "memory", marker = "{marker}" }}], ["ema"]]'
    events = train(tmp_path / "runs", 3, levels)
    assert [result["status"] for result in results(events)] == ["finished"] * 3
    assert [folder for kind, folder in events if kind is Returned] == [folders(events)[1]]


@pytest.mark.slow
def test_a_run_that_has_the_device_to_itself_and_no_memory_has_failed(tmp_path):
    levels = f'[[], [{{ name = "trouble", kind = "memory", marker = "{tmp_path / "was here"}" }}]]'
    events = train(tmp_path / "runs", 1, levels)
    assert [result["status"] for result in results(events)] == ["finished", "failed"]


def grow(rates: list[float], most: int | None = None) -> Slots:
    """Slots after measurements in which n of them did `rates[n - 1]` a second."""
    slots, now = Slots(None), 0.0
    if most:
        slots.lower(most)
    for _ in range(int(40 * (SETTLE + MEASURE))):
        now += 0.5
        slots.trained(0.5 * rates[slots.count - 1], now, slots.count)
    return slots


@pytest.mark.parametrize(
    ("rates", "most", "count"),
    [
        ([10, 18, 24, 24.5, 30], None, 3),  # the fourth did not pay
        ([10, 10.2, 30], None, 1),
        ([10, 20, 30, 40], 2, 2),  # no more fit
        ([10.0 * n for n in range(1, 40)], None, MOST),
    ],
)
def test_slots_grow_as_long_as_that_pays(rates, most, count):
    assert grow(rates, most).count == count


def test_nothing_is_learnt_while_slots_are_free():
    slots = Slots(None)
    for second in range(100):
        slots.trained(10, second, running=0)
    assert slots.count == 1


def test_a_fixed_number_of_slots_is_only_lowered():
    slots = Slots(4)
    for second in range(100):
        slots.trained(10, second, running=4)
    assert slots.count == 4
    slots.lower(2)
    assert slots.count == 2


def test_workers_see_today_s_environment(tmp_path, monkeypatch):
    """Not that of the time at which the server that they are forked from was started, as a notebook's would be."""
    plugin = tmp_path / "looks.py"
    plugin.write_text(
        "import os\n"
        "from gan_bench import hookimpl\n"
        "@hookimpl\n"
        "def gan_bench_run_started(folder):\n"
        "    (folder / 'seen').write_text(os.environ['LOOKED_AT'])\n"
    )
    grid = load_grid(
        write_grid(tmp_path, steps="steps = 2"), registry_files=[plugin], overrides=["evaluate.snapshots=1"]
    )
    run = make_runs(prepare_grid(grid, plain_console()), tmp_path / "store", {})[0]
    run.path.mkdir(parents=True)
    for value in ("first", "second"):
        monkeypatch.setenv("LOOKED_AT", value)
        setup = Setup("", tmp_path / "store", (plugin,), grid.evaluate.model_copy(update={"samples": 64}))
        assert Executor(setup, LocalHost(["cpu"]), lambda event: None).run(
            [make_job(run, grid, {"fp32": 1e11}, clear=True)]
        )
        assert (run.path / "seen").read_text() == value
