"""What run.json keeps of a dataset."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ramp import Ramp

from gan_bench.api.kinds import ArrayPart, Dataset, Parts, SkipSample
from gan_bench.data.described import described
from gan_bench.data.facts import Facts
from gan_bench.data.prepare import prepare
from gan_bench.store.documents import Dataset as Document
from gan_bench.store.documents import read_object, write_object


class Odd(Dataset):
    """Some samples have no class, one class no sample, and a file's name is no text."""

    name = "odd"
    shape = (1, 2, 3)

    def classes(self) -> tuple[str, ...]:
        return ("a", "b", "none of it")

    def load(self) -> Parts:
        samples = np.zeros((6, 1, 2, 3), np.uint8)
        training, held_out = ArrayPart(samples, [0, 0, 1, -1, -1, 0]), ArrayPart(samples, [-1] * 6)
        return Parts(training, held_out, left_out={"odd \udcff": ["a\udcff.png"]}, notes=["Its \udcff."])


def test_both_parts_are_counted_by_class():
    facts = described(prepare(Ramp())).as_json()
    assert facts["class_counts"] == {"training": [128, 128], "held_out": [5, 5]}
    assert (facts["training"], facts["held_out"]) == (256, 10)
    assert facts["reading"]["found"] == 266
    assert "chosen_of" not in facts


def test_the_training_set_that_was_chosen_is_counted_and_the_whole_is_said():
    facts = described(prepare(Ramp(subset=10)))
    assert facts.class_counts is not None
    assert facts.class_counts.training == [5, 5]
    assert (facts.training, facts.chosen_of) == (10, 256)


def test_samples_without_a_class_are_in_no_count():
    counts = described(prepare(Odd())).class_counts
    assert counts is not None
    assert (counts.training, counts.held_out) == ([3, 1, 0], [0, 0, 0])


def test_facts_that_are_no_finite_numbers_are_left_out():
    facts = Facts()
    for value in (float("nan"), 2.0, float("inf"), 1.0):
        facts.add({"width": value})
    assert facts.ranges() == {"width": (1.0, 2.0)}


def test_it_can_be_written_and_read_whatever_files_are_called(tmp_path: Path):
    facts = described(prepare(Odd()))
    write_object(tmp_path / "x.json", facts.as_json())
    again = read_object(tmp_path / "x.json", Document)
    assert again == facts
    assert again.reading is not None
    assert again.reading.left_out[0].examples == ("a\\udcff.png",)
    json.dumps(facts.as_json()).encode()


class Torn(Odd):
    """One sample can't be read."""

    name = "torn"

    def load(self) -> Parts:
        samples = np.arange(36, dtype=np.uint8).reshape(6, 1, 2, 3)
        return Parts(TornPart(samples, [0] * 6), ArrayPart(samples, [0] * 6))


class TornPart(ArrayPart):
    """Its second sample."""

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        if index == 1:
            raise SkipSample("b.png: torn")
        return super().__getitem__(index)


def test_what_cannot_be_read_is_warned_of_each_time():
    said = "dataset torn: 1 of 12 samples can't be read and are left out: b.png: torn"
    for _ in ("decoded", "from the cache"):
        with pytest.warns(UserWarning, match=said):
            prepare(Torn())
