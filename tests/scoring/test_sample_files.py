"""Samples as others write them: every form gives the same pictures, and hostile ones an error in a line."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from picture_files import png_16
from PIL import Image

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.pictures import from_uint8, to_uint8
from gan_bench.errors import GanBenchError
from gan_bench.scoring import sample_files
from gan_bench.scoring.fitting import fitted
from gan_bench.scoring.sample_files import from_array, read_samples, save_npz, save_pictures

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 6, 5, 3), dtype=np.uint8)  # (N, H, W, C)
PIXELS[0, 0, 0], PIXELS[1, 0, 0] = 0, 255
EXPECTED = torch.from_numpy(PIXELS.transpose(0, 3, 1, 2).copy())


def png(pixels: np.ndarray, format: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format, **options)
    return file.getvalue()


def write_pictures(
    folder: Path, pixels: np.ndarray = PIXELS, format: str = "PNG", name: str = "{}.png", **options
) -> Path:
    for index, one in enumerate(pixels):
        file = folder / name.format(index)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png(one, format, **options))
    return folder


def write_zip(file: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file


@pytest.mark.parametrize("key", ["arr_0", "samples", "images", "whatever"])
def test_an_npz_is_read_by_its_keys(tmp_path, key):
    np.savez(tmp_path / "a.npz", **{key: PIXELS})
    assert read_samples(tmp_path / "a.npz").samples.equal(EXPECTED)


def test_labels_beside_the_samples_are_left_alone(tmp_path):
    np.savez(tmp_path / "a.npz", PIXELS, np.arange(12))  # as ADM's: arr_1
    assert read_samples(tmp_path / "a.npz").samples.equal(EXPECTED)
    np.savez(tmp_path / "a.npz", x=PIXELS, y=np.arange(12))
    with pytest.raises(
        GanBenchError, match=r"holds the arrays x, y, of which none is called arr_0 or samples or images"
    ):
        read_samples(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "values",
    [
        PIXELS,
        PIXELS.transpose(0, 3, 1, 2),
        np.asfortranarray(PIXELS),
        PIXELS.astype(np.int64),
        PIXELS / 255,
        (PIXELS / 255).astype(np.float32),
        PIXELS.transpose(0, 3, 1, 2) / 127.5 - 1,
        torch.from_numpy(PIXELS / 127.5 - 1),
        from_uint8(EXPECTED).requires_grad_(),
    ],
)
def test_ranges_and_layouts_of_arrays(values, tmp_path):
    assert from_array(values).samples.equal(EXPECTED)
    if isinstance(values, np.ndarray):
        np.save(tmp_path / "a.npy", values)
        assert read_samples(tmp_path / "a.npy").samples.equal(EXPECTED)


def test_grey_arrays_need_no_axis_of_channels():
    grey = PIXELS[..., 0]
    assert from_array(grey).samples.equal(EXPECTED[:, :1])
    assert from_array(grey[..., None] / 255).samples.equal(EXPECTED[:, :1])


def test_it_is_said_how_values_were_taken():
    found = from_array((PIXELS / 255).astype(np.float16))
    assert found.taken_as == "12 samples of 3x6x5, float16 0 to 1 taken as [0, 1], in their order"
    assert "uint8 0 to 255 taken as 0 to 255" in from_array(PIXELS).taken_as
    assert not from_array(PIXELS).remarks
    (remark,) = from_array((PIXELS > 127).astype(np.uint8)).remarks
    assert "above 1, of 255" in remark


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (PIXELS.astype(float), "floats from 0 to 255"),
        (PIXELS.astype(int) - 1, "whole numbers from -1 to 254"),
        (PIXELS / 100, r"floats from 0 to 2\.55"),
        (np.where(PIXELS == 7, np.nan, PIXELS / 255), "not finite"),
        (np.full((2, 4, 4, 1), np.inf), "not finite"),
        (PIXELS[0, 0, 0], r"found: uint8 of shape \(3,\)"),
        (PIXELS[:0], r"found: uint8 of shape \(0, 6, 5, 3\)"),
        (PIXELS[None], "found: uint8 of shape"),
        (PIXELS > 9, "found: bool of shape"),
        (PIXELS * 1j, "found: complex128 of shape"),
        (np.array([["a"]]), "found: <U1 of shape"),
        (np.zeros((2, 5, 5, 4), np.uint8), r"1 or 3 channels, first or last \(found: shape \(5, 5, 4\)\)"),
    ],
)
def test_arrays_that_are_no_samples(values, tmp_path, told):
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(GanBenchError, match=rf"a\.npy.*{told}"):
        read_samples(tmp_path / "a.npy")


def test_points():
    points = np.random.default_rng(0).normal(size=(20, 2))
    found = from_array(points)
    assert found.samples.equal(torch.from_numpy(points.astype(np.float32)))
    assert found.taken_as == "20 points of 2 numbers, in their order"


@pytest.mark.parametrize(
    ("format", "ending"), [("PNG", "png"), ("BMP", "bmp"), ("TIFF", "TIF"), ("WEBP", "webp"), ("PPM", "ppm")]
)
def test_pictures_in_a_folder_or_zip(tmp_path, format, ending):
    options = {"lossless": True} if format == "WEBP" else {}
    folder = write_pictures(tmp_path / "x", format=format, name=f"{{}}.{ending}", **options)
    (folder / "notes.txt").write_text("no picture")
    (folder / "._0.png").write_text("nor this")
    expected = f"12 colour pictures ({format}) of 5x6, in their order"
    for source in (folder, write_zip(tmp_path / "x.dat", {f.name: f.read_bytes() for f in folder.iterdir()})):
        found = read_samples(source)
        assert found.samples.equal(EXPECTED)
        assert found.taken_as == expected
        assert not found.remarks


def test_numbers_count_as_numbers_and_zips_may_have_folders(tmp_path):
    entries = {f"s/step-{i}.png": png(PIXELS[i]) for i in reversed(range(12))}
    junk = {"__MACOSX/s/step-0.png": b"", "s/": b"", "s/.hidden.png": b""}
    assert read_samples(write_zip(tmp_path / "x.zip", entries | junk)).samples.equal(EXPECTED)


def test_names_of_any_digits_have_an_order(tmp_path):
    names = ["10.png", "9.png", "٣.png", "²1.png", "0" * 100 + "3.png"]
    for index, name in enumerate(names):
        (tmp_path / name).write_bytes(png(PIXELS[index]))
    assert len(read_samples(tmp_path).samples) == 5
    entries = {"9" * 5000 + ".png": png(PIXELS[1]), "8.png": png(PIXELS[0])}
    assert read_samples(write_zip(tmp_path / "x", entries)).samples.equal(EXPECTED[:2])


@pytest.mark.parametrize("name", ["class{}/0.png", "a/b/{0}/{0}.png", "cat{0}_{0}.png"])
def test_what_may_be_class_by_class_is_shuffled(tmp_path, name):
    folder = write_pictures(tmp_path / "x", name=name)
    found, again, other = (read_samples(folder, seed=seed) for seed in (None, 0, 1))
    assert not found.samples.equal(EXPECTED)
    assert found.samples.equal(again.samples)
    assert not found.samples.equal(other.samples)
    assert sorted(found.samples.flatten(1).tolist()) == sorted(EXPECTED.flatten(1).tolist())
    assert found.taken_as.endswith("in an order drawn by seed 0")


def test_fewer_are_drawn_at_random_and_more_are_all(tmp_path):
    np.save(tmp_path / "a.npy", PIXELS)
    folder = write_pictures(tmp_path / "x")
    for source in (tmp_path / "a.npy", folder):
        some = read_samples(source, 5, seed=3)
        assert (len(some.samples), some.there) == (5, 12)
        assert "5 of them drawn by seed 3" in some.taken_as
        assert not some.samples.equal(EXPECTED[:5])
        rows = EXPECTED.flatten(1).tolist()
        assert len({rows.index(row) for row in some.samples.flatten(1).tolist()}) == 5
        assert read_samples(source, 100).samples.equal(EXPECTED)


def test_grey_pictures(tmp_path):
    grey = write_pictures(tmp_path / "grey", PIXELS[..., 0])
    assert read_samples(grey).samples.equal(EXPECTED[:, :1])
    write_pictures(grey, PIXELS[:1])  # one in colour
    found = read_samples(grey).samples
    assert found[0].equal(EXPECTED[0])
    assert found[1].equal(EXPECTED[1, :1].repeat(3, 1, 1))


def test_jpeg_is_remarked(tmp_path):
    (remark,) = read_samples(write_pictures(tmp_path / "x", format="JPEG", name="{}.jpg")).remarks
    assert remark.startswith("12 of 12 samples are JPEG files")


def test_progress_comes_to_its_end(tmp_path):
    np.save(tmp_path / "a.npy", PIXELS)
    for source in (tmp_path / "a.npy", write_pictures(tmp_path / "x")):
        told: list[tuple[int, int]] = []
        read_samples(source, progress=lambda *numbers, told=told: told.append(numbers))
        assert told[-1] == (12, 12)


class Trap:
    def __reduce__(self):
        return os.abort, ()


def header(shape: tuple[int, ...], dtype: str = "|u1") -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue()


def bomb() -> bytes:
    """A PNG of 100,000 x 100,000 pixels in a few bytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    size = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")


SMALL = png(PIXELS[0])
FRAMES = png(PIXELS[0], "TIFF", save_all=True, append_images=[Image.fromarray(PIXELS[1])])
CLEAR = png(np.concatenate([PIXELS[0], PIXELS[0, ..., :1]], -1))
OBJECTS = header((1,), "|O") + pickle.dumps(Trap())
HUGE = header((10**7, 1024, 1024, 3))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no folder of pictures"),
        (SMALL, "no folder of pictures"),
        (pickle.dumps(Trap()), "no folder of pictures"),
        (b"PK\3\4 and so on", "can't be read"),
        (OBJECTS, "Python objects"),
        (HUGE + bytes(99), "can't be read"),
        (header((12, 6, 5, 3)) + bytes(99), "can't be read"),
        (header((-12, 6, 5, 3)) + bytes(99), "can't be read"),
        (header((2, 2))[:-30], "can't be read"),
        (b"\x93NUMPY\x03\x00" + header((2, 2))[8:], "version 3.0"),
        (b"\x93NUMPY\x01\x00\x06\x00__x__\n", "can't be read"),
        ({"arr_0.npy": OBJECTS}, "Python objects"),
        ({"arr_0.npy": HUGE}, r"take 29,296.9 GiB of memory.*--samples"),
        ({"arr_0.npy": header((12, 6, 5, 3)) + bytes(99)}, "can't be read"),
        ({"arr_0.npy": b"no array"}, "can't be read"),
        ({}, "holds no pictures"),
        ({"a.txt": b"", "b.png/": b""}, "holds no pictures"),
        ({"a.png": SMALL, "b.png": b"no picture"}, r"b\.png can't be read: it is no picture"),
        ({"a.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"}, "it is no picture"),
        ({"../../a\x1b[2J.png": SMALL[:60]}, "can't be read"),
        ({"a.png": bomb()}, "can't be read.*pixels"),
        ({"a.tif": FRAMES}, "it holds 2 pictures"),
        ({"a.png": CLEAR}, "it is transparent in places"),
        ({"a.png": png(PIXELS[0, ..., 0].astype(np.uint16))}, "mode I;16"),
        ({"a.png": png_16(PIXELS[0].astype(np.uint16))}, "it has 16 bits a channel, and samples have 8"),
        ({"a.png": SMALL, "b.png": png(PIXELS[0, 1:])}, r"one size, and a\.png is 5x6, b\.png is 5x5"),
    ],
)
def test_damaged_and_hostile_files_are_told_in_a_line(tmp_path, content, told):
    file = tmp_path / "x"
    if isinstance(content, dict):
        write_zip(file, content)
    else:
        file.write_bytes(content)
    with pytest.raises(GanBenchError, match=told) as error:
        read_samples(file)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == [file]
    assert not (tmp_path.parent.parent / "a\x1b[2J.png").exists()


def test_a_zip_that_unpacks_to_far_too_much_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(sample_files, "PICTURE_BYTES", 10_000)
    for entry in ({"a.png": SMALL + bytes(20_000)}, {"a.png": SMALL}):
        file = write_zip(tmp_path / "x.zip", entry)
        if entry["a.png"] == SMALL:
            assert len(read_samples(file).samples) == 1
        else:
            with pytest.raises(GanBenchError, match=r"it has 20,\d+ bytes; a picture has at most 10,000"):
                read_samples(file)


def test_a_zip_that_holds_a_name_twice_is_refused(tmp_path):
    file = write_zip(tmp_path / "x.zip", {"a.png": SMALL})
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(file, "a") as archive:
        archive.writestr("a.png", SMALL)
    with pytest.raises(GanBenchError, match=r"x\.zip.* 2 pictures that are called a\.png"):
        read_samples(file)


def test_an_encrypted_zip_is_told(tmp_path):
    file = write_zip(tmp_path / "x.zip", {"a.png": SMALL})
    content = bytearray(file.read_bytes())
    content[6] |= 1  # the flag, in both places
    content[content.index(b"PK\1\2") + 8] |= 1
    file.write_bytes(content)
    with pytest.raises(GanBenchError, match="encrypted"):
        read_samples(file)


def test_pipes_are_not_waited_for_and_links_not_followed(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(GanBenchError, match="no regular file"):
        read_samples(tmp_path / "pipe")
    folder = write_pictures(tmp_path / "x", PIXELS[:2])
    (folder / "round").symlink_to(folder)
    assert len(read_samples(folder).samples) == 2
    os.mkfifo(folder / "2.png")
    with pytest.raises(GanBenchError, match=r"2\.png can't be read: it is no regular file"):
        read_samples(folder)


def test_an_empty_folder(tmp_path):
    with pytest.raises(GanBenchError, match=r"holds no pictures \(names that end in \.bmp"):
        read_samples(tmp_path)


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_written_is_read_again(tmp_path, channels):
    samples = torch.rand(12, channels, 6, 5, generator=torch.Generator().manual_seed(0)) * 2.4 - 1.2
    save_npz(samples, tmp_path / "a.npz")
    save_pictures(samples, tmp_path / "pictures")
    with np.load(tmp_path / "a.npz") as loaded:
        assert list(loaded) == ["arr_0"]
        assert loaded["arr_0"].shape == (12, 6, 5, channels)
        assert loaded["arr_0"].dtype == np.uint8
    assert sorted(file.name for file in (tmp_path / "pictures").iterdir()) == [f"{i:06}.png" for i in range(12)]
    for source in ("a.npz", "pictures"):
        assert read_samples(tmp_path / source).samples.equal(to_uint8(samples))
    with pytest.raises(GanBenchError, match="is not empty"):
        save_pictures(samples, tmp_path / "pictures")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.npz", "pictures"]


def test_points_are_written_as_they_are(tmp_path):
    points = torch.randn(9, 2)
    save_npz(points, tmp_path / "a.npz")
    assert read_samples(tmp_path / "a.npz").samples.equal(points)
    with pytest.raises(GanBenchError, match=r"write an \.npz"):
        save_pictures(points, tmp_path / "x")


def spec(*shape: int) -> DataSpec:
    return DataSpec(shape, "image" if len(shape) == 3 else "points")


def test_equal_shapes_are_left_as_they_are():
    samples, done = fitted(EXPECTED, spec(3, 6, 5), resize=True, convert=True)
    assert samples.equal(from_uint8(EXPECTED))
    assert not done


def test_colours_that_are_grey_are_one_channel():
    samples, done = fitted(EXPECTED[:, :1].repeat(1, 3, 1, 1), spec(1, 6, 5))
    assert samples.equal(from_uint8(EXPECTED[:, :1]))
    assert not done


@pytest.mark.parametrize(
    ("samples", "shape", "told"),
    [
        (EXPECTED, (3, 12, 10), r"3x6x5, the data pictures .* of 3x12x10. Give --resize"),
        (EXPECTED, (3, 12, 12), r"of 3x12x12\.$"),
        (EXPECTED, (1, 6, 5), "Give --convert"),
        (EXPECTED[:, :1], (3, 6, 5), "Give --convert"),
        (EXPECTED, (2, 6, 5), r"of 2x6x5\.$"),
        (EXPECTED, (2,), r"the data points of 2\.$"),
        (torch.zeros(4, 3), (2,), r"points of 3, the data points of 2\.$"),
        (torch.zeros(4, 2), (1, 6, 5), "points of 2, the data pictures"),
    ],
)
def test_other_shapes_are_refused_with_the_cure(samples, shape, told):
    with pytest.raises(GanBenchError, match=told):
        fitted(samples, spec(*shape))


def test_what_is_asked_for_is_as_pillow_does_it_and_told():
    samples, done = fitted(EXPECTED, spec(1, 12, 10), resize=True, convert=True)
    assert done == {"converted": "grey by ITU-R 601", "resized": "Pillow bicubic, antialiased, from 6x5"}
    for sample, pixels in zip(samples, PIXELS, strict=True):
        theirs = Image.fromarray(pixels).convert("L").resize((10, 12), Image.Resampling.BICUBIC)
        assert to_uint8(sample[0]).numpy().tolist() == np.asarray(theirs).tolist()
    samples, done = fitted(EXPECTED[:, :1], spec(3, 6, 5), convert=True)
    assert samples.equal(from_uint8(EXPECTED[:, :1]).repeat(1, 3, 1, 1))
    assert done == {"converted": "grey repeated"}
