"""The cache of decoded data: scaling, keys, damage, races, and what is said of wrong samples."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from gan_bench import data as data_module
from gan_bench.data import Samples, cache_root, open_prepared, prepare
from gan_bench.errors import GanBenchError
from gan_bench.plugin import ArrayPart, Dataset, Parts, SkipSample


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GAN_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Ramp(Dataset):
    """Sample i is filled with i; counts its decodings."""

    name = "ramp"
    root: Path | None = None
    brightness: int = 0
    decoded: ClassVar[list[str]] = []

    @property
    def shape(self) -> tuple[int, ...]:
        return (1, 2, 3)

    def classes(self) -> tuple[str, ...]:
        return ("even", "odd")

    def files(self) -> list[Path]:
        return sorted(self.root.rglob("*.bin")) if self.root else []

    def load(self) -> Parts:
        self.decoded.append(self.name)
        samples = np.arange(256, dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 2, 3), np.uint8)
        labels = [i % 2 for i in range(256)]
        return Parts(ArrayPart(samples, labels), ArrayPart(samples[:10], labels[:10]))


@pytest.fixture(autouse=True)
def decoded() -> list[str]:
    Ramp.decoded.clear()
    return Ramp.decoded


class Given(Dataset):
    """Whatever a test wants."""

    name = "given"
    kind = "points"
    given: ClassVar[Callable[[], Parts]]

    @property
    def shape(self) -> tuple[int, ...]:
        return (2,)

    def load(self) -> Parts:
        return type(self).given()


def given(training: Any, held_out: Any = None) -> Given:
    held_out = ArrayPart(np.ones((3, 2), np.float32)) if held_out is None else held_out
    Given.given = staticmethod(lambda: Parts(training, held_out))  # type: ignore[assignment]
    return Given()


def test_images_are_scaled_to_the_ends_of_the_range() -> None:
    prepared = prepare(Ramp())
    assert (prepared.name, prepared.spec.shape, prepared.spec.classes) == ("ramp", (1, 2, 3), ("even", "odd"))
    assert (len(prepared.training), len(prepared.held_out), prepared.skipped) == (256, 10, ())
    batch = prepared.training.batch(torch.tensor([0, 255, 51]))
    assert batch.shape == (3, 1, 2, 3)
    assert batch.dtype == torch.float32
    assert batch[:, 0, 0, 0].tolist() == [-1.0, 1.0, pytest.approx(-0.6)]
    assert prepared.training.labels is not None
    assert prepared.training.labels.dtype == torch.int64
    assert prepared.training.labels[:3].tolist() == [0, 1, 0]


def test_batches_give_all_in_order() -> None:
    samples = prepare(Ramp()).training
    batches = list(samples.batches(100))
    assert [len(batch) for batch in batches] == [100, 100, 56]
    assert torch.equal(torch.cat(batches), samples.batch(torch.arange(256)))


def test_points_stay_as_they_are_and_have_no_labels() -> None:
    points = np.array([[0.25, -3.0], [7.5, 1e-9], [1, 2]], np.float32)
    samples = prepare(given(ArrayPart(points))).training
    assert samples.labels is None
    assert torch.equal(samples.batch(torch.tensor([1, 0])), torch.tensor([[7.5, 1e-9], [0.25, -3.0]]))
    batch = next(samples.batches(3))
    assert torch.equal(batch, torch.from_numpy(points))


def test_to_a_device_keeps_bytes_and_labels() -> None:
    samples = prepare(Ramp()).training
    moved = samples.to("meta")
    assert (moved.device.type, moved.data.dtype, moved.nbytes) == ("meta", torch.uint8, 256 * 6)
    assert moved.labels is not None
    assert (moved.labels.device.type, moved.labels.dtype) == ("meta", torch.int64)
    assert Samples(torch.zeros(2, 1), None).to("meta").labels is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_same_bits() -> None:
    samples, indices = prepare(Ramp()).training, torch.arange(256)
    assert torch.equal(samples.to("cuda").batch(indices.cuda()).cpu(), samples.batch(indices))


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
    assert "ramp: reading files" in stages
    stages.clear()
    assert prepare(Ramp(root=file.parent), progress=remember).folder == first.folder
    assert not stages, "neither read nor decoded again"
    file.write_bytes(b"new")
    assert prepare(Ramp(root=file.parent)).folder != first.folder
    assert len(decoded) == 2


def test_source_is_part_of_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "plugin.py"
    source.write_text("one")
    monkeypatch.setattr(sys.modules[Ramp.__module__], "__file__", str(source))
    first = prepare(Ramp()).folder
    source.write_text("two")
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


def test_the_loser_of_a_race_discards_its_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    decode = data_module._decode

    def decode_while_another_finishes(dataset: Dataset, *rest: Any) -> None:
        monkeypatch.setattr(data_module, "_decode", decode)
        prepare(dataset)
        decode(dataset, *rest)

    monkeypatch.setattr(data_module, "_decode", decode_while_another_finishes)
    prepared = prepare(Ramp())
    assert [path.name for path in prepared.folder.parent.iterdir()] == [prepared.folder.name]
    assert len(prepared.training) == 256


def prepare_and_tell(queue: Any) -> None:
    queue.put(prepare(Ramp()).fingerprint)


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


def test_nothing_is_left_of_a_failed_decoding(cache: Path) -> None:
    class Broken:
        def __len__(self) -> int:
            return 5

        def __getitem__(self, index: int) -> tuple[Any, int]:
            raise ZeroDivisionError

    with pytest.raises(GanBenchError, match=r"training part, sample 0 failed: .*test_data.py:\d+: ZeroDivisionError$"):
        prepare(given(Broken()))
    assert list((cache / "datasets").iterdir()) == []


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

    monkeypatch.setattr(data_module, "_decode", full)
    with pytest.raises(GanBenchError, match=r"no room .* GAN_BENCH_CACHE"):
        prepare(Ramp())


class Item:
    """A part of good points but one."""

    def __init__(self, item: Any) -> None:
        self.item = item

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> Any:
        return self.item if index == 3 else (np.zeros(2, np.float32), -1)


@pytest.mark.parametrize(
    ("item", "found"),
    [
        ((np.zeros(2), -1), r"found float64 of shape \(2,\), expected float32 of shape \(2,\)"),
        ((np.zeros(3, np.float32), -1), r"found float32 of shape \(3,\), expected float32 of shape \(2,\)"),
        ((np.array([0, np.nan], np.float32), -1), "found .*nan.*, expected finite numbers"),
        ((np.zeros(2, np.float32), -2), "found label -2, expected -1"),
        ((np.zeros(2, np.float32), "cat"), "found label 'cat', expected an int"),
        (np.zeros(2, np.float32), r"found ndarray, expected a tuple \(sample, label\)"),
    ],
)
def test_a_wrong_sample_is_named(item: Any, found: str) -> None:
    with pytest.raises(GanBenchError, match=f"dataset given, training part, sample 3: {found}"):
        prepare(given(Item(item)))


def test_a_label_beyond_the_classes_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ramp, "classes", lambda self: ("only",))
    with pytest.raises(GanBenchError, match=r"sample 1: found label 1, expected -1 \(none\) or 0 to 0"):
        prepare(Ramp())


def test_a_link_that_leads_nowhere_is_for_the_dataset_to_judge(tmp_path: Path, decoded: list[str]) -> None:
    (tmp_path / "a.bin").write_bytes(b"a")
    (tmp_path / "b.bin").symlink_to(tmp_path / "gone")
    first = prepare(Ramp(root=tmp_path))
    assert prepare(Ramp(root=tmp_path)).folder == first.folder
    (tmp_path / "gone").write_bytes(b"b")
    assert prepare(Ramp(root=tmp_path)).folder != first.folder


def test_load_must_return_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ramp, "load", lambda self: (1, 2))
    rule = r"^dataset ramp: load\(\) must return gan_bench.Parts\(training=..., held_out=...\), not tuple$"
    with pytest.raises(GanBenchError, match=rule):
        prepare(Ramp())


@pytest.mark.parametrize("method", ["files", "classes", "load"])
def test_whatever_a_dataset_raises_is_told_with_its_line(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    def fail(self: Ramp) -> Any:
        return {}["no such key"]

    monkeypatch.setattr(Ramp, method, fail)
    line = fail.__code__.co_firstlineno + 1
    with pytest.raises(
        GanBenchError, match=rf"dataset ramp: .*{method}.* failed: .*test_data.py:{line}: KeyError: "
    ) as caught:
        prepare(Ramp())
    assert "\n" not in str(caught.value)


def test_a_part_that_is_none() -> None:
    with pytest.raises(GanBenchError, match="dataset given: the length of the training part failed: TypeError: "):
        prepare(given(3))


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (["cat", "dog"], "whole numbers that count the classes from 0, -1 for none \\(found: 'cat'\\)"),
        ([0, "dog"], "found: '0'"),
        ([0, 0.5], "found: 0.5"),
        ([0, float("nan")], "found: nan"),
        ([[1, 0], [0, 1]], r"shape \(N,\), one whole number a sample \(found: shape \(2, 2\)\)"),
        ([0], "2 samples but 1 labels"),
    ],
)
def test_labels_are_whole_numbers(labels: Any, found: str) -> None:
    with pytest.raises(ValueError, match=found):
        ArrayPart(np.zeros((2, 1)), labels)


@pytest.mark.parametrize("labels", [[0, 1], (0.0, 1.0), torch.tensor([0, 1]), np.array([False, True])])
def test_labels_of_any_container(labels: Any) -> None:
    part = ArrayPart(np.zeros((2, 1)), labels)
    assert [part[i][1] for i in range(2)] == [0, 1]


def test_shape_is_an_attribute_or_a_property() -> None:
    class Plain(Dataset):
        name = "plain"
        kind = "points"
        shape = (2,)

        def load(self) -> Parts:
            return Parts(ArrayPart(np.ones((4, 2), np.float32)), ArrayPart(np.zeros((4, 2), np.float32)))

    assert Plain().settings() == {"name": "plain"}
    assert prepare(Plain()).spec.shape == (2,)
    assert Ramp().spec().shape == (1, 2, 3)


def test_a_wrong_shape_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ramp, "shape", (28, 28))
    rule = r"`shape` must be \(channels, height, width\) where kind is 'image' \(found: \(28, 28\)\)"
    with pytest.raises(GanBenchError, match=rule):
        prepare(Ramp())


def test_an_empty_part_is_named() -> None:
    with pytest.raises(GanBenchError, match="the held_out part is empty"):
        prepare(given(ArrayPart(np.ones((3, 2), np.float32)), ArrayPart([])))


def test_tensors_are_taken_as_well() -> None:
    samples = prepare(given(ArrayPart(torch.eye(2)))).training
    assert torch.equal(samples.data, torch.eye(2))


class Unreadable(ArrayPart):
    """A part with unreadable samples."""

    def __init__(self, count: int, unreadable: set[int]) -> None:
        super().__init__(np.arange(2 * count, dtype=np.float32).reshape(count, 2))
        self.unreadable = unreadable

    def __getitem__(self, index: int) -> tuple[Any, int]:
        if index in self.unreadable:
            raise SkipSample(f"sample {index}: torn")
        return super().__getitem__(index)


def test_unreadable_samples_are_left_out_and_counted() -> None:
    with pytest.warns(
        UserWarning, match="2 of 13 samples can't be read and are left out: sample 0: torn; sample 7: torn"
    ):
        prepared = prepare(given(Unreadable(10, {0, 7})))
    assert prepared.skipped == ("sample 0: torn", "sample 7: torn")
    assert prepared.training.data[:, 0].tolist() == [2, 4, 6, 8, 10, 12, 16, 18]
    assert json.loads((prepared.folder / "meta.json").read_text())["lengths"] == {"training": 8, "held_out": 3}
    assert open_prepared(prepared.folder).skipped == prepared.skipped


def test_more_than_half_unreadable_is_an_error() -> None:
    with pytest.raises(GanBenchError, match=r"7 of 13 samples can't be read: .*; and 2 more"):
        prepare(given(Unreadable(10, set(range(7)))))


def test_a_wholly_unreadable_part_is_an_error() -> None:
    with pytest.raises(GanBenchError, match="no sample of the held_out part"):
        prepare(given(Unreadable(10, set()), Unreadable(1, {0})))


def test_progress_is_throttled_and_ends() -> None:
    calls: list[tuple[str, int, int]] = []
    prepare(Ramp(), progress=lambda *call: calls.append(call))
    assert ("decoding dataset ramp, training part", 256, 256) in calls
    assert calls[-1] == ("decoding dataset ramp, held_out part", 10, 10)
    assert len(calls) < 30


def test_cache_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_root() == tmp_path / "cache"
    monkeypatch.delenv("GAN_BENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_root() == tmp_path / "xdg" / "gan-bench"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_root() == Path.home() / ".cache" / "gan-bench"
