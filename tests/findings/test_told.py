"""What is said of a dataset: everything that was found, in a screen at most, and nothing of what was not."""

from __future__ import annotations

from typing import Any

import pytest

from gan_bench.api.reading import Equal, LeftOut, Near, Reading
from gan_bench.findings.told import lines, told, told_all
from gan_bench.store.documents import ClassCounts, Dataset


def dataset(
    training: int = 90, held_out: int = 10, classes: dict[str, tuple[int, int]] | None = None, **facts: Any
) -> Dataset:
    """A document of run.json."""
    own: dict[str, Any] = {"name": "folder", "fingerprint": "ab" * 32, "shape": [3, 8, 8]}
    if classes:
        counts = list(zip(*classes.values(), strict=True))
        own |= {
            "classes": list(classes),
            "class_counts": ClassCounts(training=list(counts[0]), held_out=list(counts[1])),
        }
    return Dataset(**own, training=training, held_out=held_out, **facts)


def reading(**found: Any) -> Reading:
    return Reading(**{"found": 100, **found})


def facts(one: Dataset, settings: Any = None) -> dict[str, str]:
    return dict(told(one, settings).facts)


def test_the_title_names_the_data_and_its_parameters():
    settings = {"name": "folder", "root": "cats", "size": 8, "flip": True}
    assert told(dataset(), settings).title == "folder, root cats, size 8, flip yes: 100 samples of 3x8x8"
    points = Dataset(name="ring", fingerprint="ab" * 32, shape=[2], kind="points")
    assert told(points).title == "ring: 0 points of 2 numbers"


def test_what_was_not_found_is_not_said():
    assert facts(dataset(reading=reading(equal=Equal(training=0, held_out=0, across=0)))) == {
        "parts": "90 training, 10 held out"
    }


def test_what_was_found_is_said():
    found = reading(
        treatment="upright, centre square",
        notes=("The folders train and val are the parts.", "labels.csv gave the classes."),
        counts={"mode": {"RGB": 89, "L": 10}, "format": {"PNG": 99}, "transparency": {"on white": 4}},
        different={"mode": 5, "format": 1},
        ranges={"width": (640.0, 1280.0), "height": (480.0, 480.0), "seconds": (0.5, 2.25)},
        left_out=(
            LeftOut(reason="unreadable", count=1, examples=("a.jpg: truncated",)),
            LeftOut(
                reason="with an unknown ending (.heic)", count=30, examples=("a.heic", "b.heic", "c.heic", "d.heic")
            ),
        ),
        equal=Equal(training=2, held_out=1, across=1),
        near=Near(count=3, looked_at=10, correlation=0.98),
    )
    assert facts(dataset(reading=found)) == {
        "parts": "90 training, 10 held out",
        "sizes": "640 to 1,280 wide, 480 high",
        "modes": "RGB (89), L (10) and 3 more",
        "formats": "PNG",
        "transparency": "on white (4)",
        "seconds": "0.5 to 2.25",
        "taken": "The folders train and val are the parts. labels.csv gave the classes.",
        "each sample": "upright, centre square",
        "left out": "1 unreadable (a.jpg: truncated); "
        "30 with an unknown ending (.heic) (a.heic; b.heic; c.heic; and 27 more)",
        "equal": "2 training samples are equal to another; 1 held-out sample is equal to another; "
        "1 of 10 held-out samples is equal to a training sample",
        "near": "3 of 10 held-out samples are nearly a training sample (a correlation of 0.98 at least)",
    }


def test_what_could_not_be_read_is_a_sentence_of_its_own():
    lost = LeftOut(reason="unreadable", count=4, examples=("a.jpg: truncated", "b.jpg: ?"))
    said = "4 of 100 samples can't be read and are left out (a.jpg: truncated; b.jpg: ?; and 2 more)."
    assert told(dataset(reading=reading(left_out=(lost,)))).unreadable == said
    hidden = LeftOut(reason="hidden", count=4, examples=("._a",))
    assert told(dataset(reading=reading(left_out=(hidden,)))).unreadable == ""


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ({"cat": (60, 6), "dog": (30, 4)}, "2, training + held out: cat (60 + 6), dog (30 + 4)"),
        ({"cat": (89, 10), "dog": (1, 0)}, "; 1 class has one training sample"),
        ({"cat": (90, 8), "dog": (0, 1), "cow": (0, 1)}, "; 2 classes have no training sample"),
        ({"cat": (82, 8), "dog": (8, 2)}, "; very uneven: the largest has 10 times as many training samples as the"),
        ({"cat": (82, 8), "dog": (9, 2)}, "cat (82 + 8), dog (9 + 2)"),
        ({"cat": (60, 6), "dog": (20, 4)}, "; without a class 10 + 0"),
        ({str(i): (1, 0) for i in range(12)}, "11 (1 + 0); without a class 78 + 10"),
    ],
)
def test_classes_with_their_counts_and_what_is_odd_of_them(classes, said):
    own = facts(dataset(classes=classes))["classes"]
    assert said in own
    if not said.startswith(";"):
        assert own.endswith(said)


def test_of_many_classes_the_largest_and_the_smallest():
    classes = {f"c{i:04}": (i + 2, 1) for i in range(1000)}
    said = facts(dataset(sum(i + 2 for i in range(1000)), 1000, classes))["classes"]
    assert said.startswith(
        "1,000, training + held out: c0999 (1,001 + 1), c0998 (1,000 + 1), c0997 (999 + 1) to c0002 (4"
    )
    assert len(said) < 300


def test_training_sets_that_were_chosen():
    assert facts(dataset(45, chosen_of=90))["trained on"] == "45 of these 90"
    own = facts(dataset(180, chosen_of=90, chosen=["flip: 90 training samples doubled to 180"]))
    assert own["parts"] == "90 training, 10 held out"
    assert own["trained on"] == "flip: 90 training samples doubled to 180"


def test_a_dataset_that_was_read_as_one_before_says_only_what_differs():
    whole = dataset(reading=reading(treatment="upright", left_out=(LeftOut(reason="unreadable", count=1),)))
    half = dataset(45, chosen_of=90, reading=whole.reading)
    other = dataset(reading=reading(treatment="padded"))
    first, second, third = told_all([(whole, None), (half, None), (other, None)])
    assert first.unreadable
    assert (second.facts, second.unreadable) == ([("trained on", "45 of these 90"), ("the rest", "as above")], "")
    assert ("each sample", "padded") in third.facts


def test_a_store_of_before_says_that_it_does_not_know():
    assert facts(dataset(classes={"a": (90, 10), "b": (0, 0)}))["read"] == "how is not known: it was not kept then"
    old = Dataset(name="digits", fingerprint="ab" * 32, classes=[str(i) for i in range(20)])
    assert facts(old)["classes"].startswith("20: 0, 1, 2")
    assert facts(old)["classes"].endswith("11 and 8 more")


def test_names_can_do_no_harm_and_no_text_is_without_end():
    evil = "\x1b[2J\u202e\n" + "x" * 5000
    found = reading(
        left_out=tuple(LeftOut(reason=f"{i}", count=9, examples=(evil,) * 5) for i in range(99)),
        counts={"mode": {evil: 1, "b": 2}},
        ranges={"width": (float("nan"), float("inf"))},
    )
    one = dataset(classes={evil: (90, 10), "b": (3, 1)}, reading=found)
    said = "\n".join(lines([told(one, {"name": "folder", "root": evil})]))
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert "\\x1b[2J\\u202e\\n" in said
    assert len(said) < 10_000
    assert "nan to inf" in said


def test_lines_are_aligned_and_fit_a_terminal():
    one = told(dataset(classes={f"class{i}": (9, 1) for i in range(9)}, reading=reading(treatment="upright " * 30)))
    shown = list(lines([one], 80))
    assert all(len(line) <= 80 for line in shown)
    assert shown[0].startswith("dataset folder: 100 samples")
    assert {
        line.index(word) for line in shown for word in ("90 training", "9, training", "upright") if word in line
    } == {15}
    assert all(line[:15].strip() in ("", "parts", "classes", "each sample") for line in shown[1:])
    assert len(list(lines([one], 200))) < len(shown)
