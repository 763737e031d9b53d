"""What is said of a folder's parts and classes by its settings, and by the names and endings in it."""

from __future__ import annotations

import random
import tomllib
import unicodedata
from collections import Counter
from typing import Any

import pytest
from folder_trees import CATS_DOGS, listed, parts, understood
from markdown import ROOT, blocks
from pydantic import ValidationError

from gan_bench.cli.plugins import parameter
from gan_bench.errors import GanBenchError, ParameterError
from gan_bench_plugins.datasets._files import sorted_out
from gan_bench_plugins.datasets._folder_names import part_name
from gan_bench_plugins.datasets._split import Split
from gan_bench_plugins.datasets.folder import PictureFolder


def test_a_split_by_names() -> None:
    tree = {**parts("data/train", "data/val", "data/extra", of=CATS_DOGS), "data/test": 5}
    for training in ("train", "data/train", "./train/", ["train"]):  # below the root, or below what all have in common
        found, left_out = understood(tree, split=Split(training=training, held_out="val"))
        assert [len(part or ()) for part in found.parts.values()] == [20, 20]
        assert (found.classes, left_out) == (("cats", "dogs"), {"outside of the folders that `split` names": 25})
    found, left_out = understood(tree, split=Split(training=["train", "extra"]))
    assert (len(found.parts["training"] or ()), found.parts["held_out"], found.classes) == (40, None, ("cats", "dogs"))
    assert left_out == {"outside of the folders that `split` names": 25}
    found, _ = understood(tree, split=Split(training="train", held_out="test"), labels="none")
    assert [len(part or ()) for part in found.parts.values()] == [20, 5]


@pytest.mark.parametrize(
    ("split", "told"),
    [
        (Split(training="trian"), "no folder 'trian' with pictures. Did you mean 'train'"),
        (Split(training="train", held_out="labels"), "no folder 'labels' with pictures"),
        (Split(training=["train", "val"], held_out="val/cats"), "val/cats/0.jpg would be in both parts, with 9 more"),
        (Split(training="train", held_out="test"), "the classes of test are not those of train"),
        (Split(training="both"), "both holds parts itself, test and train"),
    ],
)
def test_a_split_by_names_that_cannot_be(split: Split, told: str) -> None:
    tree = {**parts("train", "val", of=CATS_DOGS), "test": 5, "both/train": 5, "both/test": 5, "labels/{}.txt": 5}
    with pytest.raises(GanBenchError, match=told) as refused:
        understood(tree, split=split)
    assert getattr(refused.value, "parameter", "split") == "split"


@pytest.mark.parametrize(
    "split",
    ["trian", 3, {}, {"training": []}, {"training": "/data"}, {"training": "../x"}, {"training": ""}, {"train": "x"}],
)
def test_a_split_that_is_none(split: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        PictureFolder(root="x", split=split)
    assert len(refused.value.errors()) == 1
    assert "must" in refused.value.errors()[0]["msg"]


def test_how_a_split_is_told_to_people_and_editors() -> None:
    schema = PictureFolder.model_json_schema()
    assert parameter("split", schema["properties"]["split"])["type"] == "string or table"
    assert {"type": "string"} in schema["$defs"]["Split"]["properties"]["training"]["anyOf"]
    again = PictureFolder(root="x", split={"training": "a"})
    assert PictureFolder(**{key: value for key, value in again.settings().items() if key != "name"}) == again


def test_random_takes_all_for_one_pile() -> None:
    found, left_out = understood(parts("train", "val", "test", of=CATS_DOGS), split="random")
    assert (found.parts["held_out"], found.classes, left_out) == (None, ("cats", "dogs"), {})
    found, _ = understood({"aeroplane": 5, "bus": 5, "train": 5}, split="random")
    assert found.classes == ("aeroplane", "bus", "train")
    found, _ = understood({"train": 5, "test": 5, "extra": 5}, split="random")
    assert (len(found.parts["training"] or ()), found.classes) == (15, None)
    assert any("train" in note for note in found.notes)


def test_labels_say_whether_folders_are_classes() -> None:
    many_strays = {**CATS_DOGS, "{}.jpg": 5}
    found, _ = understood(many_strays)
    assert found.notes == [
        'No classes: 5 of 25 pictures lie beside the folders. labels = "folders" takes the folders for classes '
        "and leaves these pictures out."
    ]
    found, left_out = understood(many_strays, labels="folders")
    assert (found.classes, left_out) == (("cats", "dogs"), {"beside the class folders": 5})
    found, left_out = understood(CATS_DOGS, labels="none")
    assert (found.classes, left_out, set(found.labels)) == (None, {}, {-1})
    found, _ = understood({"DCIM/100APPLE": 5, "DCIM/101APPLE": 5}, labels="folders")
    assert found.classes == ("100APPLE", "101APPLE")
    found, _ = understood({"images": 5, "masks": 5}, labels="folders")
    assert found.classes == ("images", "masks")
    found, _ = understood({"images": 5, "masks": 5}, labels="none")
    assert len(found.parts["training"] or ()) == 10
    for tree in ({"images": 5}, {"{}.jpg": 5}):
        with pytest.raises(ParameterError, match="takes two folders with pictures at least"):
            understood(tree, labels="folders")


@pytest.mark.parametrize(("strays", "classes"), [(2, ("cats", "dogs")), (3, None)])
def test_a_tenth_may_be_strays(strays: int, classes: tuple[str, ...] | None) -> None:
    assert understood({"cats": 9, "dogs": 9, "{}.jpg": strays})[0].classes == classes  # 2 of 20, 3 of 21


def test_labels_are_the_folders_of_the_pictures() -> None:
    found, _ = understood({"b": 2, "a": 3, "stray.jpg": 0}, labels="folders")
    assert (found.classes, found.labels) == (("a", "b"), [0, 0, 0, 1, 1, -1])


def test_classes_that_differ_in_how_unicode_is_written_are_one() -> None:
    composed, apart = (unicodedata.normalize(form, "Käse") for form in ("NFC", "NFD"))
    found, _ = understood({f"train/{composed}": 5, "train/Brot": 5, f"test/{apart}": 5, "test/Brot": 5})
    assert found.classes == ("Brot", "Käse")
    found, _ = understood({composed: 5, apart: 5, "Brot": 5})
    assert (found.classes, Counter(found.labels)) == (("Brot", "Käse"), {0: 5, 1: 10})
    assert "2 folders are called Käse, written differently in Unicode: they are one class." in found.notes
    found, _ = understood({f"{apart}/a": 5, "x": 5}, split=Split(training=composed))
    assert len(found.parts["training"] or ()) == 5


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_names_says_nothing(seed: int) -> None:
    names = listed({**parts("train", "test", of=CATS_DOGS), "x.jpg": 0, "train/x.txt": 0})
    mixed = names.copy()
    random.Random(seed).shuffle(mixed)
    assert sorted_out(mixed)[0] == sorted_out(names)[0]


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        *(
            (name, "training")
            for name in ("train", "Training", "TRAIN", "train2017", "train_images", "TrainSet", "trainval")
        ),
        *((name, "validation") for name in ("val", "valid", "Validation", "dev", "val_256", "valid-set")),
        *(
            (name, "test")
            for name in ("test", "testing", "test1", "test-set", "Test Images", "held_out", "holdout", "eval")
        ),
        *(
            (name, None)
            for name in ("trains", "contest", "value", "testosterone", "devices", "trainer", "cats", "train-test")
        ),
    ],
)
def test_names_of_parts(folder: str, kind: str | None) -> None:
    found = part_name(folder)
    assert (found and found.kind) == kind


@pytest.mark.parametrize(
    ("first", "form"),
    [
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"GIF89a", "GIF"),
        (b"RIFF\0\0\0\0WEBP", "WEBP"),
        (b"\0\0\0\x20ftypheic", "HEIC"),
        (b"<html>", ""),
        (b"", ""),
    ],
)
def test_pictures_of_unknown_endings_are_known_by_their_first_bytes(first: bytes, form: str) -> None:
    _, left_out = sorted_out(["a.jpg_large", "b.jpg_large", "c.jpg"], lambda name: first)
    cure = f", though they hold pictures ({form}): rename them to have them read" if form else ""
    assert left_out == {f"with the ending .jpg_large{cure}": ["a.jpg_large", "b.jpg_large"]}


def test_endings_are_told_with_their_counts() -> None:
    names = [
        *(f"{i}.mov" for i in range(3)),
        *(f"{i:02d}.{i:02d}x" for i in range(30)),
        "README",
        "x.a long sentence",
        "y.png",
    ]
    pictures, left_out = sorted_out(names)
    assert pictures == ["y.png"]
    counts = {reason: len(own) for reason, own in left_out.items()}
    singles = {f"with the ending .{i:02d}x": 1 for i in range(9)}
    assert counts == {"with the ending .mov": 3, **singles, "with other endings": 23}
    assert sorted_out(["README", "x.jpg~"])[1] == {"without an ending": ["README"], "with the ending .jpg~": ["x.jpg~"]}


def test_the_settings_in_the_documentation() -> None:
    block = next(block for block in blocks(ROOT / "docs" / "data.md") if "JPEGImages" in block.text)
    tables = [tomllib.loads(line)["dataset"] for line in block.text.splitlines()]
    settings = [PictureFolder(**{key: table[key] for key in table.keys() - {"name"}}) for table in tables]
    assert [one.split for one in settings][:2] == [
        Split(training="seg_train", held_out="seg_test"),
        Split(training=["bottle/train", "cable/train"]),
    ]
