"""Tables of text whose rows are pictures: the right pictures and labels, or a refusal with the cure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from piles import arrays, decode, left_out, notes, refused, samples


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_BENCH_CACHE", str(tmp_path / "cache"))


def csv_of(file: Path, images: np.ndarray, labels: np.ndarray | None, head: str = "", last: bool = False) -> Path:
    rows = [",".join(map(str, image.reshape(-1))) for image in images]
    if labels is not None:
        rows = [f"{row},{label}" if last else f"{label},{row}" for row, label in zip(rows, labels, strict=True)]
    file.write_text("\n".join(([head] if head else []) + rows) + "\n")
    return file


@pytest.mark.parametrize("head", ["", "label," + ",".join(f"pixel{n}" for n in range(256)), "1x1"])
def test_mnist_as_text(tmp_path: Path, head: str) -> None:
    images, labels = arrays(12, 16, 1)
    if head == "1x1":
        head = "label," + ",".join(f"{y}x{x}" for y in range(1, 17) for x in range(1, 17))
    prepared = decode(csv_of(tmp_path / "x.csv", images, labels, head), channels=1)
    assert prepared.spec.classes == ("0", "1", "2")
    assert samples(prepared) == sorted(zip((image.tobytes() for image in images), labels.tolist(), strict=True))
    assert "256 numbers of a row of x are taken as 16 rows of 16, grey" in notes(prepared)


def test_labels_of_tables_without_a_head(tmp_path: Path) -> None:
    """As scikit-learn's digits have them, last; where both ends may be labels nobody can tell."""
    images, labels = arrays(12, 16, 1)
    assert decode(csv_of(tmp_path / "last.csv", images, labels, last=True), channels=1).spec.classes == ("0", "1", "2")
    images[:, -1, -1] = labels[:, None] % 2
    refused(
        csv_of(tmp_path / "x.csv", images, labels),
        "the first or the last column may be the labels. Give it a first row",
    )


def test_labels_may_stand_last(tmp_path: Path) -> None:
    images, labels = arrays(12, 16, 1)
    head = ",".join(f"pixel{n}" for n in range(256)) + ",class"
    assert decode(csv_of(tmp_path / "x.csv", images, labels, head, last=True)).spec.classes == ("0", "1", "2")


def test_kaggles_digits(tmp_path: Path) -> None:
    """Two tables in a folder, of which one has no labels; and one of file names, which is no table of pixels."""
    (tmp_path / "digits").mkdir()
    images, labels = arrays(12, 16, 1)
    head = ",".join(f"pixel{n}" for n in range(256))
    csv_of(tmp_path / "digits" / "train.csv", images, labels, f"label,{head}")
    csv_of(tmp_path / "digits" / "test.csv", arrays(6, 16, 1, seed=1)[0], None, head)
    (tmp_path / "digits" / "sample_submission.csv").write_text("ImageId,Label\n1,0\n2,0\n")
    prepared = decode(tmp_path / "digits", held_out=0.25)
    assert (len(prepared.training), len(prepared.held_out)) == (9, 3)
    assert left_out(prepared) == {"without a label": 6, "no pictures (.csv)": 1}
    assert len(decode(tmp_path / "digits", labels="none").held_out) == 6


def test_fer2013(tmp_path: Path) -> None:
    images, labels = arrays(12, 16, 1)
    usage = ["Training", "PublicTest", "Training", "PrivateTest"] * 3
    rows = [f"{y},{' '.join(map(str, x.reshape(-1)))},{part}" for x, y, part in zip(images, labels, usage, strict=True)]
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n" + "\n".join(rows))
    prepared = decode(tmp_path / "fer2013.csv", channels=1)
    assert (len(prepared.training), len(prepared.held_out)) == (6, 3)
    assert prepared.held_out.labels is not None
    assert prepared.held_out.labels.tolist() == labels[3::4].tolist()
    assert (prepared.held_out.data.numpy()[:, 0] == images[3::4, ..., 0]).all()


@pytest.mark.parametrize(
    ("wrong", "match"), [("1,2,3", "row 12 has not 256 numbers"), ("a," * 256 + "b", "row 12 has not 256 numbers")]
)
def test_damaged_rows_of_text_are_told(tmp_path: Path, wrong: str, match: str) -> None:
    images, labels = arrays(11, 16, 1)
    file = csv_of(tmp_path / "x.csv", images, labels)
    file.write_text(file.read_text() + wrong + "\n")
    refused(file, match)
