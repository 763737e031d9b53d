"""Pictures in .zip and .tar files: the same as in a folder, whatever else is in there."""

from __future__ import annotations

import io
import json
import os
import struct
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fuzz import damaged_bytes, fuzz
from PIL import Image
from piles import decode, fill, left_out, notes, read_as_far_as_it_goes, refused

from gan_bench.api.samples import PreparedData
from gan_bench.data.prepare import prepare
from gan_bench_plugins.datasets import _archives
from gan_bench_plugins.datasets.folder import PictureFolder

TARS = {".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz"}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_BENCH_CACHE", str(tmp_path / "cache"))


def files_below(folder: Path) -> list[Path]:
    """In an order that no archive sorts by."""
    return sorted((file for file in folder.rglob("*") if file.is_file()), key=lambda file: file.name[::-1])


def zipped(folder: Path, file: Path, **options: Any) -> Path:
    with zipfile.ZipFile(file, "w", **options) as archive:
        for one in files_below(folder):
            archive.write(one, one.relative_to(folder))
    return file


def tarred(folder: Path, file: Path, mode: str = "w") -> Path:
    with tarfile.open(file, mode) as archive:  # type: ignore[call-overload]
        for one in files_below(folder):
            archive.add(one, one.relative_to(folder))
    return file


def png(colour: str = "red", size: tuple[int, int] = (8, 8)) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", size, colour).save(content, "PNG")
    return content.getvalue()


def same(one: PreparedData, two: PreparedData) -> bool:
    return (one.fingerprint, one.spec.classes) == (two.fingerprint, two.spec.classes)


# The same as a folder.


@pytest.fixture
def pile(tmp_path: Path) -> Path:
    """Two classes in two parts, as macOS would pack them, with this and that beside."""
    root = tmp_path / "pile"
    for seed, name in enumerate(("train/cats", "train/dogs", "test/cats", "test/dogs", "val/cats", "val/dogs")):
        fill(root / name, 6, seed)
    fill(root / "__MACOSX", 2)
    for name in ("notes.heic", "train/.hidden.png", "train/cats/Thumbs.db"):
        (root / name).write_bytes(b"?")
    return root


@pytest.mark.parametrize("ending", [".zip", *TARS])
def test_an_archive_is_read_as_the_folder_that_was_packed(pile: Path, ending: str) -> None:
    file = pile.with_name(f"x{ending}")
    packed = zipped(pile, file) if ending == ".zip" else tarred(pile, file, TARS[ending])
    folder, archive = decode(pile), decode(packed)
    assert same(folder, archive)
    assert (len(archive.training), len(archive.held_out)) == (12, 12)
    assert left_out(folder) == left_out(archive)
    assert folder.reading
    assert archive.reading
    assert folder.reading.notes == archive.reading.notes


def test_what_an_archive_is_is_seen_by_its_content(pile: Path) -> None:
    for name, packed in (("a.bin", zipped(pile, pile.with_name("a.bin"))), ("b", tarred(pile, pile.with_name("b")))):
        assert packed.name == name
        assert same(decode(packed), decode(pile))


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zips_of_any_compression(tmp_path: Path, compression: int) -> None:
    root = fill(tmp_path / "pile", 8)
    assert same(decode(root), decode(zipped(root, tmp_path / "x.zip", compression=compression)))


def test_a_zip_within_one_folder_and_with_names_of_every_kind(tmp_path: Path) -> None:
    """Windows' separators, leading dots and slashes, a drive; UTF-8 that is not declared, as macOS writes it."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for index, form in enumerate(
            ("top\\cats\\{}.png", "./top/cats/{}.png", "/top//cats/{}.png", "C:\\top\\dogs\\{}.png")
        ):
            for number in range(4):
                name = form.format(10 * index + number)
                info = zipfile.ZipInfo("x")
                info.filename = name
                archive.writestr(info, png(f"rgb({40 * index},{40 * number},9)"))
    prepared = decode(tmp_path / "x.zip")
    assert prepared.spec.classes == ("cats", "dogs")
    assert len(prepared.training) + len(prepared.held_out) == 16


def test_undeclared_utf_8_names_are_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for number in range(4):
            archive.writestr(f"Hund/{number}.png", png(f"rgb(0,{number},0)"))
            archive.writestr(f"Katzchen/{number}.png", png(f"rgb(9,{number},0)"))
    content = (tmp_path / "x.zip").read_bytes().replace(b"Katzchen", "Kätzch".encode() + b"n")
    (tmp_path / "x.zip").write_bytes(content)
    assert decode(tmp_path / "x.zip").spec.classes == ("Hund", "Kätzchn")


def test_a_file_of_the_same_name_later_on_counts(tmp_path: Path) -> None:
    root = fill(tmp_path / "pile", 6)
    packed = tarred(root, tmp_path / "x.tar")
    Image.new("RGB", (40, 24), "red").save(root / "003.png")
    with tarfile.open(packed, "a") as archive:
        archive.add(root / "003.png", "003.png")
    assert same(decode(packed), decode(root))
    assert left_out(decode(packed)) == {"replaced by a later one of the same name": 1}


def test_a_zip_of_thousands_of_folders(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for number in range(3000):
            archive.writestr(f"{number:04}/", "")
            if number < 500:
                for copy in range(2):
                    archive.writestr(
                        f"{number:04}/{copy}.png", png(f"rgb({number % 256},{copy},{number // 256})", (2, 2))
                    )
    prepared = decode(tmp_path / "x.zip", size=4, labels="folders")
    assert prepared.spec.classes
    assert len(prepared.spec.classes) == 500


def test_a_moved_archive_is_not_decoded_again(tmp_path: Path) -> None:
    packed = zipped(fill(tmp_path / "pile", 6), tmp_path / "x.zip")
    folder = decode(packed).folder
    (tmp_path / "elsewhere").mkdir()
    assert decode(packed.rename(tmp_path / "elsewhere" / "x.zip")).folder == folder


# StyleGAN's.


@pytest.mark.parametrize("form", ["folder", "zip", "tar.gz"])
def test_stylegans_dataset_json_gives_the_labels(tmp_path: Path, form: str) -> None:
    root = tmp_path / "pile"
    for seed in range(2):
        fill(root / f"0000{seed}", 6, seed)
    labels = [[file.relative_to(root).as_posix(), index % 3] for index, file in enumerate(sorted(root.rglob("*.png")))]
    (root / "dataset.json").write_text(json.dumps({"labels": labels}))
    packed = {
        "folder": lambda: root,
        "zip": lambda: zipped(root, tmp_path / "x.zip", compression=zipfile.ZIP_STORED),
        "tar.gz": lambda: tarred(root, tmp_path / "x.tar.gz", "w:gz"),
    }[form]()
    prepared = decode(packed, held_out=0.25)
    assert prepared.spec.classes == ("0", "1", "2")
    assert prepared.training.labels is not None
    assert prepared.training.labels.bincount().tolist() == [3, 3, 3]
    assert "dataset.json" in notes(prepared)


def test_stylegans_folders_are_no_classes_without_labels(tmp_path: Path) -> None:
    for seed in range(2):
        fill(tmp_path / "pile" / f"0000{seed}", 6, seed)
    (tmp_path / "pile" / "dataset.json").write_text('{"labels": null}')
    assert decode(tmp_path / "pile").spec.classes is None


def test_changed_labels_are_noticed(tmp_path: Path) -> None:
    root = fill(tmp_path / "pile", 6)
    for labels in ([0, 0, 0, 1, 1, 1], [1, 0, 0, 1, 1, 1]):
        listed = [[f"{index:03}.png", label] for index, label in enumerate(labels)]
        (root / "dataset.json").write_text(json.dumps({"labels": listed}))
        prepared = decode(root)
        assert prepared.training.labels is not None
        assert prepared.held_out.labels is not None
        both = prepared.training.labels.sum() + prepared.held_out.labels.sum()
        assert both == sum(labels)


# Hostile and damaged.


def test_names_that_lead_out_are_left_out(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive, tarfile.open(tmp_path / "x.tar", "w") as tar:
        for number, name in enumerate(("a.png", "b.png", "c.png", "d.png", "../evil.png", "e/../../evil.png")):
            content = png(f"rgb({number},0,0)")
            archive.writestr(name, content)
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    for file in ("x.zip", "x.tar"):
        prepared = decode(tmp_path / file)
        assert left_out(prepared) == {"with names that lead out of the archive": 2}
        assert len(prepared.training) + len(prepared.held_out) == 4
    assert not list(tmp_path.rglob("evil.png"))


def test_links_and_devices_are_left_out_and_hard_links_are_files(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(png("blue"))
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for number in range(4):
            content = png(f"rgb({number},0,0)")
            info = tarfile.TarInfo(f"{number}.png")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for name, kind, target in (
            ("link.png", tarfile.SYMTYPE, str(secret)),
            ("hard.png", tarfile.LNKTYPE, "2.png"),
            ("nowhere.png", tarfile.LNKTYPE, str(secret)),
            ("device.png", tarfile.CHRTYPE, ""),
            ("pipe.png", tarfile.FIFOTYPE, ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            tar.addfile(info)
    prepared = decode(tmp_path / "x.tar")
    links = "links, which are not followed in an archive"
    assert left_out(prepared) == {links: 2, "devices, pipes or files with holes": 2}
    assert len(prepared.training) + len(prepared.held_out) == 5
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for number in range(4):
            archive.writestr(f"{number}.png", png(f"rgb({number},0,0)"))
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, str(secret))
    assert left_out(decode(tmp_path / "x.zip")) == {links: 1}


def encrypted(file: Path, names: set[str]) -> Path:
    """A zip whose members say that they are; Python can't write one that is."""
    content = bytearray(file.read_bytes())
    for magic, flags, size, name in ((b"PK\x03\x04", 6, 26, 30), (b"PK\x01\x02", 8, 28, 46)):
        place = -1
        while (place := content.find(magic, place + 1)) >= 0:
            (length,) = struct.unpack_from("<H", content, place + size)
            if content[place + name : place + name + length].decode() in names:
                content[place + flags] |= 1
    file.write_bytes(content)
    return file


def test_an_encrypted_zip_is_told(tmp_path: Path) -> None:
    root = fill(tmp_path / "pile", 6)
    assert left_out(decode(encrypted(zipped(root, tmp_path / "x.zip"), {"003.png"}))) == {"encrypted": 1}
    every = encrypted(zipped(root, tmp_path / "y.zip"), {f"{number:03}.png" for number in range(6)})
    refused(every, r"y\.zip is encrypted\. Unpack it with its password")


def test_archives_in_an_archive_are_told(tmp_path: Path) -> None:
    root = fill(tmp_path / "pile", 6)
    zipped(root, tmp_path / "more.zip").rename(root / "more.zip")
    assert left_out(decode(zipped(root, tmp_path / "x.zip"))) == {"with the ending .zip": 1}
    only = tmp_path / "only"
    only.mkdir()
    (root / "more.zip").rename(only / "inner.zip")
    refused(
        zipped(only, tmp_path / "outer.zip"), r"holds no pictures, but inner\.zip. Give that file itself: unpack it"
    )
    refused(only, r'holds no pictures, but inner\.zip. Give that file itself: root = ".*/only/inner.zip"')


def test_a_member_whose_checksum_is_wrong_is_left_out(tmp_path: Path) -> None:
    """The picture would decode: only a byte after its end is another."""
    root = tmp_path / "pile"
    root.mkdir()
    for number in range(6):
        (root / f"{number}.png").write_bytes(png(f"rgb({number},0,0)") + b"after")
    packed = zipped(root, tmp_path / "x.zip")
    content = packed.read_bytes()
    packed.write_bytes(content[: content.index(b"after")] + b"AFTER" + content[content.index(b"after") + 5 :])
    with pytest.warns(UserWarning, match=r"1 of 6 samples can't be read.*Bad CRC-32"):
        prepare(PictureFolder(root=packed, size=8))


def test_a_member_that_lies_about_its_size_is_left_out(tmp_path: Path) -> None:
    root = fill(tmp_path / "pile", 6)
    packed = zipped(root, tmp_path / "x.zip", compression=zipfile.ZIP_DEFLATED)
    content = bytearray(packed.read_bytes())
    place = content.find(b"PK\x01\x02")
    for size in (10, 2**27):
        struct.pack_into("<I", content, place + 24, size)
        packed.write_bytes(content)
        with pytest.warns(UserWarning, match="1 of 6 samples can't be read"):
            prepare(PictureFolder(root=packed, size=8))


def test_bombs_are_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = fill(tmp_path / "pile", 6)
    (root / "bomb.png").write_bytes(bytes(3_000_000))
    monkeypatch.setattr("gan_bench_plugins.datasets._damage.FILE_BYTES", 2_000_000)
    for packed in (
        zipped(root, tmp_path / "x.zip", compression=zipfile.ZIP_DEFLATED),
        tarred(root, tmp_path / "x.tar.gz", "w:gz"),
    ):
        with pytest.warns(
            UserWarning, match=r"1 of 7 samples can't be read and are left out: bomb\.png: it has 3,000,000 bytes"
        ):
            prepare(PictureFolder(root=packed, size=8))


def test_members_that_lie_over_each_other_are_refused(tmp_path: Path) -> None:
    """One block of data, listed many times under as many names (Fifield 2019)."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("0.png", png() + bytes(5000))
        for number in range(1, 20):
            archive.filelist.append(again := zipfile.ZipInfo(f"{number}.png"))
            for name in ("CRC", "compress_size", "file_size", "header_offset"):
                setattr(again, name, getattr(archive.filelist[0], name))
    refused(tmp_path / "x.zip", "its members lie one over the other, as in a bomb")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_a_tar_that_was_cut_short_is_refused(tmp_path: Path, mode: str) -> None:
    packed = tarred(fill(tmp_path / "pile", 20), tmp_path / "x.tar", mode)
    content = packed.read_bytes()
    packed.write_bytes(content[: len(content) // 2])
    refused(packed, r"x\.tar can't be read: ")


def test_a_tar_with_a_damaged_header_is_refused(tmp_path: Path) -> None:
    """Python's own reader would take what stands before it for the whole."""
    packed = tarred(fill(tmp_path / "pile", 6), tmp_path / "x.tar")
    content = bytearray(packed.read_bytes())
    with tarfile.open(packed) as tar:
        place = tar.getmembers()[3].offset
    content[place + 10] ^= 1
    packed.write_bytes(content)
    refused(packed, "a header in it is damaged")


def test_a_tars_header_is_not_read_without_end(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2**33
    (tmp_path / "x.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(2**16))
    refused(tmp_path / "x.tar", "a header in it says that it has 8,589,934,592 bytes")


def test_a_damaged_checksum_of_a_packed_tar_is_told(tmp_path: Path) -> None:
    packed = tarred(fill(tmp_path / "pile", 6), tmp_path / "x.tar.gz", "w:gz")
    content = bytearray(packed.read_bytes())
    content[-6] ^= 1
    packed.write_bytes(content)
    refused(packed, "CRC check failed")


def test_a_packed_tar_needs_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = tarred(fill(tmp_path / "pile", 6), tmp_path / "x.tar.gz", "w:gz")
    monkeypatch.setattr(_archives.shutil, "disk_usage", lambda folder: SimpleNamespace(free=100))
    refused(packed, "has no room. Unpack it elsewhere, and give the folder as root")


def test_nothing_is_left_of_an_unpacked_tar(tmp_path: Path) -> None:
    decode(tarred(fill(tmp_path / "pile", 6), tmp_path / "x.tar.gz", "w:gz"))
    assert {path.name for path in (tmp_path / "cache").iterdir()} <= {"datasets", "files"}
    opened = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
    assert not [path for path in opened if path.startswith(str(tmp_path))]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04 and nothing more", "can't be read: "),
        (b"Rar!\x1a\x07\x01\x00", "It is a RAR archive: unpack it"),
        (b"7z\xbc\xaf\x27\x1c\x00\x04", "It is a 7z archive: unpack it"),
        (b"\x28\xb5\x2f\xfd\x00", "can't be read: |Zstandard"),
        (b"\x1f\x8b\x08\x00 damaged", "can't be read: "),
        (b"\x89HDF\r\n\x1a\n", "save its arrays by numpy.savez"),
        (b"hello", "is nothing that is read here"),
    ],
)
def test_other_files_are_refused_with_the_cure(tmp_path: Path, content: bytes, match: str) -> None:
    (tmp_path / "x").write_bytes(content)
    refused(tmp_path / "x", match)


def test_one_picture_or_a_list_is_no_pile(tmp_path: Path) -> None:
    (tmp_path / "one.png").write_bytes(png())
    refused(tmp_path / "one.png", "is one picture. Give `root` the folder")
    (tmp_path / "labels.csv").write_text("id,label\n1,cat\n")
    refused(tmp_path / "labels.csv", 'this file as labels = "labels.csv"')
    refused(tmp_path / "gone.zip", "there is no .*gone.zip")


@pytest.mark.parametrize("ending", [".zip", ".tar", ".tar.gz"])
def test_damaged_archives_are_told_in_one_line(tmp_path: Path, ending: str) -> None:
    root = fill(tmp_path / "pile", 3)
    file = tmp_path / f"x{ending}"
    packed = zipped(root, file) if ending == ".zip" else tarred(root, file, TARS[ending])

    def check(content: bytes) -> None:
        packed.write_bytes(content)
        read_as_far_as_it_goes(packed)

    fuzz(60, damaged_bytes(packed.read_bytes()), check)
