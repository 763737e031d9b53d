"""The executor's rules of why workers end: what a run is blamed for, and what is its place's affair."""

from __future__ import annotations

import errno
import os
import pickle
import signal
from multiprocessing import Pipe
from types import SimpleNamespace

import pytest
from stand_in import StandInHost, job_of, setup_in

from gan_bench.errors import GanBenchError
from gan_bench.workers import executor
from gan_bench.workers.events import ASKED_TO_END, Failed, Finished, Foreign, Returned, Stopped, Want
from gan_bench.workers.executor import Executor
from gan_bench.workers.hosts.base import Cause
from gan_bench.workers.hosts.local import LocalHandle, begin
from gan_bench.workers.processes import has_ended, server

LOST, CRASH = Cause("its node a was lost", place=True), Cause("exit code 3")


@pytest.fixture
def train(tmp_path):
    """Train runs on a host; returns whether that came to its end, and what was told of how runs ended."""
    (tmp_path / "runs").mkdir()

    def train(host: StandInHost, *runs: str, **rules: int) -> tuple[bool, list[object]]:
        told: list[object] = []
        done = Executor(setup_in(tmp_path), host, told.append, **rules).run([job_of(run) for run in runs])
        return done, [event for event in told if isinstance(event, Finished | Failed | Returned | Stopped)]

    return train


def test_places_that_are_lost_spend_no_tries(train):
    host = StandInHost("a", acts={"r": [*[LOST] * 10, CRASH]})
    done, told = train(host, "r", retries=1)
    assert done
    assert told == [
        *[Returned("r", LOST.text)] * 10,
        Returned("r", "the worker process ended (exit code 3)"),
        Finished("r"),
    ]
    assert [(job.moves, job.deaths) for _, job in host.given][-2:] == [(10, 0), (10, 1)]


def test_a_run_that_ends_its_process_has_its_tries_between_lost_places(train):
    host = StandInHost("a", acts={"r": [LOST, CRASH, LOST, CRASH]})
    _, told = train(host, "r", retries=1)
    assert [type(event) for event in told] == [Returned, Returned, Returned, Failed]


def test_places_that_are_always_lost_are_no_accident(train, monkeypatch):
    monkeypatch.setattr(executor, "MOST_MOVES", 3)
    host = StandInHost("a", acts={"r": [LOST] * 6})
    _, told = train(host, "r", retries=1)
    assert [type(event) for event in told] == [*[Returned] * 4, Failed]
    assert told[-1].reason == f"the worker process ended ({LOST.text})"


def test_runs_that_were_together_at_a_lost_place_are_not_suspected(train):
    host = StandInHost("a", acts={"r": [None], "s": [LOST]}, slots=2)
    _, told = train(host, "r", "s")
    assert {event.run for event in told if isinstance(event, Finished)} == {"r", "s"}
    assert not any(job.alone for _, job in host.given)


def test_a_lost_cluster_ends_the_command(train):
    host = StandInHost("a", acts={"r": [None]})

    def lose(host: StandInHost) -> None:
        host.lost, host.places = "it is gone", []
        for handle in host.handles:
            handle.cause = Cause("the cluster is gone", place=True)

    host.patient, host.idle = True, lose
    assert train(host, "r", "s") == (False, [Stopped("r")])


def test_places_may_come_later(train):
    host = StandInHost()
    host.patient, host.idle = True, lambda host: host.places.append("a")
    assert train(host, "r") == (True, [Finished("r")])


@pytest.mark.parametrize("patient", [False, True])
def test_places_where_no_worker_begins_are_not_tried_for_ever(train, patient):
    host = StandInHost("a")
    host.patient, host.stillborn = patient, {"": Cause("exit code 1")}
    with pytest.raises(GanBenchError, match=r"end before they are ready to train \(exit code 1\)"):
        train(host, "r")


def test_a_place_that_comes_later_gets_a_run_that_waits(train):
    """While another trains at the only place that there was."""
    host = StandInHost("a", acts={"r": [None]})

    def idle(host: StandInHost) -> None:
        if "b" not in host.places:
            host.places.append("b")
        else:
            host.handles[0].told = [Finished("r"), Want()]

    host.idle = idle
    done, told = train(host, "r", "s")
    assert done
    assert [(place, job.run) for place, job in host.given] == [("a", "r"), ("b", "s")]
    assert told == [Finished("s"), Finished("r")]


def bounded(host: StandInHost) -> StandInHost:
    """A host on which an executor that waits for nothing at all fails."""
    looks = iter(range(50))
    host.idle = lambda host: next(looks)
    return host


def test_actors_that_die_at_each_start_are_not_started_for_ever(train):
    host = StandInHost("a", "b")
    host.patient, host.stillborn = True, {"": Cause("its actor was killed", place=True)}
    with pytest.raises(GanBenchError, match=r"end before they are ready to train \(its actor was killed\)"):
        train(host, "r")


def test_a_worker_that_is_never_ready_is_not_waited_for(train):
    host = bounded(StandInHost("silent", "a"))
    host.silent = {"silent"}
    assert train(host, "r", "s") == (True, [Finished("r"), Finished("s")])


def test_a_worker_that_is_late_is_not_counted_on(train, monkeypatch):
    monkeypatch.setattr(executor, "LATE_SECONDS", 0.0)
    host = bounded(StandInHost("silent", "a"))
    host.silent = {"silent"}
    assert train(host, "r") == (True, [Finished("r")])


def test_a_place_without_room_for_its_workers_is_no_broken_one(train, monkeypatch):
    monkeypatch.setattr(executor, "LATE_SECONDS", 0.0)
    host = StandInHost("a")
    host.stillborn = {"a": Cause("it could not begin", place=True)}
    tries = iter(range(8))
    start = host.start

    def starts(place, setup):
        if next(tries) == 6:
            host.stillborn = {}
        return start(place, setup)

    host.start = starts
    assert train(host, "r") == (True, [Finished("r")])


def test_broken_places_leave_room_for_others(train):
    host = bounded(StandInHost(*["broken"] * 8, "a"))
    host.left, host.stillborn = 4, {"broken": Cause("exit code 1")}
    assert train(host, "r") == (True, [Finished("r")])


def test_workers_that_can_have_nothing_make_room(train):
    host = bounded(StandInHost("a", "a", "b"))
    host.left, host.kinds = 2, {"a": ["A", "A"], "b": ["B"]}
    host.acts = {"r": [Foreign("r", begun="B")], "s": [Foreign("s", begun="B")]}
    done, told = train(host, "r", "s")
    assert done
    assert {(place, job.run) for place, job in host.given[2:]} == {("b", "r"), ("b", "s")}
    assert not [event for event in told if isinstance(event, Failed)]


def test_a_node_may_have_different_devices(train):
    host = bounded(StandInHost("a", "a"))
    host.all_mixed, host.kinds = True, {"a": ["A", "B"]}
    host.acts = {"r": [Foreign("r", begun="B")]}
    done, told = train(host, "r")
    assert done
    assert told == [Foreign("r", begun="B"), Finished("r")]


def test_a_run_that_no_device_of_a_node_can_go_on_with_is_given_to_each_kind_once(train):
    host = bounded(StandInHost("a", "a"))
    host.all_mixed, host.kinds = True, {"a": ["A", "B"]}
    host.acts = {"r": [Foreign("r", begun="C")] * 9}
    _, told = train(host, "r")
    assert "here is A and B." in told[-1].reason
    assert len(host.given) == 1


def test_a_disk_that_is_away_costs_the_reason_and_not_the_command(train, monkeypatch):
    monkeypatch.setattr(executor, "hung_at", lambda file: (_ for _ in ()).throw(OSError(errno.EIO, "I/O error")))
    host = StandInHost("a", acts={"r": [CRASH]})
    _, told = train(host, "r", retries=1)
    assert told == [Returned("r", "the worker process ended (exit code 3)"), Finished("r")]


def test_a_signal_in_the_middle_of_a_message_waits_for_its_end(train):
    host = StandInHost("a", acts={"r": [None]})
    begun: list[str] = []

    def idle(host: StandInHost) -> None:
        begun.append("message")
        os.kill(os.getpid(), signal.SIGINT)
        assert not host.handles[0].cause, "it was stopped in the middle of this"
        begun.append("end")

    host.idle = idle
    assert train(host, "r", "s") == (False, [Stopped("r")])
    assert begun == ["message", "end"]


@pytest.mark.parametrize(("code", "place"), [(ASKED_TO_END, True), (0, False), (-signal.SIGKILL, False)])
def test_who_asks_a_worker_to_end_blames_no_run(code, place):
    """Such as a machine that shuts down."""
    process = SimpleNamespace(exitcode=code, pid=None, join=lambda *_: None)
    assert LocalHandle("cpu", process, Pipe()[0]).bury().place is place


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="this system does not tell of ended children")
def test_a_run_is_not_blamed_for_the_end_of_what_starts_processes():
    waits = "multiprocessing.connection:answer_challenge"  # for a message
    handle = begin("cpu", waits, pickle.dumps(b"key"))
    assert not has_ended(server())
    os.kill(server(), signal.SIGKILL)
    cause = handle.bury()
    assert cause == Cause("what starts worker processes has ended", place=True)
    after = begin("cpu", waits, pickle.dumps(b"key"))
    after.kill()
    assert after.bury().place is False
