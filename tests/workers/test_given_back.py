"""What the executor does with runs that are given back: trained elsewhere, begun on another kind of device, left by the dead."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gan_bench.grid.schema import Evaluate
from gan_bench.store import attempt
from gan_bench.workers import executor as executing
from gan_bench.workers.events import Busy, Event, Failed, Finished, Foreign, Ready, Returned, Started, Want
from gan_bench.workers.executor import Executor
from gan_bench.workers.hosts.base import Cause, Ending, Handle, Host
from gan_bench.workers.jobs import Job, Setup

Script = Callable[[str, Job], Sequence[Event]]  # what the worker of a place tells of a run; nothing: it dies


class Scripted(Handle):
    """A worker that tells what its script says."""

    def __init__(self, place: str, kind: str, script: Script) -> None:
        super().__init__(place)
        self.script, self.told, self.buried = script, deque([Ready(kind), Want()]), False
        self.dead = False

    def send(self, job: Job | None) -> bool:
        if job is None:
            self.dead = True
            return True
        if events := self.script(self.place, job):
            self.told += [Started(job.run, 0, 0), *events, Want()]
        else:
            self.told.append(Started(job.run, 0, 0))
            self.dead = True
        return True

    def receive(self) -> Sequence[Event | Ready | Want]:
        if not self.told and self.dead:
            raise Ending
        told, self.told = list(self.told), deque()
        return told

    def stop(self) -> None:
        self.dead = True

    def kill(self) -> None:
        self.dead = True

    def bury(self) -> Cause:
        self.buried = True
        return Cause("exit code 3")


class Places(Host):
    """Places by name, each of a kind of device."""

    def __init__(self, kinds: dict[str, str], script: Script) -> None:
        self.kinds, self.script, self.handles = kinds, script, list[Scripted]()

    def free(self) -> Sequence[str]:
        return [place for place in self.kinds if all(h.buried for h in self.handles if h.place == place)]

    def start(self, place: str, setup: Setup) -> Handle:
        self.handles.append(Scripted(place, self.kinds[place], self.script))
        return self.handles[-1]

    def wait(self, handles: Sequence[Handle], seconds: float) -> Sequence[Handle]:
        return [handle for handle in handles if handle.told or handle.dead]


def job(run: str) -> Job:
    return Job(run, "", {}, 0, (50,), "", (), False, 1.0, None)  # type: ignore[arg-type]


@pytest.fixture
def train(tmp_path) -> Callable[..., list[Event]]:
    """Train runs at places; the events, those of progress left out."""

    def run(kinds: dict[str, str], script: Script, runs: Sequence[str]) -> list[Event]:
        events: list[Event] = []
        for name in runs:
            (tmp_path / "runs" / name).mkdir(parents=True)
        host = Places(kinds, script)
        setup = Setup("", tmp_path, (), Evaluate())
        assert Executor(setup, host, events.append, retries=1).run([job(name) for name in runs])
        return [event for event in events if not isinstance(event, Started)]

    return run


def test_a_run_that_is_trained_elsewhere_is_given_out_again_later_and_others_before_it(train, monkeypatch):
    monkeypatch.setattr(executing, "BUSY_SECONDS", 0.3)
    given: list[str] = []

    def script(place: str, job: Job) -> list[Event]:
        given.append(job.run)
        busy = job.run == "a" and given.count("a") < 3
        return [Busy(job.run, "it is being trained on 'node7'") if busy else Finished(job.run)]

    events = train({"cpu": "A"}, script, ["a", "b", "c"])
    assert given == ["a", "b", "c", "a", "a"]
    assert [event.run for event in events if isinstance(event, Finished)] == ["b", "c", "a"]
    assert not [event for event in events if isinstance(event, Failed)]


def test_each_attempt_has_a_name_of_its_own(train):
    names: list[str] = []

    def script(place: str, job: Job) -> list[Event]:
        names.append(job.attempt)
        return [] if len(names) == 1 else [Finished(job.run)]

    train({"cpu": "A"}, script, ["a"])
    assert len(set(names)) == len(names) == 2
    assert all(names)


def by_kind(begun: dict[str, str], kinds: dict[str, str], given: list[tuple[str, str]]) -> Script:
    def script(place: str, job: Job) -> list[Event]:
        given.append((job.run, place))
        own = begun.get(job.run, kinds[place])
        return [Finished(job.run) if own == kinds[place] else Foreign(job.run, begun=own)]

    return script


def test_a_run_goes_on_on_its_kind_of_device_alone(train):
    kinds = {"one": "A", "two": "B"}
    given: list[tuple[str, str]] = []
    events = train(kinds, by_kind({"a": "B", "b": "A", "c": "B"}, kinds, given), ["a", "b", "c"])
    assert {event.run for event in events if isinstance(event, Finished)} == {"a", "b", "c"}
    assert len(given) == len(set(given)), "a run was given to the same place twice"


def test_a_worker_is_started_where_a_run_can_go_on_though_another_one_is_idle(train):
    kinds = {"one": "A", "two": "B"}
    given: list[tuple[str, str]] = []
    events = train(kinds, by_kind({"a": "B"}, kinds, given), ["a"])
    assert given == [("a", "one"), ("a", "two")]
    assert isinstance(events[-1], Finished)


def test_a_run_that_can_go_on_nowhere_is_left_as_it_is_when_all_others_have_ended(train, tmp_path):
    kinds = {"one": "A", "two": "C"}
    given: list[tuple[str, str]] = []
    events = train(kinds, by_kind({"a": "B"}, kinds, given), ["a", "b"])
    assert [type(event) for event in events][-2:] in ([Finished, Failed], [Foreign, Failed])
    assert Finished("b") in events
    reason = "it was begun on B, and goes on only there, to the same bits; here is A and C. "
    assert events[-1] == Failed("a", reason + "--any-device goes on all the same, --fresh begins again")
    assert not (tmp_path / "runs/a/result.json").exists()


def test_a_run_of_a_dead_worker_is_free_at_once(train, tmp_path, monkeypatch):
    """Also where the worker only seems to be dead: it is told so by its token."""
    monkeypatch.setattr(attempt, "machine", lambda: "elsewhere")
    lost: list[attempt.Attempt] = []

    def script(place: str, job: Job) -> list[Event]:
        path = attempt.token(tmp_path / "runs" / job.run)
        if lost:
            assert not path.exists()
            return [Finished(job.run)]
        lost.append(attempt.waited(attempt.take(path, job.attempt)))
        return []

    events = train({"cpu": "A"}, script, ["a"])
    assert [type(event) for event in events] == [Returned, Finished]
    with pytest.raises(attempt.Lost):
        lost[0].check()


@pytest.mark.parametrize("taken", [False, True])
def test_a_dead_worker_s_run_fails_unless_another_process_trains_it(train, tmp_path, monkeypatch, taken):
    monkeypatch.setattr(executing, "BUSY_SECONDS", 0.1)
    deaths: list[str] = []
    others: list[attempt.Attempt] = []

    def script(place: str, job: Job) -> list[Event]:
        if others:
            others[0].release()
            return [Finished(job.run)]
        deaths.append(job.run)
        if taken and len(deaths) == 2:
            others.append(attempt.waited(attempt.take(attempt.token(tmp_path / "runs" / job.run), "other")))
        return []

    events = train({"cpu": "A"}, script, ["a"])
    assert len(deaths) == 2
    assert type(events[-2]) is (Busy if taken else Returned)
    assert type(events[-1]) is (Finished if taken else Failed)
    result = Path(tmp_path / "runs/a/result.json")
    assert not taken or not result.exists()
    assert taken or json.loads(result.read_text())["reason"] == "the worker process ended (exit code 3)"
    assert not attempt.token(tmp_path / "runs/a").exists()
