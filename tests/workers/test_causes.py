"""The executor's rules of why workers end: what a run is blamed for, and what is its place's affair."""

from __future__ import annotations

import pytest
from stand_in import StandInHost, job_of, setup_in

from gan_bench.errors import GanBenchError
from gan_bench.workers import executor
from gan_bench.workers.events import Failed, Finished, Returned, Stopped, Want
from gan_bench.workers.executor import Executor
from gan_bench.workers.hosts.base import Cause

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
    host.patient, host.stillborn = patient, True
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
