"""The cache of decoded data: keys, damage, races, and leftovers."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ramp import Ramp

from gan_bench.api.sources import source_hash
from gan_bench.data import prepare as data_module
from gan_bench.data.cache import cache_root, open_prepared
from gan_bench.data.prepare import prepare
from gan_bench.errors import GanBenchError


def test_decoded_once_and_opened_by_folder(decoded: list[str]) -> None:
    first, second = prepare(Ramp()), prepare(Ramp())
    opened = open_prepared(first.folder)
    assert decoded == ["ramp"]
    assert first.fingerprint == second.fingerprint == opened.fingerprint
    assert torch.equal(opened.training.data, first.training.data)
    assert opened.spec == first.spec


def test_settings_are_part_of_the_key_but_places_are_not(decoded: list[str], tmp_path: Path) -> None:
    for place in ("here", "there"):
        (tmp_path / place / "sub").mkdir(parents=True)
        (tmp_path / place / "sub" / "a.bin").write_bytes(b"bytes")
    first = prepare(Ramp(root=tmp_path / "here"))
    assert prepare(Ramp(root=tmp_path / "there")).folder == first.folder
    assert prepare(Ramp(root=tmp_path / "there", brightness=1)).folder != first.folder
    assert len(decoded) == 2


def test_content_of_files_is_part_of_the_key_and_is_hashed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoded: list[str]
) -> None:
    file = tmp_path / "files" / "a.bin"
    file.parent.mkdir()
    file.write_bytes(b"old")
    past = time.time() - 60
    os.utime(file, (past, past))
    stages: list[str] = []

    def remember(text: str, done: int, total: int) -> None:
        stages.append(text)

    first = prepare(Ramp(root=file.parent), progress=remember)
    assert "dataset ramp: reading files" in stages
    stages.clear()
    assert prepare(Ramp(root=file.parent), progress=remember).folder == first.folder
    assert not stages, "neither read nor decoded again"
    file.write_bytes(b"new")
    assert prepare(Ramp(root=file.parent)).folder != first.folder
    assert len(decoded) == 2


def test_a_link_that_leads_nowhere_is_for_the_dataset_to_judge(tmp_path: Path, decoded: list[str]) -> None:
    (tmp_path / "a.bin").write_bytes(b"a")
    (tmp_path / "b.bin").symlink_to(tmp_path / "gone")
    first = prepare(Ramp(root=tmp_path))
    assert prepare(Ramp(root=tmp_path)).folder == first.folder
    (tmp_path / "gone").write_bytes(b"b")
    assert prepare(Ramp(root=tmp_path)).folder != first.folder


def test_source_is_part_of_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "plugin.py"
    source.write_text("one")
    monkeypatch.setattr(sys.modules[Ramp.__module__], "__file__", str(source))
    first = prepare(Ramp()).folder
    source.write_text("two")
    source_hash.cache_clear()  # as plugins are loaded anew
    assert prepare(Ramp()).folder != first


def truncate(folder: Path) -> None:
    file = folder / "training.npy"
    os.truncate(file, file.stat().st_size - 1)


def lengthen(folder: Path) -> None:
    with (folder / "held_out.npy").open("ab") as file:
        file.write(b"more")


def other_shape(folder: Path) -> None:
    np.save(folder / "training.npy", np.zeros((256, 1, 3, 2), np.uint8))


def other_type(folder: Path) -> None:
    np.save(folder / "training_labels.npy", np.zeros(256, np.int32))


def cut_meta(folder: Path) -> None:
    (folder / "meta.json").write_text('{"name": "ramp"')


def lose_meta(folder: Path) -> None:
    (folder / "meta.json").unlink()


def empty_labels(folder: Path) -> None:
    (folder / "held_out_labels.npy").write_bytes(b"")


@pytest.mark.parametrize(
    "damage", [truncate, lengthen, other_shape, other_type, cut_meta, lose_meta, empty_labels], ids=lambda f: f.__name__
)
def test_a_damaged_cache_is_made_again(damage: Callable[[Path], None], decoded: list[str]) -> None:
    first = prepare(Ramp())
    folder, fingerprint, training = first.folder, first.fingerprint, first.training.data.clone()
    damage(folder)
    with pytest.raises(GanBenchError, match="no complete cache"):
        open_prepared(folder)
    with pytest.warns(UserWarning, match="decoded again"):
        again = prepare(Ramp())
    assert (again.folder, again.fingerprint) == (folder, fingerprint)
    assert torch.equal(again.training.data, training)
    assert len(decoded) == 2
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_open_prepared_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(GanBenchError, match="no complete cache"):
        open_prepared(tmp_path / "nowhere")


def test_who_comes_second_waits_and_opens_what_the_first_has_made(monkeypatch: pytest.MonkeyPatch) -> None:
    decode, said, found = data_module.decode, threading.Event(), []

    def second() -> None:
        told = lambda text, *_: said.set() if "by another command; waiting" in text else None  # noqa: E731
        found.append(prepare(Ramp(), progress=told))

    def decode_while_another_waits(*arguments: Any) -> None:
        waiting.start()
        assert said.wait(20)
        decode(*arguments)

    waiting = threading.Thread(target=second)
    monkeypatch.setattr(data_module, "decode", decode_while_another_waits)
    first = prepare(Ramp())
    waiting.join(20)
    assert [one.folder for one in found] == [first.folder]
    assert [path.name for path in first.folder.parent.iterdir()] == [first.folder.name]


def prepare_and_tell(queue: Any) -> None:
    queue.put(prepare(Ramp()).fingerprint)


@pytest.mark.slow
def test_processes_may_prepare_at_once() -> None:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    processes = [context.Process(target=prepare_and_tell, args=(queue,)) for _ in range(2)]
    for process in processes:
        process.start()
    fingerprints = {queue.get(timeout=60) for _ in processes}
    for process in processes:
        process.join()
    assert len(fingerprints) == 1


def test_old_leftovers_are_removed(cache: Path) -> None:
    folder = prepare(Ramp()).folder
    old, new = (folder.with_name(f".{folder.name}.{name}") for name in ("old", "new"))
    for leftover in (old, new):
        leftover.mkdir()
    os.utime(old, (0, 0))
    (folder / "meta.json").unlink()
    with pytest.warns(UserWarning, match="decoded again"):
        prepare(Ramp())
    assert (old.exists(), new.exists()) == (False, True)


def test_a_full_disk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(data_module, "decode", full)
    with pytest.raises(GanBenchError, match=r"No space left on device\)\. Set GAN_BENCH_CACHE"):
        prepare(Ramp())


def test_progress_is_throttled_and_ends() -> None:
    calls: list[tuple[str, int, int]] = []
    prepare(Ramp(), progress=lambda *call: calls.append(call))
    assert ("decoding dataset ramp, training part", 256, 256) in calls
    assert ("decoding dataset ramp, held_out part", 10, 10) in calls
    assert len(calls) < 30


def test_cache_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_root() == tmp_path / "cache"
    monkeypatch.delenv("GAN_BENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_root() == tmp_path / "xdg" / "gan-bench"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_root() == Path.home() / ".cache" / "gan-bench"


def test_what_lies_beside_the_samples_is_told_as_it_is_today(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(names: list[str]) -> list[tuple[str, int]]:
        monkeypatch.setattr(Ramp, "left_out", lambda self: {"hidden": names})
        data = prepare(Ramp())
        opened = open_prepared(data.folder)
        assert opened.reading == data.reading, "a worker knows it too"
        assert data.reading is not None
        return [(one.reason, one.count) for one in data.reading.left_out]

    assert told([]) == []
    assert told([f".{index}" for index in range(30)]) == [("hidden", 30)]
    assert told([".1", ".2"]) == [("hidden", 2)]
    assert told([]) == []
