"""Who works in a store: one command of one machine, and none that is dead, wherever it died."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gan_bench.files import checked, write_json
from gan_bench.store import attempt
from gan_bench.store.lock import HEART, Held, at_work, check_free, hold

# Another machine whose locks don't reach us: `gan_bench.store.lock` as it would be there.
ELSEWHERE = """
import contextlib, platform, sys, time
from pathlib import Path
from gan_bench.store import attempt, lock as holding

holding.Lock = lambda *_, **__: contextlib.nullcontext()
attempt.machine, platform.node = lambda: "elsewhere", lambda: sys.argv[2]
attempt.BEAT_SECONDS, attempt.DEAD_SECONDS = 0.1, 1.0
with holding.hold(Path(sys.argv[1]), print):
    print("at work", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    for name, seconds in (("BEAT_SECONDS", 0.1), ("DEAD_SECONDS", 1.0)):
        monkeypatch.setattr(attempt, name, seconds)


@contextlib.contextmanager
def elsewhere(store: Path, name: str = "node7"):
    process = subprocess.Popen([sys.executable, "-c", ELSEWHERE, store, name], stdout=subprocess.PIPE, text=True)
    try:
        while "at work" not in process.stdout.readline():
            assert process.poll() is None
        yield process
    finally:
        process.kill()
        process.communicate()


def test_nothing_is_left_behind(tmp_path):
    with hold(tmp_path, print):
        assert (tmp_path / HEART).exists()
        with pytest.raises(Held, match="on this machine"), hold(tmp_path, print):
            pass
    assert not (tmp_path / HEART).exists()


@pytest.mark.slow
def test_one_that_works_on_another_machine_is_left_alone_and_a_dead_one_is_not_waited_for_long(tmp_path, monkeypatch):
    monkeypatch.setattr(attempt, "DEAD_SECONDS", 60.0)  # however busy this machine is; the first beat ends it
    told: list[str] = []
    with elsewhere(tmp_path) as process:
        heart = (tmp_path / HEART).read_bytes()
        with pytest.raises(Held, match="on 'node7'"), hold(tmp_path, told.append):
            pass
        assert (tmp_path / HEART).read_bytes()[:40] == heart[:40]
        process.kill()
        process.wait()
        monkeypatch.setattr(attempt, "DEAD_SECONDS", 1.0)
        began = time.monotonic()
        with hold(tmp_path, told.append):
            assert time.monotonic() - began > attempt.DEAD_SECONDS
    assert "was held on 'node7'" in told[0]


def test_one_that_works_on_another_machine_of_the_same_name_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(attempt, "DEAD_SECONDS", 60.0)
    with elsewhere(tmp_path, platform.node()), pytest.raises(Held), hold(tmp_path, print):
        pass


def test_a_dead_one_of_this_machine_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(attempt, "DEAD_SECONDS", 600)
    with elsewhere(tmp_path):
        pass
    assert (tmp_path / HEART).exists()
    monkeypatch.setattr(attempt, "machine", lambda: "elsewhere")
    with hold(tmp_path, print):
        pass


@pytest.mark.parametrize("content", [b"", b"\xff{", b"[1]", b"{}"])
def test_a_damaged_heart_does_not_beat(tmp_path, monkeypatch, content):
    monkeypatch.setattr(attempt, "DEAD_SECONDS", 0.2)
    (tmp_path / HEART).write_bytes(content)
    with hold(tmp_path, print):
        assert b"machine" in (tmp_path / HEART).read_bytes()


def test_who_is_taken_for_dead_is_stopped(tmp_path):
    """It has slept, and another machine has taken the store over."""
    stopped: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    try:
        with hold(tmp_path, print):
            (tmp_path / HEART).unlink()
            (tmp_path / HEART).write_text("{}")
            deadline = time.monotonic() + 20
            while not stopped and time.monotonic() < deadline:
                time.sleep(0.05)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert stopped == [signal.SIGTERM]
    assert (tmp_path / HEART).read_text() == "{}"


def test_a_server_that_is_gone_at_the_end_costs_nothing(tmp_path, monkeypatch):
    close = os.close

    def lost(file: int) -> None:
        close(file)
        raise OSError(errno.EIO, "Input/output error")

    with hold(tmp_path, print):
        monkeypatch.setattr(os, "close", lost)
    monkeypatch.undo()
    with hold(tmp_path, print):
        pass


def test_who_has_slept_and_lost_the_store_writes_nothing_more(tmp_path, monkeypatch):
    monkeypatch.setattr(attempt, "BEAT_SECONDS", 1e6)
    with hold(tmp_path, print) as heart, checked(heart.go_on):
        write_json(tmp_path / "table.json", 1)
        (tmp_path / HEART).write_text("{}")
        monkeypatch.setattr(attempt, "SILENT_SECONDS", 0.0)
        with pytest.raises(attempt.Lost):
            write_json(tmp_path / "table.json", 2)
    assert (tmp_path / "table.json").read_text() == "1\n"


def test_who_is_taken_for_dead_is_stopped_where_nothing_listens_to_sigterm(tmp_path):
    """As in a notebook."""
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL

    def work() -> None:
        with hold(tmp_path, print):
            (tmp_path / HEART).unlink()
            for _ in range(2000):
                time.sleep(0.01)

    with pytest.raises(KeyboardInterrupt):
        work()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_where_locks_do_not_work_the_heart_holds_the_store(tmp_path, monkeypatch, number):
    def flock(file: int, how: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    for _ in range(2):
        with hold(tmp_path, print):
            assert (tmp_path / HEART).exists()
            assert at_work(tmp_path)
            with pytest.raises(Held, match="on this machine"), hold(tmp_path, print):
                pass
            with pytest.raises(Held, match="on this machine"):
                check_free(tmp_path, print)
    check_free(tmp_path, print)
    assert not at_work(tmp_path)


def test_where_locks_work_they_tell_who_is_at_work(tmp_path):
    with hold(tmp_path, print):
        assert at_work(tmp_path)
        with pytest.raises(Held, match="on this machine"):
            check_free(tmp_path, print)
    assert not at_work(tmp_path)
    check_free(tmp_path, print)
