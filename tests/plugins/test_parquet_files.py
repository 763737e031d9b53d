"""Tables of pictures in Parquet files, as the Hub has them."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzz import damaged_bytes, fuzz
from PIL import Image
from piles import arrays, decode, left_out, notes, read_as_far_as_it_goes, refused

from gan_bench.data.prepare import prepare
from gan_bench_plugins.datasets import _parquet
from gan_bench_plugins.datasets.folder import PictureFolder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_BENCH_CACHE", str(tmp_path / "cache"))


def png(image: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return content.getvalue()


def cells(images: np.ndarray) -> list[dict[str, Any]]:
    """As the Hub's library has pictures."""
    return [{"bytes": png(image), "path": f"{index}.png"} for index, image in enumerate(images)]


def hub(features: dict[str, Any]) -> dict[str, str]:
    """What the Hub's library notes in a file."""
    return {"huggingface": json.dumps({"info": {"features": features}})}


NOTED = hub({"image": {"_type": "Image"}, "label": {"names": ["cat", "dog", "elk"], "_type": "ClassLabel"}})


def written(file: Path, columns: dict[str, Any], noted: dict[str, str] | None = None, rows: int = 5) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    pq.write_table(table.replace_schema_metadata(noted) if noted else table, file, row_group_size=rows)
    return file


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Two shards of a training part and one of a test part."""
    for number in range(3):
        images, labels = arrays(12, seed=number)
        name = "test-00000-of-00001" if number == 2 else f"train-0000{number}-of-00002"
        written(tmp_path / "x" / "data" / f"{name}.parquet", {"image": cells(images), "label": labels}, NOTED)
    return tmp_path / "x"


def test_the_hubs_shards_are_read_as_the_same_pictures_in_folders(shards: Path, tmp_path: Path) -> None:
    for number in range(3):
        images, labels = arrays(12, seed=number)
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            folder = tmp_path / "pile" / ("test" if number == 2 else "train") / ["cat", "dog", "elk"][label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{number}-{index:02}.png")
    table, folder_ = decode(shards), decode(tmp_path / "pile")
    assert table.spec.classes == folder_.spec.classes == ("cat", "dog", "elk")
    for one, two in ((table.training, folder_.training), (table.held_out, folder_.held_out)):
        assert one.labels is not None
        assert two.labels is not None
        pairs = [
            sorted((s.numpy().tobytes(), int(y)) for s, y in zip(part.data, part.labels, strict=True))  # type: ignore[arg-type]
            for part in (one, two)
        ]
        assert pairs[0] == pairs[1]
        assert len(pairs[0]) in (24, 12)
    assert "column image" in notes(table)
    assert "The training part is trained on, the test part held out." in notes(table)


def test_the_order_is_that_of_shards_and_rows(shards: Path) -> None:
    expected = [
        np.ascontiguousarray(image.transpose(2, 0, 1)) for seed in range(2) for image in arrays(12, seed=seed)[0]
    ]
    assert (decode(shards).training.data.numpy() == np.stack(expected)).all()


def test_one_file_and_its_own_name(shards: Path, tmp_path: Path) -> None:
    """One shard alone is all there is: some of it is held out."""
    file = shards / "data" / "train-00000-of-00002.parquet"
    prepared = decode(file, held_out=0.25)
    assert (len(prepared.training), len(prepared.held_out)) == (9, 3)
    assert decode(file.rename(tmp_path / "anything"), held_out=0.25).fingerprint == prepared.fingerprint


def test_folders_of_the_hubs_conversion(tmp_path: Path) -> None:
    for part, seed in (("train", 0), ("test", 1), ("validation", 2)):
        images, labels = arrays(6, seed=seed)
        written(tmp_path / "x" / "default" / part / "0000.parquet", {"image": cells(images), "label": labels}, NOTED)
    prepared = decode(tmp_path / "x")
    assert (len(prepared.training), len(prepared.held_out)) == (6, 6)
    assert left_out(prepared) == {"of the part validation, for test is held out": 6}
    for part in ("train", "test"):
        images, labels = arrays(6, seed=3)
        written(tmp_path / "x" / "other" / part / "0000.parquet", {"image": cells(images), "label": labels}, NOTED)
    refused(tmp_path / "x", r"several folders have a part test \(default/test, other/test\)\. Give one of them as root")


def test_shards_of_other_parts_are_told(shards: Path) -> None:
    images, labels = arrays(6, seed=5)
    written(shards / "data" / "extra-00000-of-00001.parquet", {"image": cells(images), "label": labels}, NOTED)
    assert left_out(decode(shards)) == {"tables of no part, beside those of parts": 1}


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_columns_of_bytes_and_labels_as_text(tmp_path: Path, kind: pa.DataType) -> None:
    images, labels = arrays(12)
    texts = [["cat", "dog", "élan"][label] for label in labels]
    columns = {"name": [str(n) for n in range(12)], "image": pa.array(map(png, images), kind), "class": texts}
    prepared = decode(written(tmp_path / "x.parquet", columns))
    assert prepared.spec.classes == ("cat", "dog", "élan")
    assert "Columns that are not used: name." in notes(prepared)


@pytest.mark.parametrize("form", ["nested", "flat", "planes"])
def test_lists_of_pixels(tmp_path: Path, form: str) -> None:
    images, _ = arrays(12, 16, 1)
    lists = {
        "nested": [image[..., 0].tolist() for image in images],
        "flat": [image.reshape(-1).tolist() for image in images],
        "planes": [image.transpose(2, 0, 1).tolist() for image in images],
    }[form]
    np.save(tmp_path / "x.npy", images)
    table = decode(written(tmp_path / "x.parquet", {"pixels": lists, "label": [0, 1, 2] * 4}), channels=1)
    assert table.training.labels is not None
    array = decode(tmp_path / "x.npy", channels=1)
    assert {s.numpy().tobytes() for s in table.training.data} | {s.numpy().tobytes() for s in table.held_out.data} == {
        s.numpy().tobytes() for part in (array.training, array.held_out) for s in part.data
    }


def test_a_column_says_the_part(tmp_path: Path) -> None:
    images, labels = arrays(12)
    columns = {"image": cells(images), "label": labels, "split": ["train", "test", "train", "val"] * 3}
    prepared = decode(written(tmp_path / "x.parquet", columns, NOTED))
    assert (len(prepared.training), len(prepared.held_out)) == (6, 3)
    assert (prepared.training.data[1].numpy() == images[2].transpose(2, 0, 1)).all()
    columns["split"] = ["a", "b"] * 6
    refused(written(tmp_path / "y.parquet", columns, NOTED), "column split has a, b, where the parts are called train")


def test_other_settings_of_the_source(shards: Path) -> None:
    assert decode(shards, labels="none").spec.classes is None
    assert len(decode(shards, split="random", held_out=0.25).held_out) == 9
    assert len(decode(shards, split={"training": "test", "held_out": "train"}).held_out) == 24
    refused(shards, r"there is no column 'colour' for `labels`. It has image .*, label \(int64\)", labels="colour")


def test_several_labels_need_a_name(tmp_path: Path) -> None:
    images, labels = arrays(12)
    columns = {"img": cells(images), "fine_label": labels, "coarse_label": labels // 2}
    file = written(tmp_path / "x.parquet", columns)
    refused(file, r"several columns could be the labels \(fine_label, coarse_label\)\. Name one: labels = 'fine_label'")
    assert decode(file, labels="coarse_label").spec.classes == ("0", "1")


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        ({"left": cells(arrays(6)[0]), "right": cells(arrays(6)[0])}, r"several columns hold pictures \(left, right\)"),
        ({"text": ["a", "b"], "label": [0, 1]}, r"no column holds pictures. It has the columns text \(string\), label"),
        ({"image": [[[1] * 8] * 8] * 8 + [[[1] * 9] * 9]}, r"has lists of several shapes: \(8, 8\), \(9, 9\)"),
    ],
)
def test_columns_that_could_be_anything_are_refused(tmp_path: Path, columns: dict[str, Any], match: str) -> None:
    refused(written(tmp_path / "x.parquet", columns), match)


def test_one_called_image_is_meant_beside_a_mask(tmp_path: Path) -> None:
    columns = {"mask": cells(arrays(6, seed=1)[0]), "image": cells(arrays(6)[0])}
    assert "column image." in notes(decode(written(tmp_path / "x.parquet", columns)))


def test_pictures_that_are_not_there_or_damaged_are_left_out(tmp_path: Path) -> None:
    images, labels = arrays(12)
    secret = tmp_path / "secret.png"
    secret.write_bytes(png(images[0]))
    column = cells(images)
    column[2], column[3], column[7] = None, {"bytes": None, "path": str(secret)}, {"bytes": b"damaged", "path": None}  # type: ignore[call-overload]
    file = written(tmp_path / "x.parquet", {"image": column, "label": labels}, NOTED)
    with pytest.warns(
        UserWarning, match=r"3 of 12 .*row 2: there is no picture; .*row 3: it has only a path .*row 7: "
    ):
        prepared = prepare(PictureFolder(root=file, size=16))
    assert prepared.spec.classes == ("cat", "dog", "elk")


def test_rows_without_a_label_are_left_out(tmp_path: Path) -> None:
    columns = {"image": cells(arrays(12)[0]), "label": [0, 1, None, -1, 2, 0, 1, 2, 0, 1, 2, 0]}
    assert left_out(decode(written(tmp_path / "x.parquet", columns, NOTED))) == {"without a label": 2}


def test_what_the_hub_has_noted_may_be_anything(tmp_path: Path) -> None:
    images, labels = arrays(6)
    for noted in ("", "{", "[]", '{"info": 3}', '{"info": {"features": {"label": {"names": 3}, "image": []}}}'):
        file = written(tmp_path / "x.parquet", {"image": cells(images), "label": labels}, {"huggingface": noted})
        assert decode(file).spec.classes == ("0", "1", "2")


def test_shards_with_unlike_columns_are_refused(shards: Path) -> None:
    written(shards / "data" / "train-00001-of-00002.parquet", {"picture": cells(arrays(3)[0])})
    refused(shards, "its files have columns of several kinds: image, label in .*, picture in")


def test_without_pyarrow_the_extra_is_named(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    refused(shards, r"takes pyarrow: pip install 'gan-bench\[parquet\]'")


def test_rows_in_any_order_and_from_several_groups(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_parquet, "BLOCK", 1)  # a row at a time
    files = sorted(shards.rglob("*.parquet"))
    table = _parquet.Table(files, shards)
    pictures = _parquet.CellPictures(table, "image")
    expected = np.concatenate([arrays(12, seed=seed)[0] for seed in (2, 0, 1)])
    for index in [*range(36), 35, 0, 17, 11, 12, 30, 4]:
        assert (np.asarray(pictures[index]) == expected[index]).all()
    assert pictures.name(13) == "train-00000-of-00002.parquet, row 1"


def test_damaged_files_are_told_in_one_line(tmp_path: Path) -> None:
    images, labels = arrays(8, 8)
    file = written(tmp_path / "x.parquet", {"image": cells(images), "label": labels}, NOTED)

    def check(content: bytes) -> None:
        file.write_bytes(content)
        read_as_far_as_it_goes(file)

    fuzz(100, damaged_bytes(file.read_bytes()), check)
