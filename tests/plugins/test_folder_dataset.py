"""Folders of pictures, ordinary and odd."""

from __future__ import annotations

import os
import struct
import time
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dataset_files import pictures
from PIL import Image
from pydantic import ValidationError
from stores import gan_bench

from gan_bench.api.samples import PreparedData
from gan_bench.data.prepare import prepare
from gan_bench.errors import GanBenchError
from gan_bench.training import dry
from gan_bench_plugins.datasets.folder import PictureFolder
from gan_bench_plugins.datasets.mnist import Mnist


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("gan_bench_plugins.datasets._formats.find_spec", lambda name: None)  # without pillow-heif


def fill(folder: Path, count: int, seed: int = 0, ending: str = ".png") -> Path:
    """Different pictures of 40x24."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(pictures(count, 40, 3, seed=seed)[0]):
        Image.fromarray(image[:24]).save(folder / f"{index:03d}{ending}")
    return folder


def decode(root: Path, **settings: Any) -> PreparedData:
    """Prepare without any warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return prepare(PictureFolder(root=root, **settings))


def test_pictures_without_classes(tmp_path: Path) -> None:
    fill(tmp_path / "mine", 12)
    fill(tmp_path / "mine" / "deeper", 8, seed=1, ending=".JPG")
    prepared = decode(tmp_path / "mine", size=16, held_out=0.25)
    assert (len(prepared.training), len(prepared.held_out)) == (15, 5)
    assert prepared.spec.shape == (3, 16, 16)
    assert prepared.spec.classes is None
    assert prepared.training.labels is None


@pytest.mark.parametrize("wrapped", ["", "download/PetImages"])
def test_subfolders_are_classes(tmp_path: Path, wrapped: str) -> None:
    root = tmp_path / "mine"
    fill(root / wrapped / "dogs", 10, seed=1)
    fill(root / wrapped / "cats" / "white", 20, seed=2)
    (root / wrapped / "empty").mkdir()
    prepared = decode(root, size=16, channels=1)
    assert prepared.spec.classes == ("cats", "dogs")
    assert prepared.training.labels is not None
    assert prepared.held_out.labels is not None
    counts = prepared.training.labels.bincount(minlength=2) + prepared.held_out.labels.bincount(minlength=2)
    assert counts.tolist() == [20, 10]


def test_labels_belong_to_their_pictures(tmp_path: Path) -> None:
    for name, colour in (("black", 0), ("white", 255)):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for index in range(6):
            content = np.full((10, 10, 3), colour, np.uint8)
            content[0, index] = 100  # no two alike
            Image.fromarray(content).save(tmp_path / "mine" / name / f"{index}.png")
    prepared = decode(tmp_path / "mine", size=10)
    for part in (prepared.training, prepared.held_out):
        assert torch.equal((part.data[:, 0, 9, 9] == 255).long(), part.labels)


def test_a_single_subfolder_is_no_class(tmp_path: Path) -> None:
    fill(tmp_path / "mine" / "images", 10)
    assert decode(tmp_path / "mine").spec.classes is None


def test_copies_of_a_picture_stay_in_one_part(tmp_path: Path) -> None:
    for copy in ("a", "b", "c"):
        fill(tmp_path / "mine" / copy, 10)
    prepared = decode(tmp_path / "mine", held_out=0.3)
    assert (len(prepared.training), len(prepared.held_out)) == (21, 9)
    both = {sample.numpy().tobytes() for sample in prepared.training.data}
    assert not both & {sample.numpy().tobytes() for sample in prepared.held_out.data}


def test_a_moved_folder_is_not_decoded_again(tmp_path: Path) -> None:
    folder = decode(fill(tmp_path / "mine", 10)).folder
    (tmp_path / "mine").rename(tmp_path / "moved")
    assert decode(tmp_path / "moved").folder == folder


def test_a_changed_picture_is_noticed(tmp_path: Path) -> None:
    first = decode(fill(tmp_path / "mine", 10)).fingerprint
    Image.new("RGB", (40, 24), "red").save(tmp_path / "mine" / "003.png")
    assert decode(tmp_path / "mine").fingerprint != first


def test_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    fill(tmp_path / "mine", 4)
    assert len(decode(Path("~/mine")).training) == 3


def test_hidden_and_other_files_are_no_pictures(tmp_path: Path) -> None:
    root = fill(tmp_path / "mine", 5)
    for name in ("._000.png", "notes.txt", "Thumbs.db", ".cache/x.png"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"?")
    assert decode(root).skipped == ()


def left_out(prepared: PreparedData) -> dict[str, int]:
    """How many were left out, by the reason."""
    assert prepared.reading
    return {told.reason: told.count for told in prepared.reading.left_out}


def test_folders_of_parts_are_the_parts(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    for seed, (part, kind, count) in enumerate(
        [(part, kind, count) for part, count in (("train", 6), ("val", 2), ("test", 3)) for kind in ("cats", "dogs")]
    ):
        fill(root / part / kind, count, seed=seed)
    prepared = decode(root, size=8)
    assert (len(prepared.training), len(prepared.held_out), prepared.spec.classes) == (12, 6, ("cats", "dogs"))
    assert left_out(prepared) == {"in val, as test is held out": 4}
    assert prepared.reading
    assert "Training part: train; held-out part: test." in prepared.reading.notes
    prepared = decode(root, size=8, split={"training": "train", "held_out": "val"})
    assert (len(prepared.training), len(prepared.held_out)) == (12, 4)
    prepared = decode(root, size=8, split={"training": "train"}, held_out=0.25)
    assert (len(prepared.training), len(prepared.held_out)) == (9, 3)
    prepared = decode(root, size=8, split="random", labels="none")
    assert (len(prepared.training), len(prepared.held_out), prepared.spec.classes) == (20, 2, None)
    prepared = decode(root, size=8, held_out=0.5)
    assert prepared.reading
    assert "held_out = 0.5 says nothing here, where a part of the data is held out." in prepared.reading.notes


def test_labels_are_those_of_the_folders_in_both_parts(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for colour, name in ((0, "black"), (250, "white")):
            for index in range(3):
                place = tmp_path / "mine" / part / name / f"{index}.png"
                place.parent.mkdir(parents=True, exist_ok=True)
                Image.new("L", (8, 8), colour + index + (part == "test") * 3 * (colour == 0)).save(place)
    prepared = decode(tmp_path / "mine", size=8)
    for own in (prepared.training, prepared.held_out):
        assert torch.equal((own.data[:, 0, 0, 0] > 128).long(), own.labels)


def test_a_store_in_the_folder_is_left_out(tmp_path: Path) -> None:
    """Else the second run would train on the first one's sheets of samples."""
    root = fill(tmp_path / "mine", 10)
    before = decode(root)
    fill(root / "runs" / "mine" / "runs" / "abc" / "snapshots", 3, seed=9)
    (root / "runs" / "mine" / "grid.json").write_text("{}")
    fill(root / "elsewhere" / "abc", 3, seed=8)
    (root / "elsewhere" / "abc" / "run.json").write_text("{}")
    fill(root / "refused" / "real" / "abc", 1, seed=7)  # of a grid that was refused once real data had their scores
    (root / "refused" / "real" / "abc" / "000.png").rename(root / "refused" / "real" / "abc" / "samples.png")
    (root / "refused" / "real" / "abc" / "scores.json").write_text("{}")
    after = PictureFolder(root=root)
    assert len(after.files()) == 10
    assert after.left_out() == {
        "a store or a run folder of gan-bench's": ["elsewhere/abc/", "refused/real/abc/", "runs/mine/"]
    }
    assert prepare(after).fingerprint == before.fingerprint
    with pytest.raises(GanBenchError, match=r"is a store or a run folder of gan-bench's, by its grid\.json"):
        prepare(PictureFolder(root=root / "runs" / "mine"))


def test_an_empty_root_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pathlib would take it for the current folder."""
    monkeypatch.chdir(fill(tmp_path / "mine", 4))
    for dataset in (PictureFolder, Mnist):
        with pytest.raises(ValidationError, match=r"must name a folder; '\.' is the current one"):
            dataset(root="")
    assert len(decode(Path()).training) == 3


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    root = fill(tmp_path / "mine", 4)
    fill(root / "@eaDir", 2)
    fill(root / ".thumbnails", 2)
    fill(root / ".hidden", 2)
    for index in range(30):
        (root / f"IMG_{index}.HEIC").write_bytes(b"\0\0\0\x20ftypheic")
    for name in ("a.jpg_large", "b.jpg_large"):
        (root / name).write_bytes(b"\xff\xd8\xff\xe0")
    os.mkfifo(root / "pipe")
    (root / "list.txt").write_text("")
    prepared = decode(root, size=8)
    assert len(prepared.training) + len(prepared.held_out) == 4
    assert left_out(prepared) == {
        "hidden": 1,
        "thumbnails or waste of a system": 2,
        "no pictures (.txt)": 1,
        "with the ending .heic (pip install 'gan-bench[heif]' reads them)": 30,
        "with the ending .jpg_large, though they hold pictures (JPEG): rename them to have them read": 2,
        "without an ending": 1,
    }


def test_a_folder_that_links_lead_to_once_more_is_read_where_it_lies(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    fill(root / "cats", 5)
    fill(root / "dogs", 5, seed=1)
    (root / "all").symlink_to(root / "cats")  # stands before it
    (root / "cats" / "up").symlink_to(tmp_path)
    prepared = decode(root)
    assert prepared.spec.classes == ("cats", "dogs")
    assert left_out(prepared) == {"links to folders that hold this one, or are searched where they lie": 2}


def test_a_closed_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = fill(tmp_path / "mine", 5)
    closed = [str(fill(root / "closed", 5))]
    scandir = os.scandir

    def refusing(place: str) -> Any:
        if place in closed:
            raise PermissionError(13, "Permission denied", place)
        return scandir(place)

    monkeypatch.setattr(os, "scandir", refusing)
    assert left_out(decode(root)) == {"folders that can't be searched (Permission denied)": 1}
    closed.append(str(root))
    with pytest.raises(GanBenchError, match=r"mine can't be searched \(Permission denied\)"):
        decode(root)


def test_a_folder_without_pictures_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "IMG_1.heic").touch()
    (tmp_path / "README").touch()
    with pytest.raises(
        GanBenchError,
        match=r"no pictures .*: 1 with the ending \.heic .*, such as IMG_1\.heic; 1 without an ending, such as README$",
    ):
        prepare(PictureFolder(root=tmp_path))
    (tmp_path / "sub" / "train.zip").touch()
    with pytest.raises(GanBenchError, match=r'but sub/train\.zip. Give that file itself: root = ".*/sub/train\.zip"$'):
        prepare(PictureFolder(root=tmp_path))


def test_a_file_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = fill(tmp_path / "mine", 4)
    with (root / "huge.png").open("wb") as huge:
        huge.truncate(2**20)
    monkeypatch.setattr("gan_bench_plugins.datasets._files.LARGEST", 2**19)
    with pytest.warns(UserWarning, match=r"huge\.png: it has more than 524,288 bytes"):
        prepare(PictureFolder(root=root))


def test_one_search_gives_files_classes_and_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "mine" / "cats", 3)
    fill(tmp_path / "mine" / "dogs", 3, seed=1)
    searched: list[str] = []
    walk = os.walk
    monkeypatch.setattr(os, "walk", lambda top, **options: (searched.append(top), walk(top, **options))[1])
    dataset = PictureFolder(root=tmp_path / "mine", size=8)
    prepare(dataset)
    assert searched == [str(tmp_path / "mine")]
    fill(tmp_path / "mine" / "birds", 3, seed=2)  # a later call notices it
    assert prepare(dataset).spec.classes == ("birds", "cats", "dogs")


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    fill(tmp_path / "elsewhere", 5, seed=1)
    root = tmp_path / "mine"
    fill(root / "cats", 5)
    (root / "dogs").symlink_to(tmp_path / "elsewhere")
    (root / "dogs" / "back").symlink_to(root)
    assert decode(root).spec.classes == ("cats", "dogs")


# Damage.


def test_damaged_pictures_are_left_out_by_name(tmp_path: Path) -> None:
    root = fill(tmp_path / "mine", 20)
    fill(root, 1, ending=".jpg")
    (root / "empty.jpg").touch()
    (root / "text.png").write_text("no picture")
    (root / "torn.jpg").write_bytes((root / "000.jpg").read_bytes()[:300])
    (root / "folder.png").mkdir()
    with pytest.warns(UserWarning, match="3 of 24 samples can't be read") as caught:
        prepared = prepare(PictureFolder(root=root))
    assert len(prepared.training) + len(prepared.held_out) == 21
    for name in ("empty.jpg: ", "text.png: ", "torn.jpg: "):
        assert name in str(caught[0].message)
        assert any(skipped.startswith(name) for skipped in prepared.skipped)


def test_a_link_that_leads_nowhere_is_left_out(tmp_path: Path) -> None:
    root = fill(tmp_path / "mine", 20)
    (root / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (root / "circle.png").symlink_to(root / "circle.png")
    with pytest.warns(UserWarning, match="2 of 22 samples can't be read") as caught:
        prepared = prepare(PictureFolder(root=root))
    assert "gone.jpg: No such file or directory" in str(caught[0].message)
    assert len(prepared.training) + len(prepared.held_out) == 20
    (tmp_path / "nowhere.jpg").write_bytes((root / "000.png").read_bytes())
    with pytest.warns(UserWarning, match="1 of 22 samples can't be read"):
        prepare(PictureFolder(root=root))


def test_what_is_no_file_is_left_out_unopened(tmp_path: Path) -> None:
    """A pipe's reader would wait for ever, and a device never ends."""
    root = fill(tmp_path / "mine", 8)
    os.mkfifo(root / "pipe.png")
    (root / "zeros.png").symlink_to("/dev/zero")
    with pytest.warns(
        UserWarning, match=r"2 of 10 .*pipe\.png: it is no regular file.*zeros\.png: it is no regular file"
    ):
        prepared = prepare(PictureFolder(root=root, size=8))
    assert len(prepared.training) + len(prepared.held_out) == 8


def test_no_program_is_started_by_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow hands PostScript to Ghostscript, whatever the file's name."""
    folder, started = fill(tmp_path / "mine", 8), []
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *arguments, **options: started.append(arguments))
    header = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n"
    (folder / "x.png").write_bytes(header + b"showpage\n%%EOF\n")
    with pytest.warns(UserWarning, match=r"1 of 9 samples can't be read"):
        prepare(PictureFolder(root=folder, size=8))
    assert not started


def test_a_decompression_bomb_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = fill(tmp_path / "mine", 9)
    Image.new("1", (200, 200)).save(root / "warned.png")
    Image.new("1", (300, 300)).save(root / "refused.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200 * 200 - 1)
    with pytest.warns(UserWarning, match="decompression bomb"):
        prepared = prepare(PictureFolder(root=root))
    assert sorted(skipped.split(":")[0] for skipped in prepared.skipped) == ["refused.png", "warned.png"]


def test_a_decompression_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """A file of 100 bytes that says it has 10,000 million pixels."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"")),
        (b"IEND", b""),
    ]
    content = b"\x89PNG\r\n\x1a\n"
    for kind, body in chunks:
        content += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    root = fill(tmp_path / "mine", 9)
    (root / "bomb.png").write_bytes(content)
    with pytest.warns(UserWarning, match="1 of 10 samples can't be read .* bomb.png: Image size .* exceeds limit"):
        prepare(PictureFolder(root=root))


def test_names_that_are_no_text(tmp_path: Path) -> None:
    """A file's name may be any bytes."""
    for folder in (b"caf\xe9", b"\xff\xfe", "größer".encode()):
        place = Path(os.fsdecode(os.fsencode(tmp_path / "mine") + b"/" + folder))
        try:
            fill(place, 5, seed=len(folder))
            (place / os.fsdecode(b"torn\xff.png")).write_bytes(b"torn")
        except OSError:
            pytest.skip("this file system has names of text alone")
    with pytest.warns(UserWarning, match="3 of 18 samples can't be read") as caught:
        prepared = prepare(PictureFolder(root=tmp_path / "mine"))
    str(caught[0].message).encode()
    assert prepared.spec.classes == ("caf\ufffd", "größer", "\ufffd\ufffd")
    assert prepare_again_is_the_same(prepared, tmp_path / "mine")


def prepare_again_is_the_same(prepared: PreparedData, root: Path) -> bool:
    """Nothing was decoded a second time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return prepare(PictureFolder(root=root)).folder == prepared.folder


def test_what_pillow_warns_of_is_not_told_of_every_picture(tmp_path: Path) -> None:
    root = fill(tmp_path / "mine", 4)
    for index, colour in enumerate(("red", "green", "blue")):
        palette = Image.new("RGB", (8, 8), colour).convert("P", palette=Image.Palette.ADAPTIVE)
        palette.save(root / f"palette{index}.png", transparency=bytes([index, 255]))
    decode(root, channels=1)


def write_many(root: Path, count: int, folders: int) -> Path:
    """Tiny pictures, no two alike."""
    for folder in range(folders):
        (root / f"{folder:05d}").mkdir(parents=True)
    for index in range(count):
        content = b"P5 2 2 255\n" + struct.pack(">I", index)
        (root / f"{index % folders:05d}" / f"{index:06d}.pgm").write_bytes(content)
    return root


def test_a_plan_searches_a_folder_as_often_for_many_cells_as_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[str] = []
    walk = os.walk
    monkeypatch.setattr(os, "walk", lambda top, **options: (searched.append(top), walk(top, **options))[1])
    root = str(write_many(tmp_path / "mine", 20, 2))
    counts = []
    for widths in ([8, 12], [8, 12], [8, 12, 16, 20, 24]):  # the first one decodes it
        searched.clear()
        monkeypatch.setattr(dry, "_passes", {})
        (tmp_path / "grid.toml").write_text(MANY_CELLS.replace("WIDTHS", str(widths)))
        gan_bench("plan", "grid.toml", "--no-pilot", cwd=tmp_path)
        counts.append(searched.count(root))
    assert counts[1] == counts[2] > 0


MANY_CELLS = """
name = "many"
dataset = { name = "folder", root = "mine", size = 8, channels = 1 }
architecture = { name = "fcgan", depth = 1, latent = 4 }
seeds = [0]
steps = 3

[evaluate]
features = "random"

[[compare]]
title = "How wide?"
"architecture.width" = WIDTHS
"""


@pytest.mark.slow
@pytest.mark.parametrize(("count", "folders"), [(20_000, 2), (8_000, 1600)])
def test_a_folder_of_many_pictures(tmp_path: Path, count: int, folders: int) -> None:
    """Four times the pictures take about four times as long: not sixteen."""
    root = write_many(tmp_path / "mine", count, folders)
    (tmp_path / "grid.toml").write_text(MANY_CELLS.replace("WIDTHS", "[8, 12, 16]"))
    for limit in (240, 60):  # the second time nothing is read but names, sizes and times
        began = time.process_time()
        assert "3 cells" in gan_bench("plan", "grid.toml", "--no-pilot", cwd=tmp_path).stdout
        assert time.process_time() - began < limit
    quarter = write_many(tmp_path / "quarter", count // 4, folders // 4 or 1)
    seconds = []
    for place in (quarter, root):
        began = time.process_time()
        dataset = PictureFolder(root=place, size=8, channels=1)
        assert len(dataset.files()) == count // (4 if place == quarter else 1)
        dataset.spec()
        assert len(dataset.load().samples) == len(dataset.files())
        seconds.append(time.process_time() - began)
    assert seconds[1] < 10 * seconds[0], seconds


def test_mostly_damaged_is_an_error(tmp_path: Path) -> None:
    root = fill(tmp_path / "mine", 4)
    for index in range(5):
        (root / f"bad{index}.png").write_bytes(bytes([index]))
    with pytest.raises(GanBenchError, match="5 of 9 samples can't be read"):
        prepare(PictureFolder(root=root))


def test_no_folder_no_pictures_one_picture(tmp_path: Path) -> None:
    with pytest.raises(GanBenchError, match="there is no folder"):
        prepare(PictureFolder(root=tmp_path / "mine"))
    (tmp_path / "mine").mkdir()
    with pytest.raises(GanBenchError, match=r"holds no pictures .*\.png"):
        prepare(PictureFolder(root=tmp_path / "mine"))
    fill(tmp_path / "mine", 1)
    with pytest.raises(GanBenchError, match="two different samples"):
        prepare(PictureFolder(root=tmp_path / "mine"))
    with pytest.raises(ValidationError):
        PictureFolder()  # type: ignore[call-arg]


def test_a_folder_of_which_the_likeliest_are_selected(tmp_path: Path) -> None:
    """What a folder was found to be is kept for a moment, whatever else is asked of the data."""
    chosen = prepare(
        PictureFolder(root=fill(tmp_path / "mine", 20), size=8, select={"keep": 0.5, "features": "pixels"})
    )
    assert len(chosen.training) == 9
