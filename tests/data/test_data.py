"""Prepared data: what batches give, and what is said of wrong samples."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from ramp import Ramp

from gan_bench.api.kinds import ArrayPart, Dataset, Parts, SkipSample
from gan_bench.api.samples import Samples
from gan_bench.data.cache import open_prepared
from gan_bench.data.prepare import prepare
from gan_bench.errors import GanBenchError


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


def test_load_must_return_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ramp, "load", lambda self: (1, 2))
    rule = r"^dataset ramp: load\(\) must return gan_bench.Parts\(training=..., held_out=...\) or .*, not tuple$"
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


def test_nothing_is_left_of_a_failed_decoding(cache: Path) -> None:
    class Broken:
        def __len__(self) -> int:
            return 5

        def __getitem__(self, index: int) -> tuple[Any, int]:
            raise ZeroDivisionError

    with pytest.raises(GanBenchError, match=r"training part, sample 0 failed: .*test_data.py:\d+: ZeroDivisionError$"):
        prepare(given(Broken()))
    assert [path.suffix for path in (cache / "datasets").iterdir()] == [".lock"]
