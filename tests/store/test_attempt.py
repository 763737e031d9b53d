"""Who works on a run: one process, and what another one that was taken for dead still writes damages nothing."""

from __future__ import annotations

import errno
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import pytest

from gan_bench.files import LEFTOVER, checked, put_back, remove_leftovers, take_away
from gan_bench.store import attempt
from gan_bench.store.attempt import Attempt, Busy, Lost, read, revoke, take, waited
from gan_bench.store.folder import RunFolder

HOLDER = """
import sys, time
from pathlib import Path
from gan_bench.store import attempt

attempt.BEAT_SECONDS = 0.1
if sys.argv[2] == "elsewhere":
    attempt.machine = lambda: "elsewhere"
with attempt.waited(attempt.take(Path(sys.argv[1]), "theirs")):
    print("at work", flush=True)
    time.sleep(600)
"""
ROW = {"d_steps": 25, "images": 400, "seconds": 1.0, "loss_d": 0.5, "loss_g": 0.5}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(attempt, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(attempt, "DEAD_SECONDS", 1.0)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "runs" / ".a-0.attempt"


@pytest.fixture
def holder(path) -> Generator[subprocess.Popen[str], None, None]:
    """Another process of this machine that works there."""
    yield from start(path, "here")


@pytest.fixture
def far(path) -> Generator[subprocess.Popen[str], None, None]:
    """One of another machine."""
    yield from start(path, "elsewhere")


def start(path: Path, where: str) -> Generator[subprocess.Popen[str], None, None]:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, path, where], stdout=subprocess.PIPE, text=True)
    assert "at work" in process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def frozen(path: Path, monkeypatch: pytest.MonkeyPatch, name: str = "frozen") -> Attempt:
    """An attempt of this process; neither it nor later ones beat."""
    monkeypatch.setattr(attempt, "BEAT_SECONDS", 1e6)
    return waited(take(path, name))


def test_it_beats_until_it_is_released(path):
    with waited(take(path, "ours")):
        first = read(path)
        assert first["attempt"] == "ours"
        assert first["process"] == os.getpid()
        deadline = time.monotonic() + 20
        while read(path) == first and time.monotonic() < deadline:
            time.sleep(0.02)
        assert read(path)["beats"] > first["beats"]
        with pytest.raises(Busy, match="on this machine"):
            waited(take(path))
    assert list(path.parent.iterdir()) == []


def test_a_killed_process_of_this_machine_is_not_waited_for(path, holder, monkeypatch):
    monkeypatch.setattr(attempt, "DEAD_SECONDS", 600)
    with pytest.raises(Busy, match="on this machine"):
        waited(take(path))
    holder.kill()
    time.sleep(0.1)  # nobody has buried it
    assert read(path)["attempt"] == "theirs"
    with waited(take(path, "ours")):
        assert read(path)["attempt"] == "ours"


def test_another_process_that_has_the_number_of_a_dead_one_is_not_it(path, holder, monkeypatch):
    monkeypatch.setattr(attempt, "DEAD_SECONDS", 600)
    holder.kill()
    holder.wait()
    path.write_text(json.dumps({**read(path), "process": os.getpid()}))
    with waited(take(path, "ours")):
        assert read(path)["attempt"] == "ours"


def test_one_of_another_machine_is_dead_once_it_is_silent(path, far):
    with pytest.raises(Busy, match=f"on {platform.node()[:60]!r}"):
        waited(take(path))
    far.kill()
    told: list[dict] = []
    began = time.monotonic()
    with waited(take(path, "ours"), told.append):
        assert time.monotonic() - began > attempt.DEAD_SECONDS
        assert read(path)["attempt"] == "ours"
    assert [found["attempt"] for found in told] == ["theirs"]


def test_one_that_was_frozen_for_long_finds_out_and_leaves_the_other_one_alone(path, far):
    os.kill(far.pid, signal.SIGSTOP)
    with waited(take(path, "ours")):
        os.kill(far.pid, signal.SIGCONT)
        time.sleep(0.5)  # it beats, and releases what it has
        assert read(path)["attempt"] == "ours"


@pytest.mark.parametrize("content", [b"", b"\xff{", b"[1]", b"{}"])
def test_a_damaged_token_does_not_beat(path, content, monkeypatch):
    monkeypatch.setattr(attempt, "DEAD_SECONDS", 0.1)
    path.parent.mkdir()
    path.write_bytes(content)
    with waited(take(path, "ours")):
        assert read(path)["attempt"] == "ours"


def test_of_two_that_take_over_at_once_one_does(path, monkeypatch):
    frozen(path, monkeypatch)
    monkeypatch.setattr(attempt, "BEAT_SECONDS", 0.05)
    one, two = take(path, "one"), take(path, "two")
    next(one)
    next(two)
    time.sleep(attempt.DEAD_SECONDS)
    with pytest.raises(StopIteration) as taken:
        next(one)
    with pytest.raises(Busy):
        waited(two)
    assert read(path)["attempt"] == "one"
    taken.value.value.release()


def test_one_that_froze_between_its_look_and_its_taking_over_takes_nothing_from_the_living(path, monkeypatch):
    dead = frozen(path, monkeypatch)
    monkeypatch.setattr(attempt, "DEAD_SECONDS", 0.0)
    rename = Path.rename

    def late(file: Path, to: Path) -> Path:
        monkeypatch.setattr(Path, "rename", rename)
        revoke(path, dead.name)
        taken.append(waited(take(path, "faster")))
        return rename(file, to)

    taken: list[Attempt] = []
    monkeypatch.setattr(Path, "rename", late)
    with pytest.raises(Busy):
        waited(take(path, "slower"))
    taken[0].check()
    taken[0].release()


def test_who_is_taken_over_may_write_nothing_more(path, monkeypatch):
    lost: list[str] = []
    waited(take(path, "other")).release()
    ours = waited(take(path, "ours", lambda: lost.append("lost")))
    ours.check()
    revoke(path, "another")
    ours.check()
    revoke(path, "ours")
    with pytest.raises(Lost):
        ours.check()
    deadline = time.monotonic() + 20
    while not lost and time.monotonic() < deadline:
        time.sleep(0.02)
    assert lost == ["lost"]
    with waited(take(path, "theirs")):
        assert ours.is_lost()
        ours.release()
        assert read(path)["attempt"] == "theirs"


def test_one_that_was_silent_for_long_asks(path, monkeypatch):
    ours = frozen(path, monkeypatch)
    revoke(path, ours.name)
    ours.go_on()  # it has just beaten
    monkeypatch.setattr(attempt, "SILENT_SECONDS", 0.0)
    with pytest.raises(Lost):
        ours.go_on()


def test_a_store_that_was_deleted_is_not_another_process_s_doing(path):
    with waited(take(path, "ours")) as ours:
        path.unlink()
        path.parent.rmdir()
        ours.check()


def test_nor_is_one_that_was_deleted_and_made_anew_but_for_who_was_silent_meanwhile(path, monkeypatch):
    ours = frozen(path, monkeypatch)
    path.unlink()
    path.parent.rmdir()
    path.parent.mkdir()
    ours.check()
    monkeypatch.setattr(attempt, "SILENT_SECONDS", 0.0)
    with pytest.raises(Lost):  # another process may have begun and finished there
        ours.check()


@pytest.fixture
def folder(tmp_path, path) -> RunFolder:
    made = RunFolder(tmp_path / "runs" / "a-0")
    made.snapshots.mkdir(parents=True)
    return made


def state(steps: int) -> dict[str, object]:
    return {"steps": steps, "d_steps": steps, "generator": {}, "discriminator": {}, "streams": {}}


def late(monkeypatch: pytest.MonkeyPatch, path: Path, folder: RunFolder, write, name: str, times: int = 1):
    """Let an owner write, freeze it before its nth call of a Path's or os' function, take over, save, and let it go on."""
    ours = frozen(path, monkeypatch)
    holder = Path if hasattr(Path, name) and name == "rename" else os
    function, calls = getattr(holder, name), []
    theirs: list[Attempt] = []

    def stopped(*args, **options):
        calls.append(args)
        if len(calls) == times:
            monkeypatch.setattr(holder, name, function)
            revoke(path, ours.name)
            theirs.append(waited(take(path, "theirs")))
            with checked(theirs[0].check):
                for place in (folder.path, folder.snapshots, *map(folder.snapshot, folder.snapshot_steps())):
                    remove_leftovers(place)
                other = RunFolder(folder.path)
                other.cut_curves(50)
                other.append_curve({"step": 75, **ROW})
                other.save_checkpoint(state(75))
                with other.new_snapshot(75) as place:
                    (place / "scores.json").write_text("{}")
        return function(*args, **options)

    monkeypatch.setattr(holder, name, stopped)
    with checked(ours.check), suppress(Lost, FileNotFoundError):
        write()
    assert ours.is_lost()
    assert theirs, "it came by no such point"
    theirs[0].check()
    theirs[0].release()


def begun(folder: RunFolder) -> None:
    """As a run is after 50 steps."""
    folder.cut_curves(0)
    for step in (25, 50):
        folder.append_curve({"step": step, **ROW})
    folder.save_checkpoint(state(25))
    folder.save_checkpoint(state(50))


def assert_undamaged(folder: RunFolder) -> None:
    assert folder.load_checkpoint()[0]["steps"] == 75
    folder.checkpoint_file.unlink()
    assert folder.load_checkpoint()[0]["steps"] == 50
    assert [json.loads(line)["step"] for line in folder.curves_file.read_text().splitlines()] == [25, 50, 75]
    assert folder.snapshot_steps() == [75]
    assert not list(folder.path.rglob(".*"))
    assert not folder.result_file.exists()


@pytest.mark.parametrize(("function", "times"), [("link", 1), ("replace", 1), ("replace", 2)])
def test_a_checkpoint_that_comes_late(path, folder, monkeypatch, function, times):
    begun(folder)
    late(monkeypatch, path, folder, lambda: folder.save_checkpoint(state(60)), function, times)
    assert_undamaged(folder)


def test_a_snapshot_that_comes_late(path, folder, monkeypatch):
    begun(folder)

    def write() -> None:
        with folder.new_snapshot(75) as place:
            (place / "scores.json").write_text("[]")

    late(monkeypatch, path, folder, write, "replace")
    assert (folder.snapshot(75) / "scores.json").read_text() == "{}"
    assert_undamaged(folder)


def test_a_failure_that_comes_late(path, folder, monkeypatch):
    begun(folder)
    late(monkeypatch, path, folder, lambda: folder.write_failure("no"), "replace")
    assert_undamaged(folder)


def test_curves_that_are_cut_late(path, folder, monkeypatch):
    begun(folder)
    late(monkeypatch, path, folder, lambda: folder.cut_curves(25), "replace")
    assert_undamaged(folder)


def test_a_line_that_is_appended_late(path, folder, monkeypatch):
    begun(folder)

    def write() -> None:
        folder.append_curve({"step": 60, **ROW})
        folder.save_checkpoint(state(60))

    late(monkeypatch, path, folder, write, "write")
    assert_undamaged(folder)


def test_a_checkpoint_that_is_set_aside_late(path, folder, monkeypatch):
    begun(folder)
    content = folder.checkpoint_file.read_bytes()
    folder.checkpoint_file.write_bytes(content[:100])
    late(monkeypatch, path, folder, folder.load_checkpoint, "rename")
    folder.previous_file.write_bytes(content)  # it is the damaged one, which was not set aside
    assert_undamaged(folder)


def test_a_snapshot_that_is_there_is_kept_where_it_is_the_same(folder):
    for seconds in (1.0, 2.0):
        with folder.new_snapshot(50) as place:
            (place / "scores.json").write_text(json.dumps({"step": 50, "seconds": seconds}))
            (place / "weights.pt").write_bytes(b"w")
    assert folder.scores(50).seconds == 1.0
    (folder.snapshot(50) / "weights.pt").write_bytes(b"v")
    with folder.new_snapshot(50) as place:
        (place / "scores.json").write_text(json.dumps({"step": 50, "seconds": 3.0}))
        (place / "weights.pt").write_bytes(b"w")
    assert folder.scores(50).seconds == 3.0
    assert os.listdir(folder.snapshots) == ["step-00000050"]


def test_curves_that_another_program_has_replaced_are_put_back(folder):
    begun(folder)
    own = folder.curves_file.read_bytes()
    folder.curves_file.unlink()
    folder.curves_file.write_text("{}\n")
    folder.save_checkpoint(state(60))
    assert folder.curves_file.read_bytes() == own
    folder.append_curve({"step": 75, **ROW})
    assert folder.curves_file.read_bytes().startswith(own)
    assert folder.cut_curves(75) == (75, [])


def test_a_failure_does_not_take_the_place_of_a_finished_result(folder):
    finished = '{"status": "finished", "steps": 50, "d_steps": 50, "images": 800}'
    folder.result_file.write_text(finished)
    assert folder.write_failure("no") == "no"
    assert folder.result_file.read_text() == finished


def finished(folder: RunFolder) -> None:
    """As a run is at its end."""
    begun(folder)
    with folder.new_snapshot(50) as place:
        (place / "scores.json").write_text("{}")
    for file in (folder.run_file, folder.output_file, folder.result_file):
        file.write_text("{}")


def test_what_a_run_was_is_deleted_and_its_folder_stays(folder):
    finished(folder)
    before = folder.path.stat().st_ino
    folder.clear()
    assert [path.name for path in folder.path.rglob("*")] == ["snapshots"]
    assert folder.path.stat().st_ino == before
    folder.clear()
    begun(folder)


@pytest.mark.parametrize("times", range(1, 8))
def test_a_clearing_that_comes_late_leaves_all_that_the_other_one_has_done(path, folder, monkeypatch, times):
    """It freezes at each of its renames; the other one ends the run before it wakes up."""
    finished(folder)
    ours = frozen(path, monkeypatch)
    rename, calls = Path.rename, []

    def stopped(file: Path, to: Path) -> Path:
        calls.append(file)
        if len(calls) == times:
            monkeypatch.setattr(Path, "rename", rename)
            revoke(path, ours.name)
            with waited(take(path, "theirs")) as theirs, checked(theirs.check):
                finished(RunFolder(folder.path))
            before.update(contents())
        return rename(file, to)

    def contents() -> dict[str, bytes]:
        return {str(file): file.read_bytes() for file in folder.path.rglob("*") if file.is_file()}

    before: dict[str, bytes] = {}
    monkeypatch.setattr(Path, "rename", stopped)
    with checked(ours.check), pytest.raises(Lost):
        folder.clear()
    assert before == contents()


def test_a_folder_that_can_not_be_put_back_is_kept(tmp_path, monkeypatch):
    (tmp_path / "away").mkdir()
    (tmp_path / "away" / "file").touch()

    def broken(self: Path, to: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "rename", broken)
    with pytest.raises(OSError, match="Input"):
        put_back(tmp_path / "away", tmp_path / "place")
    assert (tmp_path / "away" / "file").exists()


@pytest.mark.parametrize("there", [False, True])
def test_a_file_is_put_back_where_there_are_no_links(tmp_path, monkeypatch, there):
    def no_links(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    (tmp_path / "away").write_text("old")
    if there:
        (tmp_path / "place").write_text("new")
    put_back(tmp_path / "away", tmp_path / "place")
    assert (tmp_path / "place").read_text() == ("new" if there else "old")
    assert not (tmp_path / "away").exists()


def test_files_that_stay_open_on_a_network_disk_are_left_over(tmp_path, monkeypatch):
    (tmp_path / "place").mkdir()

    def busy(path: Path, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            raise OSError(errno.ENOTEMPTY, "Directory not empty")

    monkeypatch.setattr(shutil, "rmtree", busy)
    take_away(tmp_path / "place")
    assert not (tmp_path / "place").exists()
    remove_leftovers(tmp_path)
    assert all(LEFTOVER.fullmatch(left.name) for left in tmp_path.iterdir())


def test_a_token_that_is_withdrawn_is_a_leftover_by_name(path, monkeypatch):
    ours = frozen(path, monkeypatch)
    away: list[Path] = []
    rename = Path.rename
    monkeypatch.setattr(Path, "rename", lambda file, to: away.append(to) or rename(file, to))
    revoke(path, ours.name)
    assert LEFTOVER.fullmatch(away[0].name)
    assert away[0].name.startswith(".a-0.attempt.")
