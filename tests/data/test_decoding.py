"""Decoding by all cores, in parts and after a kill: always the same files."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from gan_bench.api.kinds import ArrayPart, Dataset, Parts, SkipSample, Undivided
from gan_bench.api.samples import PreparedData
from gan_bench.data import decode as decode_module
from gan_bench.data import pile
from gan_bench.data.ahead import in_order
from gan_bench.data.prepare import prepare
from gan_bench.errors import GanBenchError

COUNT = 100


class Numbered:
    """Sample i is filled with i; every tenth is unreadable."""

    parallel = True
    read: ClassVar[list[int]] = []
    before: ClassVar[Callable[[int], Any]] = lambda index: None

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> tuple[Any, int, dict[str, str | float]]:
        type(self).before(index)
        self.read.append(index)
        if index % 10 == 9:
            raise SkipSample(f"{index}.png: torn")
        return np.full((1, 2, 2), index, np.uint8), index % 2, {"mode": "L" if index % 3 else "RGB", "width": index}


class Both(Dataset):
    """Numbered samples in two parts, or not divided yet."""

    name = "both"
    shape: ClassVar[tuple[int, ...]] = (1, 2, 2)
    divided: bool = True

    def classes(self) -> tuple[str, ...]:
        return ("even", "odd")

    def load(self) -> Parts | Undivided:
        return Parts(Numbered(), Numbered()) if self.divided else Undivided(Numbered(), held_out=0.2)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pile, "CHUNK", 8)
    monkeypatch.setattr(pile, "cores", lambda: 3)
    Numbered.read.clear()


def content(data: PreparedData) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in data.folder.iterdir()}


def at_once(tmp_path: Path, divided: bool = True) -> PreparedData:
    with pytest.warns(UserWarning, match="can't be read"):
        return prepare(Both(divided=divided), tmp_path / "whole")


def test_processes_decode_in_the_order_of_the_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Numbered, "before", lambda index: time.sleep(0.002 * (index % 16 < 8)))  # so that some overtake
    several = at_once(tmp_path)
    assert not Numbered.read, "not in this process"
    expected = [index for index in range(COUNT) if index % 10 != 9]
    assert several.training.data[:, 0, 0, 0].tolist() == expected
    assert several.training.labels is not None
    assert several.training.labels.tolist() == [index % 2 for index in expected]
    monkeypatch.setattr(Numbered, "parallel", False)
    with pytest.warns(UserWarning, match="can't be read"):
        one = prepare(Both(), tmp_path / "other")
    assert len(Numbered.read) == 2 * COUNT, "nobody said that several may read at once"
    assert content(one) == content(several)


def test_what_is_found_is_counted(tmp_path: Path) -> None:
    reading = at_once(tmp_path, divided=False).reading
    assert reading is not None
    assert reading.found == 100
    assert reading.counts == {"mode": {"L": 60, "RGB": 30}}
    assert reading.ranges == {"width": (0, 98)}
    assert [(one.reason, one.count) for one in reading.left_out] == [("unreadable", 10)]
    assert reading.left_out[0].examples == tuple(f"{index}.png: torn" for index in (9, 19, 29, 39, 49))


@pytest.mark.parametrize("divided", [True, False])
@pytest.mark.parametrize("stop_at", [0, 5, 31, 32, 150])
def test_it_goes_on_where_it_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, divided: bool, stop_at: int
) -> None:
    expected = content(at_once(tmp_path, divided))
    Numbered.read.clear()
    stopping = iter(range(10**6))

    def stop(index: int) -> None:
        if next(stopping) >= stop_at:
            raise KeyboardInterrupt

    monkeypatch.setattr(Numbered, "before", stop)
    monkeypatch.setattr(pile, "cores", lambda: 1)
    if stop_at < COUNT * (1 + divided):
        with pytest.raises(KeyboardInterrupt):
            prepare(Both(divided=divided), tmp_path / "cache")
    monkeypatch.setattr(Numbered, "before", lambda index: None)
    Numbered.read.clear()
    with pytest.warns(UserWarning, match="can't be read"):
        data = prepare(Both(divided=divided), tmp_path / "cache")
    assert content(data) == expected
    whole = stop_at if divided or stop_at < COUNT else 0  # nothing was stopped
    assert len(Numbered.read) <= COUNT * (1 + divided) - whole + pile.CHUNK, "what was complete is not decoded again"
    assert [path.name for path in data.folder.parent.iterdir()] == [data.folder.name]


@pytest.mark.parametrize(
    "fault", ["torn line", "torn samples", "flipped bit", "other length", "no json", "lost samples"]
)
def test_what_a_crash_has_left_torn_is_decoded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    expected = content(at_once(tmp_path, divided=False))
    monkeypatch.setattr(decode_module, "_divide", _interrupt)
    with pytest.raises(KeyboardInterrupt):
        prepare(Both(divided=False), tmp_path / "cache")
    monkeypatch.undo()
    (work,) = (tmp_path / "cache" / "datasets").glob(".*.work")
    samples, journal = work / ".all.npy", work / ".all.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    if fault == "torn line":
        os.truncate(journal, journal.stat().st_size - 10)
    elif fault == "torn samples":
        os.truncate(samples, samples.stat().st_size - 3)
    elif fault == "flipped bit":
        damaged = bytearray(samples.read_bytes())
        damaged[-40] ^= 1
        samples.write_bytes(damaged)
    elif fault == "other length":
        lines[3] = json.dumps({**json.loads(lines[3]), "of": 99}).encode() + b"\n"
        journal.write_bytes(b"".join(lines))
    elif fault == "no json":
        journal.write_bytes(b"".join(lines[:2]) + b"\x00" * 50)
    else:
        samples.unlink()
    monkeypatch.setattr(pile, "CHUNK", 8)
    monkeypatch.setattr(pile, "cores", lambda: 1)
    Numbered.read.clear()
    with pytest.warns(UserWarning, match="can't be read"):
        assert content(prepare(Both(divided=False), tmp_path / "cache")) == expected
    assert Numbered.read, "something was decoded again"


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def test_an_error_leaves_nothing_and_is_the_sample_s_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(index: int) -> None:
        if index == 40:
            raise ZeroDivisionError

    monkeypatch.setattr(Numbered, "before", fail)
    with pytest.raises(GanBenchError, match=r"training part, sample 40 failed: .*ZeroDivisionError"):
        prepare(Both(), tmp_path)
    assert [path.suffix for path in (tmp_path / "datasets").iterdir()] == [".lock"]


class Counted(list[int]):
    """Items that tell how many have been taken."""

    taken = 0

    def __iter__(self) -> Any:
        for item in super().__iter__():
            self.taken += 1
            yield item


@pytest.mark.parametrize("forked", [True, False])
def test_no_more_than_a_few_results_wait(monkeypatch: pytest.MonkeyPatch, forked: bool) -> None:
    monkeypatch.setattr(sys, "platform", "linux" if forked else "darwin")
    items, ahead = Counted(range(50)), []
    for done, result in enumerate(in_order(lambda item: (item, os.getpid()), items, 2)):
        assert result[0] == done
        assert (result[1] == os.getpid()) is not forked
        ahead.append(items.taken - done)
    assert max(ahead) <= 6


def test_if_processes_die_the_rest_is_done_here() -> None:
    here = os.getpid()

    def work(item: int) -> tuple[int, bool]:
        if item == 20 and os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return item, os.getpid() == here

    found = list(in_order(work, range(40), 2))
    assert [item for item, _ in found] == list(range(40))
    assert found[20][1]
    assert not found[0][1]


ORPHANS = """
import os, time
from gan_bench.data.ahead import in_order
for _ in in_order(lambda item: time.sleep(0.05) or os.write(1, b"%d\\n" % os.getpid()), range(10_000), 2):
    pass
"""


def test_processes_end_with_the_one_that_began_them() -> None:
    process = subprocess.Popen([sys.executable, "-c", ORPHANS], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    children = {int(process.stdout.readline()) for _ in range(10)}
    process.kill()
    process.wait()
    deadline = time.monotonic() + 30
    while any(_is_alive(child) for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import test_decoding
from gan_bench.data import pile
from gan_bench.data.ahead import in_order
from gan_bench.data.prepare import prepare
pile.CHUNK = 8
test_decoding.Numbered.before = lambda index: time.sleep(0.005)
prepare(test_decoding.Both(divided=False), Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_a_killed_decoding_gives_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = content(at_once(tmp_path, divided=False))
    command = [sys.executable, "-c", KILLED, str(tmp_path / "cache"), str(Path(__file__).parent)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not any(file.stat().st_size > 300 for file in (tmp_path / "cache").glob("datasets/.*.work/.all.jsonl")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    monkeypatch.setattr(pile, "cores", lambda: 1)
    with pytest.warns(UserWarning, match="can't be read"):
        assert content(prepare(Both(divided=False), tmp_path / "cache")) == expected
    assert 0 < len(Numbered.read) < COUNT


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_where_files_can_t_be_locked_it_is_decoded_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def none(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    expected = content(at_once(tmp_path))
    monkeypatch.setattr("fcntl.flock", none)
    with pytest.warns(UserWarning, match="can't be read"):
        assert content(prepare(Both(), tmp_path / "cache")) == expected
    assert not list(tmp_path.glob("cache/datasets/.*"))


def test_two_equal_samples_are_no_two_different_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Both, "load", lambda self: Undivided(ArrayPart(np.zeros((5, 1, 2, 2), np.uint8)), held_out=0.5))
    with pytest.raises(GanBenchError, match="dataset both: it needs two different samples at least"):
        prepare(Both(), tmp_path)


class Loaded(Dataset):
    """Whatever `source` is."""

    name = "loaded"
    shape: ClassVar[tuple[int, ...]] = (1, 2, 2)
    source: ClassVar[Any] = None
    modes: ClassVar[Any] = None

    def known_modes(self) -> Any:
        return self.modes

    def load(self) -> Any:
        return self.source


class WithFacts(Numbered):
    """Facts of a wrong type, or a label."""

    parallel = False
    facts: ClassVar[Any] = None
    label: ClassVar[int] = -1

    def __getitem__(self, index: int) -> Any:
        return np.full((1, 2, 2), index, np.uint8), self.label, self.facts


PLAIN = ArrayPart(np.arange(80, dtype=np.uint8).reshape(20, 1, 2, 2), [-1] * 20)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (Undivided(PLAIN, held_out=20), "share of samples to hold out, between 0 and 1 (found: 20)"),
        (Undivided(PLAIN, held_out="0.2"), "between 0 and 1 (found: '0.2')"),
        (Parts(PLAIN, PLAIN, treatment=["cut"]), "what load() tells of its samples failed: "),
        (Parts(PLAIN, PLAIN, notes=3), "what load() tells of its samples failed: "),
        (Parts(PLAIN, PLAIN, left_out=["a.png"]), "what load() tells of its samples failed: "),
    ],
)
def test_what_load_must_not_return_is_told_in_a_line(monkeypatch, tmp_path, source, told):
    monkeypatch.setattr(Loaded, "source", source)
    with pytest.raises(GanBenchError, match=re.escape(told)) as error:
        prepare(Loaded(), tmp_path)
    assert str(error.value).startswith("dataset loaded: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "facts", [None, 7, ["RGB"], {"mode": None}, {"width": ("a", "b")}, {3: "RGB"}, {("w", "h"): 1}]
)
def test_facts_of_a_wrong_type_are_told_with_their_sample(monkeypatch, tmp_path, facts):
    monkeypatch.setattr(WithFacts, "facts", facts)
    monkeypatch.setattr(Loaded, "source", Parts(WithFacts(), PLAIN))
    with pytest.raises(GanBenchError, match="training part, facts of sample 0 failed: "):
        prepare(Loaded(), tmp_path)


def test_numbers_of_numpy_are_numbers(monkeypatch, tmp_path):
    monkeypatch.setattr(WithFacts, "facts", {"width": np.int64(3), "mean": np.float32(0.5)})
    monkeypatch.setattr(Loaded, "source", Undivided(WithFacts(), held_out=np.float32(0.2)))
    assert prepare(Loaded(), tmp_path).reading.ranges == {"mean": (0.5, 0.5), "width": (3, 3)}


def test_a_label_that_no_file_can_hold_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(WithFacts, "label", 2**70)
    monkeypatch.setattr(Loaded, "source", Parts(WithFacts(), PLAIN))
    with pytest.raises(GanBenchError, match="sample 0: found label 11805"):
        prepare(Loaded(), tmp_path)


def test_known_modes_of_a_wrong_type_are_refused_before_anything_is_decoded(monkeypatch, tmp_path):
    monkeypatch.setattr(Loaded, "modes", ((0.0, 1.0),))
    with pytest.raises(
        GanBenchError, match=re.escape("known_modes() must return gan_bench.Modes or None (found: ((0.0, 1.0),))")
    ):
        prepare(Loaded(), tmp_path)
