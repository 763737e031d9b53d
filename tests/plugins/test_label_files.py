"""Lists of labels beside pictures, as Kaggle and published data have them."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from piles import decode, fill, left_out, notes, refused

from gan_bench.api.samples import PreparedData
from gan_bench_plugins.datasets.folder import PictureFolder

WORDS = ["cat", "dog", "elk"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_BENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def pile(tmp_path: Path) -> Path:
    """Twelve pictures, 000.png to 011.png."""
    return fill(tmp_path / "pile", 12)


def by_picture(prepared: PreparedData, reference: PreparedData) -> list[str | None]:
    """The classes of samples in the order of a reference, whose pictures are the same without labels."""
    assert prepared.spec.classes
    found = {}
    for part in (prepared.training, prepared.held_out):
        assert part.labels is not None
        for sample, label in zip(part.data, part.labels.tolist(), strict=True):
            found[sample.numpy().tobytes()] = prepared.spec.classes[label]
    source = PictureFolder(root=reference, size=16, labels="none").load()  # type: ignore[arg-type]
    samples = [source.samples[index][0].tobytes() for index in range(len(source.samples))]  # type: ignore[union-attr]
    return [found.get(sample) for sample in samples]


LISTS = {
    "a head, names without endings": ("id,label", "{0:03},{1}"),
    "a head in another order, with more columns": ("score,label,filename", "0.{0}5,{1},{0:03}.png"),
    "no head": ("", "{0:03}.png,{1}"),
    "no head, semicolons": ("", "{0:03}.png;{1}"),
    "lines of text": ("", "{0:03}.png {1}"),
    "tabs and boxes, as tiny-imagenet": ("", "{0:03}.png\t{1}\t0\t32\t44\t6{2}"),
    "Windows' paths": ("Path,ClassId", "pile\\{0:03}.png,{1}"),
    "quotes and spaces": ("file, class", '"{0:03}.png", "{1}"'),
    "other columns of numbers": ("image_id,x,breed,width", "{0:03},{0},{1},4{2}"),
    "capitals": ("ID,Label", "{0:03}.PNG,{1}"),
    "paths from further above": ("", "data/pile/{0:03}.png {1}"),
    "paths through a folder of another name": ("", "train/{0:03}.png {1}"),
}


@pytest.mark.parametrize("form", LISTS)
def test_lists_of_every_form(pile: Path, form: str) -> None:
    head, line = LISTS[form]
    lines = [line.format(index, WORDS[index % 3], index % 2) for index in range(12)]
    (pile / "labels.csv").write_text("\n".join([head, *lines] if head else lines) + "\n")
    prepared = decode(pile, labels="labels.csv")
    assert prepared.spec.classes == ("cat", "dog", "elk")
    assert by_picture(prepared, pile) == [WORDS[index % 3] for index in range(12)]  # type: ignore[arg-type]
    assert "labels.csv" in notes(prepared)


def test_labels_that_are_numbers(pile: Path) -> None:
    (pile / "train.csv").write_text("id,label\n" + "".join(f"{index:03},{index % 3 * 5}\n" for index in range(12)))
    prepared = decode(pile, labels="train.csv")
    assert prepared.spec.classes == ("0", "5", "10")


def test_numbers_and_their_names_as_in_cub(pile: Path) -> None:
    """Numbers of pictures, whose names another list has, with numbers of classes, whose names a third one has."""
    (pile / "images.txt").write_text("".join(f"{index + 1} {index:03}.png\n" for index in range(12)))
    (pile / "image_class_labels.txt").write_text("".join(f"{index + 1} {index % 3 + 1}\n" for index in range(12)))
    (pile / "classes.txt").write_text("1 cat\n2 dog\n3 elk\n")
    prepared = decode(pile, labels="image_class_labels.txt")
    assert by_picture(prepared, pile) == [WORDS[index % 3] for index in range(12)]  # type: ignore[arg-type]


def test_marks_in_columns(pile: Path) -> None:
    rows = [f"{index:03},{','.join('1.0' if index % 3 == k else '0.0' for k in range(3))}" for index in range(12)]
    (pile / "truth.csv").write_text("image,cat,dog,elk\n" + "\n".join(rows))
    assert by_picture(decode(pile, labels="truth.csv"), pile) == [WORDS[index % 3] for index in range(12)]  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["pairs", "object", "records", "lines", "one-hot"])
def test_json(pile: Path, form: str) -> None:
    rows = [(f"{index:03}.png", index % 3) for index in range(12)]
    content = {
        "pairs": json.dumps({"labels": rows}),
        "object": json.dumps(dict(rows)),
        "records": json.dumps([{"file_name": name, "label": label, "box": [1, 2]} for name, label in rows]),
        "lines": "\n".join(json.dumps({"file_name": name, "label": label}) for name, label in rows),
        "one-hot": json.dumps({"labels": [[name, [int(label == k) for k in range(3)]] for name, label in rows]}),
    }[form]
    name = "labels.jsonl" if form == "lines" else "labels.json"
    (pile / name).write_text(content)
    assert by_picture(decode(pile, labels=name), pile) == [str(index % 3) for index in range(12)]  # type: ignore[arg-type]


@pytest.mark.parametrize("place", ["beside", "elsewhere", "inside a zip", "above a zip's folder"])
def test_where_a_list_lies(pile: Path, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f"{index:03}.png,{WORDS[index % 3]}\n" for index in range(12))
    root, labels = pile, "labels.csv"
    if place == "beside":
        (tmp_path / "labels.csv").write_text(text)
    elif place == "elsewhere":
        (tmp_path / "lists").mkdir()
        labels = str(tmp_path / "lists" / "labels.csv")
        Path(labels).write_text(text)
    else:
        root = tmp_path / "x.zip"
        above = "top/" if "above" in place else ""
        with zipfile.ZipFile(root, "w") as archive:
            archive.writestr(f"{above}labels.csv", text)
            for file in pile.iterdir():
                archive.write(file, f"{above}pictures/{file.name}")
    assert decode(root, labels=labels).spec.classes == ("cat", "dog", "elk")


def test_a_changed_list_is_read_again(pile: Path) -> None:
    for words in (WORDS, ["ant", "bee", "cow"]):
        (pile / "labels.csv").write_text("".join(f"{index:03},{words[index % 3]}\n" for index in range(12)))
        assert decode(pile, labels="labels.csv").spec.classes == tuple(words)


def test_changed_names_of_classes_are_read_again(pile: Path) -> None:
    (pile / "labels.csv").write_text("".join(f"{index:03},{index % 2 + 1}\n" for index in range(12)))
    for words in (("ant", "bee"), ("cat", "dog")):
        (pile / "classes.txt").write_text("".join(f"{number} {word}\n" for number, word in enumerate(words, 1)))
        assert decode(pile, labels="labels.csv").spec.classes == words
        assert any(Path(path).name == "classes.txt" for path in PictureFolder(root=pile, labels="labels.csv").files())


def test_a_label_left_empty_is_none(pile: Path) -> None:
    lines = [f"{index:03},{WORDS[index % 3] if index else ''}\n" for index in range(12)]
    (pile / "labels.csv").write_text("id,label\n" + "".join(lines))
    assert left_out(decode(pile, labels="labels.csv"))["without a label in labels.csv"] == 1


# Parts.


def test_kaggles_train_and_test(tmp_path: Path) -> None:
    """Pictures of both parts have the same names, and only one part has labels: of these some are held out."""
    root = tmp_path / "x"
    fill(root / "train", 12)
    fill(root / "test", 6, seed=1)
    (root / "trainLabels.csv").write_text(
        "id,label\n" + "".join(f"{index:03},{WORDS[index % 3]}\n" for index in range(12))
    )
    prepared = decode(root, labels="trainLabels.csv", held_out=0.25)
    assert (len(prepared.training), len(prepared.held_out)) == (9, 3)
    assert left_out(prepared) == {"no pictures (.csv)": 1, "without a label in trainLabels.csv": 6}
    assert "The held-out part has no labels, and is left out." in notes(prepared)


def test_one_part_has_folders_and_the_other_a_list(tmp_path: Path) -> None:
    """As in tiny-imagenet."""
    root = tmp_path / "x"
    for seed, word in enumerate(WORDS):
        fill(root / "train" / word / "images", 6, seed)
    fill(root / "val" / "images", 6, seed=4)
    lines = [f"{index:03}.png\t{WORDS[index % 3]}\t0\t{index}\t44\t6{index % 2}\n" for index in range(6)]
    (root / "val" / "val_annotations.txt").write_text("".join(lines))
    for labels in ("val_annotations.txt", "val/val_annotations.txt"):
        prepared = decode(root, labels=labels)
        assert prepared.spec.classes == ("cat", "dog", "elk")
        assert prepared.training.labels is not None
        assert prepared.held_out.labels is not None
        assert prepared.training.labels.bincount().tolist() == [6, 6, 6]
        assert prepared.held_out.labels.tolist() == [0, 1, 2, 0, 1, 2]


def test_both_parts_have_labels_in_one_list(tmp_path: Path) -> None:
    root = tmp_path / "x"
    lines = []
    for seed, part in enumerate(("train", "test")):
        fill(root / part, 6, seed)
        lines += [f"{part}/{index:03}.png,{WORDS[index % 3]}\n" for index in range(6)]
    (root / "labels.csv").write_text("".join(lines))
    prepared = decode(root, labels="labels.csv")
    assert (len(prepared.training), len(prepared.held_out)) == (6, 6)
    assert prepared.held_out.labels is not None
    assert prepared.held_out.labels.tolist() == [0, 1, 2, 0, 1, 2]


def test_pictures_without_a_label_and_labels_without_a_picture(pile: Path) -> None:
    lines = [f"{index:03},{WORDS[index % 3]}\n" for index in range(2, 14)]
    (pile / "labels.csv").write_text("id,label\n" + "".join(lines))
    prepared = decode(pile, labels="labels.csv")
    assert left_out(prepared) == {"no pictures (.csv)": 1, "without a label in labels.csv": 2}
    assert "2 rows of labels.csv are of no picture: 012, 013" in notes(prepared)


def test_labels_that_are_no_classes_are_told(pile: Path) -> None:
    (pile / "labels.csv").write_text("id,label\n" + "".join(f"{index:03},{index}\n" for index in range(12)))
    prepared = decode(pile, labels="labels.csv")
    assert prepared.spec.classes is None
    assert "There are no classes: labels.csv has 12 labels of 12 samples." in notes(prepared)


def test_lists_that_nobody_asked_for_are_told(pile: Path) -> None:
    assert "There are lists" not in notes(decode(fill(pile.parent / "without", 12, seed=1)))
    (pile / "labels.csv").write_text("id,label\n")
    assert 'There are lists beside the pictures; labels = "labels.csv" would take' in notes(decode(pile))
    assert "There are lists" not in notes(decode(pile, labels="none"))


# Refused with the cure.


def test_several_columns_need_a_name(pile: Path) -> None:
    """As in HAM10000."""
    lines = [f"{index // 2},{index:03},{WORDS[index % 3]},{'mf'[index % 2]}\n" for index in range(12)]
    (pile / "meta.csv").write_text("lesion_id,image_id,dx,sex\n" + "".join(lines))
    refused(
        pile,
        r'several columns could be the labels \(lesion_id, dx, sex\)\. Name one: labels = "meta\.csv:dx"',
        labels="meta.csv",
    )
    assert decode(pile, labels="meta.csv:dx").spec.classes == ("cat", "dog", "elk")
    assert decode(pile, labels="meta.csv:sex").spec.classes == ("f", "m")
    refused(pile, "has no column 'age' beside the pictures' names; it has lesion_id, dx, sex", labels="meta.csv:age")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "holds no rows of names and labels"),
        ("cat\ndog\nelk\n", "has no column of the pictures' names"),
        (
            "id,label\na,cat\nb,dog\nc,elk\n",
            r"names \(they are called 000\.png, 001\.png, \.\.\.\): it has the columns id, label",
        ),
        ("".join(f"{index:03}.png\n" for index in range(12)), "no column"),
        (
            "id,label\n000,cat\n000,dog\n" + "".join(f"{index:03},cat\n" for index in range(1, 12)),
            "two labels, 'cat' and 'dog'",
        ),
        ("\x00\x01\x02" * 50, "labels.csv"),
    ],
)
def test_lists_that_give_no_labels(pile: Path, text: str, match: str) -> None:
    (pile / "labels.csv").write_text(text)
    refused(pile, match, labels="labels.csv")


def test_names_that_could_mean_several_pictures(tmp_path: Path) -> None:
    for seed, folder in enumerate(("left", "right")):
        fill(tmp_path / "x" / folder, 6, seed)
    (tmp_path / "x" / "labels.csv").write_text("".join(f"{index:03}.png,{WORDS[index % 3]}\n" for index in range(6)))
    refused(tmp_path / "x", r"a row of labels\.csv could mean left/000\.png or right/000\.png", labels="labels.csv")


def test_a_list_that_is_not_there(pile: Path) -> None:
    (pile / "labels.csv").write_text("id,label\n")
    refused(pile, r"there is no file 'label\.csv' in .*Did you mean 'labels\.csv'\?", labels="label.csv")
    for labels in ('{"labels": 3}', "{", '[["a"]]', '{"labels": [["000.png", [1, 2]]]}'):
        (pile / "x.json").write_text(labels)
        refused(pile, "x.json can't be read as a list of labels: ", labels="x.json")


def test_no_list_is_followed_out_of_an_archive(pile: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for file in pile.iterdir():
            archive.write(file, file.name)
        archive.writestr("dataset.json", json.dumps({"labels": [["../../secret", 0], ["000.png", 1], ["001.png", 0]]}))
    prepared = decode(tmp_path / "x.zip")
    assert left_out(prepared)["without a label in dataset.json"] == 10
    assert "1 row of dataset.json is of no picture: ../../secret" in notes(prepared)


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_lists_called_alike_belong_to_the_pictures_of_their_folders(tmp_path: Path, form: str) -> None:
    """As Roboflow and the Hub have them: equal names of pictures in both parts, other classes."""
    root = tmp_path / "mine"
    for part, count, shift in (("train", 6, 0), ("test", 4, 1)):
        fill(root / part, count, seed=shift)
        lines = [{"file_name": f"{index:03d}.png", "label": "ab"[(index + shift) % 2]} for index in range(count)]
        (root / part / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if form == "zip":
        root = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", root))
    assert 'labels = "metadata.jsonl" would take their labels' in notes(decode(root))
    prepared = decode(root, labels="metadata.jsonl")
    assert prepared.spec.classes == ("a", "b")
    assert prepared.training.labels is not None
    assert prepared.held_out.labels is not None
    assert prepared.training.labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert prepared.held_out.labels.tolist() == [1, 0, 1, 0]
