"""Trackers are told each point of a store once, whatever is killed, fails or comes late."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pluggy
import pytest
from fake_store import WINDOW, moment, score, write, write_store
from readers import Held, assert_same, of_store

from gan_bench import Point, TrackedRun, Tracker, hookimpl
from gan_bench.api import hooks
from gan_bench.api.trackers import trackers
from gan_bench.commands import track
from gan_bench.errors import GanBenchError
from gan_bench.store.cursor import Cursors


class Killed(BaseException):
    """In the place of SIGKILL."""


class Memory(Tracker):
    """A tracker that keeps what it is told in lists, as a service would whose client dies."""

    name = "memory"
    told: dict[str, list[tuple[int, str, Any]]]  # by run
    states: dict[str, TrackedRun]
    calls: list[tuple[str, int, bool]]  # run, points, again
    fails: int  # so many calls from now on raise
    dies: int  # after so many points that are kept; -1: never

    @property
    def place(self) -> str:
        return "here"

    def runs(self) -> list[str]:
        return list(self.told)

    def tell(self, run: TrackedRun, points: Sequence[Point], *, again: bool) -> None:
        cls = type(self)
        cls.calls.append((run.name, len(points), again))
        if cls.fails:
            cls.fails -= 1
            raise ConnectionError("the service is away")
        held = {(step, name) for step, name, _ in cls.told.get(run.id, ())} if again else set()
        for point in points:
            if cls.dies == 0:
                raise Killed
            cls.dies -= 1
            for name, value in {**point.values, **point.pictures}.items():
                if (point.step, name) not in held:
                    cls.told.setdefault(run.id, []).append((point.step, name, value))
        cls.told.setdefault(run.id, [])
        cls.states[run.id] = run


@pytest.fixture(autouse=True)
def fresh():
    Memory.told, Memory.states, Memory.calls, Memory.fails, Memory.dies = {}, {}, [], 0, -1


@pytest.fixture
def store(tmp_path):
    return write_store(tmp_path / "quickstart", seeds=1, snapshots=2, steps=200)


def held() -> Held:
    every = [(run, *one) for run, rows in Memory.told.items() for one in rows]
    numbers = sorted((run, step, name, value) for run, step, name, value in every if name != "samples")
    pictures = sorted((run, step) for run, step, name, _ in every if name == "samples")
    return Held(numbers, pictures, {run: state.status for run, state in Memory.states.items()})


def tell(store: Path, at_work: Sequence[bool] = ()) -> tuple[bool, list[str]]:
    """Follow a store for as many looks as it is at work, and one more."""
    looks, said = list(at_work), list[str]()
    done = track.follow(store, [Memory], lambda: bool(looks) and looks.pop(0), lambda seconds: None, said.append)
    return done, [line for line in said if line != "memory: here"]


def assert_told(store: Path) -> None:
    assert_same(held(), of_store(store).over_steps())


def test_all_of_a_store_is_told_once(store):
    assert tell(store) == (True, [])
    assert_told(store)
    assert not any(again for _, _, again in Memory.calls)
    Memory.calls.clear()
    assert tell(store) == (True, [])
    assert Memory.calls == []


def test_a_run_is_told_with_its_cell_settings_and_verdicts(store):
    tell(store)
    (run,) = [one for one in Memory.states.values() if one.name.startswith("fcgan-0")]
    assert (run.group, run.status) == ("fcgan, no tricks", "failed")
    assert run.settings["architecture"] == "fcgan"
    assert run.settings["architecture.width"] == 256
    assert run.settings["seed"] == 0
    assert run.tags["Convolutional or fully connected?"].startswith("not tested")
    (run,) = [one for one in Memory.states.values() if one.group == "dcgan, depth 2, no tricks" and "-0-" in one.name]
    assert run.tags["Which tricks help?"] == run.tags["Do more layers help?"] == "reference"


def test_a_verdict_is_told_where_there_is_one(tmp_path):
    store = write_store(tmp_path / "quickstart", seeds=8, snapshots=1, steps=50, trouble=False)
    tell(store)
    said = {one.tags.get("Convolutional or fully connected?", "") for one in Memory.states.values()}
    (verdict,) = (text for text in said if text.startswith("worse"))
    assert verdict.startswith("worse by FD[classifier] than dcgan: FD[classifier] ")
    assert verdict.endswith(" 8 seeds.")


@pytest.mark.parametrize("points", [0, 1, 9, 21])
def test_a_process_that_is_killed_anywhere_repeats_and_loses_nothing(store, points):
    Memory.dies = points
    with pytest.raises(Killed):
        tell(store)
    Memory.dies = points + 1
    with pytest.raises(Killed):
        tell(store)
    Memory.dies = -1
    assert tell(store) == (True, [])
    assert_told(store)


@pytest.mark.parametrize("write_number", [1, 2, 7])
def test_nor_one_that_is_killed_while_it_notes_what_it_told(store, monkeypatch, write_number):
    note, calls = Cursors.write, []

    def die(self, *facts):
        calls.append(facts)
        if len(calls) == write_number:
            raise Killed
        note(self, *facts)

    monkeypatch.setattr(Cursors, "write", die)
    with pytest.raises(Killed):
        tell(store)
    assert tell(store) == (True, [])
    assert_told(store)


def test_a_run_that_grows_is_followed_and_one_that_is_resumed_from_before_is_not_repeated(store):
    run = sorted((store / "runs").glob("dcgan-0-*"))[0]
    lines = (run / "curves.jsonl").read_text().splitlines(keepends=True)
    (run / "result.json").rename(store / "result.json")
    (run / "snapshots" / "step-00000200").rename(store / "later")
    (run / "curves.jsonl").write_text("".join(lines[:6]))
    tell(store)
    (run / "curves.jsonl").write_text("".join(lines[:4]))  # killed, and resumed from a checkpoint at step 100
    tell(store, [True, True])
    (run / "curves.jsonl").write_text("".join(lines))
    (store / "later").rename(run / "snapshots" / "step-00000200")
    tell(store, [True])
    (store / "result.json").rename(run / "result.json")
    assert tell(store) == (True, [])
    assert_told(store)


def test_what_was_killed_beyond_where_the_run_is_resumed_is_not_repeated(store):
    """The process and the run die together, and the run is then behind what the process had told without a note of it."""
    run = sorted((store / "runs").glob("dcgan-0-*"))[0]
    lines = (run / "curves.jsonl").read_text().splitlines(keepends=True)
    shutil.move(run / "result.json", store / "result.json")
    Memory.dies = 7
    with pytest.raises(Killed):
        tell(store)
    for windows in (2, 4, 6, 8):
        (run / "curves.jsonl").write_text("".join(lines[:windows]))
        Memory.dies = -1
        tell(store)
    shutil.move(store / "result.json", run / "result.json")
    tell(store)
    assert_told(store)


def test_scores_that_come_later_are_told_under_their_steps(store):
    tell(store)
    file = sorted(store.glob("runs/dcgan-0-*/snapshots/step-00000100/scores.json"))[0]
    document = json.loads(file.read_text())
    another = {**score(3.5, protocol_id="e5f6a7b8"), "metric": "more", "label": "more"}
    alike = {**score(4.5, protocol_id="f6a7b8c9"), "metric": "fid"}  # another protocol under the first one's label
    write(file, {**document, "scores": [*document["scores"], another, alike]})
    Memory.calls.clear()
    assert tell(store) == (True, [])
    assert [(count, again) for _, count, again in Memory.calls if count] == [(1, True)]
    (told,) = [rows for rows in Memory.told.values() if (100, "more", 3.5) in rows]
    assert told.count((100, "more", 3.5)) == told.count((100, "FD[classifier] #f6a7", 4.5)) == 1


def test_what_a_tracker_has_lost_is_told_again(store):
    tell(store)
    del Memory.told[next(iter(Memory.told))]
    tell(store)
    assert_told(store)


@pytest.mark.parametrize("damage", ["", "{", '{"run": "ab", "begun": 3}', "lost"])
def test_a_cursor_that_is_damaged_or_lost_costs_a_question(store, damage):
    tell(store)
    for file in (store / ".track").glob("*/*.json"):
        file.unlink() if damage == "lost" else file.write_text(damage)
    Memory.calls.clear()
    assert tell(store) == (True, [])
    assert all(again for _, count, again in Memory.calls if count)
    assert_told(store)


def test_a_tracker_that_fails_costs_a_warning_and_is_told_later(store):
    Memory.fails = 2
    done, said = tell(store)
    assert not done
    assert len(said) == 2
    assert said[0].startswith("Warning: the tracker memory failed: ")
    assert said[0].endswith("ConnectionError: the service is away")
    assert f"`gan-bench track {store} --with memory` goes on from there" in said[1]
    assert tell(store) == (True, [])
    assert_told(store)


def test_a_tracker_that_failed_rests_but_is_told_all_at_the_end(store):
    Memory.fails = 1
    assert tell(store, [True, True])[0]
    assert_told(store)


def test_a_tracker_that_is_not_live_is_told_at_the_end(store, monkeypatch):
    monkeypatch.setattr(Memory, "live", False)
    numbers = []
    track.follow(store, [Memory], iter([True, True, False]).__next__, lambda s: numbers.append(len(Memory.told)), print)
    assert numbers == [0, 0]
    assert_told(store)


def test_a_store_may_come_later(tmp_path):
    looks = iter([True, True, False])

    def pause(seconds: float) -> None:
        if not (tmp_path / "quickstart").exists():
            write_store(tmp_path / "quickstart", seeds=1, snapshots=1, steps=2 * WINDOW)

    assert track.follow(tmp_path / "quickstart", [Memory], looks.__next__, pause, print)
    assert_told(tmp_path / "quickstart")


def test_two_processes_do_not_tell_one_tracker_of_one_store(store, monkeypatch):
    monkeypatch.setattr(track, "WAIT_SECONDS", 0.1)
    first = track.Teller(store, Memory, print)
    first._open()
    with pytest.raises(GanBenchError, match="another process tells memory of "):
        tell(store)
    first.close()
    assert tell(store) == (True, [])


def test_a_tracker_that_another_process_tells_keeps_no_other_from_being_told(store, monkeypatch):
    class Other(Memory):
        name = "other"
        told, states, calls, fails, dies = {}, {}, [], 0, -1

    monkeypatch.setattr(track, "WAIT_SECONDS", 0.1)
    first, said = track.Teller(store, Other, print), list[str]()
    first._open()
    with pytest.raises(GanBenchError, match="another process tells other of "):
        track.follow(store, [Other, Memory], lambda: False, lambda seconds: None, said.append)
    first.close()
    assert any(line.startswith("Warning: another process tells other of ") for line in said)
    assert_told(store)
    assert not Other.told


def test_a_disk_that_is_away_for_a_while_ends_nothing(store, monkeypatch):
    read, failures = track.read, [OSError(5, "Input/output error")] * 2

    def reading(*arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return read(*arguments)

    monkeypatch.setattr(track, "read", reading)
    done, said = tell(store, [True] * 3)
    assert done
    assert said == [f"Warning: {store} can't be read (Input/output error); it is looked at again"] * 2
    assert_told(store)


@pytest.mark.parametrize("place", [".track", "memory", ".track/memory-*"])
def test_links_in_a_store_are_not_followed(store, tmp_path, place):
    tell(store)
    (tmp_path / "elsewhere").mkdir()
    found = next(iter(store.glob(place)), store / place)
    if found.exists():
        shutil.rmtree(found)
    found.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(GanBenchError, match="is a symbolic link"):
        tell(store)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_strangers_names_and_identities_stay_names(store):
    """Whatever run.json calls itself, a tracker gets hexadecimal digits, short names and finite numbers."""
    run = sorted((store / "runs").glob("dcgan-0-*"))[0]
    document = json.loads((run / "run.json").read_text())
    document["identity"] = "../../../etc/passwd"
    document["settings"]["architecture"]["\x1b[31m" + "x" * 1000] = 3
    write(run / "run.json", document)
    with (run / "curves.jsonl").open("a") as file:
        file.write(json.dumps({**moment(225), "loss_d": float("nan"), "loss_g": float("inf"), "\n": 1.0}) + "\n")
    assert tell(store) == (True, [])
    (state,) = [one for one in Memory.states.values() if one.name == run.name]
    assert set(state.id) <= set("0123456789abcdef")
    assert all(len(name) < 300 and name.isprintable() for name in state.settings)
    rows = Memory.told[state.id]
    assert [(name, value) for step, name, value in rows if step == 225] in ([], [("\\n", 1.0)])


def test_a_store_that_an_earlier_version_wrote_can_be_told(tmp_path):
    with tarfile.open(Path(__file__).parents[1] / "stores" / "before_rooms.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    assert tell(tmp_path / "store") == (True, [])
    found, expected = held(), of_store(tmp_path / "store")
    assert found.pictures == expected.pictures
    assert {one[:3] for one in found.numbers} >= {
        (run, step, "loss_d") for run, step, _, _ in expected.numbers if step % 25 == 0
    }


class Brings:
    """A plugin."""

    def __init__(self, *brought: Any) -> None:
        self.brought = brought

    @hookimpl
    def gan_bench_trackers(self):
        return list(self.brought)


def manager(*plugins: object) -> pluggy.PluginManager:
    made = pluggy.PluginManager("gan_bench")
    made.add_hookspecs(hooks)
    for plugin in plugins:
        made.register(plugin)
    return made


def test_trackers_are_found_by_name_and_what_they_need_is_looked_for():
    class Other(Memory):
        name = "memory"

    class Needy(Memory):
        name, needs, extra = "needy", "no_such_module", "needy"

    every = manager(Brings(Memory, Needy), Brings(Other))
    assert trackers(every, ["memory", "memory"], print) == [Other]
    with pytest.raises(GanBenchError, match="no tracker is called 'memry'"):
        trackers(every, ["memry"], print)
    with pytest.raises(GanBenchError, match=r"needs no_such_module, .*: pip install 'gan-bench\[needy\]'"):
        trackers(every, ["needy"], print)


def test_what_is_no_tracker_is_told():
    class Runs(Memory):
        name = "runs"

    said: list[str] = []
    assert trackers(manager(Brings(Memory, int, 3, Runs)), ["memory"], said.append) == [Memory]
    assert len(said) == 3
    assert all("which is no class of a gan_bench.Tracker" in line for line in said)
