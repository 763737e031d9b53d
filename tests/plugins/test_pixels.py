"""Pixels: what each mode becomes is what a viewer shows, or it is refused; and every size."""

from __future__ import annotations

import io
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from picture_files import (
    Files,
    folder,
    grey_profile,
    ink_profile,
    png_16,
    saved,
    scaled,
    shown,
    sixteen,
    srgb_profile,
    swapped_profile,
    tiff,
    twelve,
    write,
)
from PIL import Image, ImageOps
from pydantic import ValidationError
from stores import gan_bench

from gan_bench.api.kinds import SkipSample
from gan_bench_plugins.datasets._formats import open_picture, readable_endings
from gan_bench_plugins.datasets.digits import Digits
from gan_bench_plugins.datasets.folder import PictureFolder
from gan_bench_plugins.datasets.photo_patches import PhotoPatches

RANDOM = np.random.default_rng(0)
NOISE = RANDOM.integers(0, 256, (8, 8, 3), dtype=np.uint8)


# What all pictures had before there were profiles, ranges and fits.


def test_ordinary_pictures_have_the_bits_that_they_always_had() -> None:
    values = np.random.default_rng(1).integers(0, 256, (37, 53, 4), dtype=np.uint8)
    values[:, :20, 3] = np.where(np.arange(20) < 9, 255, 0)
    with_alpha, colour, grey = (
        Image.fromarray(values),
        Image.fromarray(values[..., :3]),
        Image.fromarray(values[..., 0]),
    )
    files = [
        *(saved(image, "png") for image in (colour, with_alpha, grey, with_alpha.convert("LA"), grey.convert("1"))),
        *(saved(image, "tiff") for image in (colour, colour.convert("CMYK"), with_alpha.convert("PA"))),
        saved(colour.convert("P"), "png", transparency=bytes(range(256))),
        saved(colour, "png", transparency=tuple(values[0, 0, :3].tolist())),
        saved(grey, "png", transparency=100),
        saved(colour, "bmp"),
        saved(colour, "ppm"),
    ]
    for content in files:
        for channels in (1, 3):
            for size in (16, 37):
                with Image.open(io.BytesIO(content)) as image:
                    want = as_ever(image, size, channels)
                assert np.array_equal(shown(content, size=size, channels=channels)[0], want)


def as_ever(image: Image.Image, size: int, channels: int) -> np.ndarray:
    """What was all that was done to a picture of 8 bits."""
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    image = ImageOps.fit(image.convert("L" if channels == 1 else "RGB"), (size, size), Image.Resampling.BICUBIC)
    return np.array(image, np.uint8).reshape(size, size, channels)


def test_facts_of_an_ordinary_picture() -> None:
    assert shown(saved(Image.fromarray(NOISE), "png"))[1] == {"mode": "RGB", "format": "PNG", "width": 8, "height": 8}


# Modes.


def test_black_and_white() -> None:
    values = NOISE[..., 0] > 127
    assert np.array_equal(shown(saved(Image.fromarray(values), "png"), channels=1)[0][..., 0], 255 * values)


def test_palette() -> None:
    image = Image.new("RGB", (8, 8), (10, 200, 30)).convert("P", palette=Image.Palette.ADAPTIVE)
    assert (shown(saved(image, "png"))[0] == [10, 200, 30]).all()


@pytest.mark.parametrize("form", ["jpeg", "tiff"])
def test_cmyk(form: str) -> None:
    found, _ = shown(saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), form))
    assert found[4, 4, 0] > 240
    assert found[4, 4, 1:].max() < 15


def test_hsv_and_ycbcr() -> None:
    red = Image.new("RGB", (8, 8), (255, 0, 0))
    for image in (red.convert("HSV"), red.convert("YCbCr")):
        assert np.abs(folder(size=8).as_sample(image)[0][:, 0, 0].astype(int) - [255, 0, 0]).max() <= 1


@pytest.mark.parametrize(
    ("lab", "rgb"),  # L in 255ths, a, b; and sRGB of it by D50, computed from the definitions of CIE and IEC 61966-2-1
    [
        ((255, 0, 0), (255, 255, 255)),
        ((0, 0, 0), (0, 0, 0)),
        ((138, 38, 46), (200, 100, 50)),
        ((126, 1, -48), (60, 120, 200)),
        ((147, -51, 41), (30, 160, 60)),
    ],
)
def test_lab(lab: tuple[int, int, int], rgb: tuple[int, int, int]) -> None:
    values = np.full((8, 8, 3), np.array(lab).astype(np.uint8))
    found, facts = shown(tiff(values, photometric=8))
    assert np.abs(found[0, 0].astype(int) - rgb).max() <= 3, found[0, 0]
    assert facts["profile"] == "CIELAB, converted to sRGB"


@pytest.mark.parametrize("form", ["png", "webp", "tiff", "gif"])
def test_transparent_places_are_the_background(form: str) -> None:
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 4, 8))
    content = saved(image, form, **({"lossless": True} if form == "webp" else {}))
    for background, colour in (("white", [255, 255, 255]), ("#102030", [16, 32, 48])):
        found, facts = shown(content, background=background)
        assert found[4, 7].tolist() == colour
        assert found[4, 0].tolist() == [0, 0, 255]
        assert facts["transparency"] == f"on {background}"
    assert shown(content, background="#102030", channels=1)[0][4, 7].item() == 29  # ITU-R 601's grey of it


def test_grey_transparency() -> None:
    found, _ = shown(saved(Image.new("LA", (8, 8), (0, 0)), "png"))
    assert (found == 255).all()
    premultiplied = np.full((8, 8, 4), (64, 0, 0, 128), np.uint8)  # red, half transparent
    found, _ = shown(tiff(premultiplied, alpha=1))
    assert np.abs(found[0, 0].astype(int) - [255, 127, 127]).max() <= 65  # half of 128 of 255 red, the rest white
    assert found[0, 0, 0] > found[0, 0, 1] == found[0, 0, 2] == 127


def test_transparency_that_is_nowhere_is_not_told() -> None:
    found, facts = shown(saved(Image.fromarray(NOISE).convert("RGBA"), "png"))
    assert np.array_equal(found, NOISE)
    assert "transparency" not in facts


# Profiles.


def test_a_profile_is_what_colours_mean() -> None:
    content = saved(Image.new("RGB", (8, 8), (255, 0, 0)), "png", icc_profile=swapped_profile())
    found, facts = shown(content)
    assert found[0, 0].tolist() == [0, 255, 0]
    assert facts["profile"] == "of a test, converted to sRGB"
    jpeg = saved(Image.new("RGB", (8, 8), (255, 0, 0)), "jpeg", icc_profile=swapped_profile(), quality=95)
    assert shown(jpeg)[0][0, 0].tolist()[1] > 250
    half = saved(Image.new("RGBA", (8, 8), (255, 0, 0, 128)), "png", icc_profile=swapped_profile())
    assert shown(half, background="black")[0][0, 0].tolist() == [0, 128, 0]
    palette = saved(Image.new("RGB", (8, 8), "#ff0000").convert("P"), "png", icc_profile=swapped_profile())
    assert shown(palette)[0][0, 0].tolist() == [0, 255, 0]
    deep = saved(Image.fromarray(sixteen(1)[..., 0]), "png", icc_profile=grey_profile(1.0))
    assert shown(deep)[1]["profile"] == "of a test, converted to sRGB"


@pytest.mark.parametrize("gamma", [1.0, 3.0])
def test_a_profile_of_greys(gamma: float) -> None:
    light = (100 / 255) ** gamma  # then sRGB's curve, IEC 61966-2-1
    want = 255 * (1.055 * light ** (1 / 2.4) - 0.055)
    for image in (Image.new("L", (8, 8), 100), Image.new("LA", (8, 8), (100, 255))):
        content = saved(image, "png", icc_profile=grey_profile(gamma))
        for channels in (1, 3):
            assert np.abs(shown(content, channels=channels)[0] - want).max() < 1.5


@pytest.mark.parametrize("form", ["jpeg", "tiff"])
def test_a_profile_of_inks(form: str) -> None:
    """Other than Pillow's rule of thumb has them; a JPEG's inks are inverted, as Adobe writes them."""
    black, red = (
        shown(saved(Image.new("CMYK", (8, 8), ink), form, icc_profile=ink_profile()))[0][4, 4]
        for ink in ((0, 0, 0, 255), (255, 255, 0, 0))
    )
    assert black.max() < 10
    assert red[0] > 200
    assert red[1] < 40


def test_srgb_changes_no_bit() -> None:
    found, facts = shown(saved(Image.fromarray(NOISE), "png", icc_profile=srgb_profile()))
    assert np.array_equal(found, NOISE)
    assert "profile" not in facts


@pytest.mark.parametrize(
    ("profile", "told"),
    [(b"nonsense", "broken, ignored"), (grey_profile(1), "of GRAY in a picture of RGB, ignored")]
)  # fmt: skip
def test_a_profile_of_no_use_is_ignored_and_counted(profile: bytes, told: str) -> None:
    found, facts = shown(saved(Image.fromarray(NOISE), "png", icc_profile=profile))
    assert np.array_equal(found, NOISE)
    assert facts["profile"] == told


# Orientation and frames.


@pytest.mark.parametrize("form", ["jpeg", "png", "webp", "tiff"])
def test_exif_orientation(form: str) -> None:
    content = np.zeros((16, 24, 3), np.uint8)
    content[:8] = 255  # bright above
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees clockwise
    found, facts = shown(saved(Image.fromarray(content), form, exif=exif, quality=95), size=16)
    assert found[:, 12:].min() > 200
    assert found[:, :4].max() < 50
    assert (facts["orientation"], facts["width"], facts["height"]) == ("turned upright by EXIF", 16, 24)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations_of_deep_pictures(orientation: int) -> None:
    values = np.zeros((8, 8, 3), np.uint16)
    values[0, 2:], values[2:, 0] = 65_535, 30_000
    eight = saved(Image.fromarray(np.round(values / 257).astype(np.uint8)), "png", exif=exif_of(orientation))
    for planes in (False, True):
        assert np.array_equal(shown(eight)[0], shown(tiff(values, orientation=orientation, planes=planes))[0])


def exif_of(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def test_broken_exif_is_taken_no_notice_of() -> None:
    content = saved(Image.fromarray(NOISE), "png", exif=b"Exif\0\0MM\0\x2a\0\0\0\x08\xff\xff\x01\x12")
    assert np.array_equal(shown(content)[0], NOISE)


@pytest.mark.parametrize("form", ["gif", "png", "webp", "tiff"])
def test_an_animation_gives_its_first_frame(form: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if form == "webp" else {}
    found, facts = shown(saved(frames[0], form, save_all=True, append_images=frames[1:], **options))
    assert (found == [255, 0, 0]).all()
    assert facts["frames"] == "several, of which the first"


# Size and shape.


def test_centre_of_the_longer_side() -> None:
    content = np.zeros((10, 30), np.uint8)
    content[:, 10:20] = 200
    assert (shown(saved(Image.fromarray(content), "png"), size=10)[0] == 200).all()
    assert (shown(saved(Image.fromarray(content.T.copy()), "png"), size=10, channels=1)[0] == 200).all()


def thirds() -> bytes:
    """90x30 pixels: red, green and blue squares."""
    content = np.zeros((30, 90, 3), np.uint8)
    for channel in range(3):
        content[:, 30 * channel : 30 * channel + 30, channel] = 255
    return saved(Image.fromarray(content), "png")


def test_pad_shows_all_of_it() -> None:
    found, _ = shown(thirds(), size=30, fit="pad", background="#102030")
    assert (found[:10] == [16, 32, 48]).all()
    assert (found[20:] == [16, 32, 48]).all()
    assert found[15, [3, 15, 27]].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    found, _ = shown(thirds(), size=[30, 10], fit="pad", channels=1)
    assert (found[:13] == 255).all()


def test_stretch_shows_all_of_it() -> None:
    found, _ = shown(thirds(), size=[30, 30], fit="stretch")
    assert found[[0, 15, 29]][:, [3, 15, 27]].tolist() == [[[255, 0, 0], [0, 255, 0], [0, 0, 255]]] * 3


def test_sizes_that_are_no_squares() -> None:
    found, _ = shown(thirds(), size=[10, 30])
    assert found.shape == (10, 30, 3)
    assert found[5, [3, 15, 27]].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    found, _ = shown(thirds(), size=[40, 20])  # the middle 15 columns
    assert (found == [0, 255, 0]).all()


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_pictures_of_one_row_and_of_one_column(fit: str) -> None:
    for shape in ((1, 3000), (3000, 1), (1, 1)):
        found, _ = shown(saved(Image.new("L", shape, 7), "png"), fit=fit, channels=1)
        assert (found == 7).any()


def test_crop_is_the_centre_before_resizing() -> None:
    content = np.zeros((218, 178, 3), np.uint8)
    content[55:163, 35:143] = 255  # the middle 108 pixels each way
    assert (shown(saved(Image.fromarray(content), "png"), crop=108)[0] == 255).all()
    assert (shown(saved(Image.fromarray(content), "png"), crop=112)[0] < 255).any()
    content = np.zeros((100, 200), np.uint8)
    content[25:75, 50:150] = 255
    assert (shown(saved(Image.fromarray(content), "png"), crop=0.5, size=[8, 16])[0] == 255).all()
    assert (shown(saved(Image.fromarray(content), "png"), crop=0.5, fit="stretch")[0] == 255).all()


def test_a_picture_smaller_than_the_crop_is_taken_whole_and_counted() -> None:
    found, facts = shown(saved(Image.fromarray(NOISE), "png"), crop=20)
    assert np.array_equal(found, NOISE)
    assert facts["crop"] == "smaller than 20 pixels"


def test_resizing_is_antialiased() -> None:
    """A board of black and white pixels is grey from afar; without antialiasing it is black or white."""
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    for fit in ("crop", "pad", "stretch"):
        found, _ = shown(saved(Image.fromarray(board), "png"), fit=fit)
        assert np.abs(found.astype(int) - 127).max() < 8


def test_transparent_colours_do_not_bleed_into_edges() -> None:
    """Composed before it is resized: what is under a transparent place is never seen."""
    values = np.zeros((64, 64, 4), np.uint8)
    values[:, :30] = (0, 0, 255, 255)
    values[:, 30:] = (255, 0, 0, 0)  # red, unseen
    found, _ = shown(saved(Image.fromarray(values), "png"), background="blue")
    assert (found == [0, 0, 255]).all()


def test_treatment_says_what_is_done() -> None:
    assert folder().treatment == (
        "upright by EXIF, colours in sRGB, transparent places white, the largest centre part of the sample's shape, "
        "resized by Pillow's bicubic filter with antialiasing"
    )
    told = folder(crop=108, fit="pad", background="black", channels=1, value_range=[0, 4095]).treatment
    for words in ("from 0 to 4095", "108 pixels", "between black borders", "grey by ITU-R 601"):
        assert words in told


# Parameters.


def test_settings_say_nothing_of_what_is_as_it_always_was() -> None:
    assert set(folder().settings()) == {"name", "root", "size", "channels", "held_out"}
    said = folder(size=(48, 64), fit="pad", crop=0.5, value_range=(0, 4095), background="black").settings()
    assert said["size"] == [48, 64]
    assert {name: said[name] for name in ("fit", "crop", "background")} == {
        "fit": "pad",
        "crop": 0.5,
        "background": "black",
    }
    assert said["value_range"] == [0, 4095]
    assert PictureFolder(**{key: value for key, value in said.items() if key != "name"}).settings() == said


def test_a_square_is_one_number() -> None:
    assert folder(size=[48, 48]).settings() == folder(size=48).settings()


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        *(({"size": size}, r"of a square or \[height, width\]") for size in (3, 1025, 8.0, [8], [8, 2], "8", True, None)),
        *(({"crop": crop}, "a share of height and width") for crop in (0, 1, 3, 0.0, 1.5, -4, "0.5", True, [8, 8])),
        *(({"background": colour}, "a colour's name") for colour in ("whit", "#fff", "#gggggg", "", "rgb(1,2,3)", "x" * 999)),
        *(({"value_range": ends}, r"\[low, high\]") for ends in ([1, 1], [2, 1], [0], 9, [0, float("inf")], ["a", "b"])),
        ({"fit": "contain"}, "'crop', 'pad' or 'stretch'"),
    ],
)  # fmt: skip
def test_bad_parameters_are_refused_with_a_rule(settings: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValidationError, match=rule):
        folder(**settings)


def test_datasets_that_only_have_a_size_have_no_other_parameters() -> None:
    for dataset in (Digits, PhotoPatches):
        assert not {"fit", "background", "value_range"} & set(dataset.model_fields)
    assert Digits(size=(16, 24)).load().training[0][0].shape == (1, 16, 24)


GRID = """
name = "shapes"
dataset = { name = "folder", root = "mine", size = 16 }
architecture = { name = "dcgan", width = 2, latent = 4 }
seeds = [0]
steps = 3

[evaluate]
metrics = ["precision_recall"]
features = "random"
samples = 32

[[compare]]
title = "Which shape?"
"dataset.size" = [16, [8, 16]]

[[compare]]
title = "Which networks?"
architecture = ["dcgan", "fcgan"]
"""


@pytest.mark.slow
def test_a_grid_of_shapes_and_of_deep_pictures(tmp_path: Path) -> None:
    write(tmp_path / "mine", [png_16(one) for one in scaled(twelve(3), 8)], ".png")
    (tmp_path / "grid.toml").write_text(GRID)
    told = gan_bench("plan", "grid.toml", "--no-pilot", cwd=tmp_path, code=2).stderr
    assert told.startswith("Error: grid.toml:3: dataset.value_range: ")
    assert "value_range = [0, 4095]" in told
    (tmp_path / "grid.toml").write_text(GRID.replace("size = 16", "value_range = [0, 4095], size = 16"))
    told = gan_bench("plan", "grid.toml", "--no-pilot", "--set", "dataset.size=[16, 8]", cwd=tmp_path).stdout
    for label in ("size 16, dcgan", "size [8, 16]", "size [16, 8], fcgan"):
        assert label in told


def test_the_schema_for_editors_knows_what_is_taken() -> None:
    taken = Draft202012Validator(PictureFolder.model_json_schema())
    for settings in ({}, {"size": 48}, {"size": [48, 64]}, {"crop": 0.5}, {"crop": 108}, {"value_range": [0, 4095]}):
        assert taken.is_valid({"root": "mine", **settings})
    for settings in ({"size": 3}, {"size": [48]}, {"size": "48"}, {"crop": 1.5}, {"value_range": [0]}, {"fit": "all"}):
        assert not taken.is_valid({"root": "mine", **settings})


# Files.


def test_endings() -> None:
    assert {".jpg", ".jp2", ".tga", ".pbm", ".pfm", ".apng"} <= readable_endings()
    assert not {".eps", ".ps", ".pdf", ".wmf", ".svg", ".fli"} & readable_endings()


def test_further_formats(tmp_path: Path) -> None:
    image = Image.fromarray(NOISE)
    for name, options in (("a.tga", {}), ("A.TGA", {}), ("a.jp2", {"irreversible": False}), ("a.pnm", {})):
        image.save(tmp_path / name, **options)
        with open_picture(str(tmp_path / name)) as opened:
            assert np.array_equal(folder(size=8).as_sample(opened)[0].transpose(1, 2, 0), NOISE)
    with (tmp_path / "a.tga").open("rb") as stream, open_picture(stream, "inside/a.tga") as opened:
        assert opened.format == "TGA"
    with (tmp_path / "a.tga").open("rb") as stream, pytest.raises(OSError, match="it is no picture"):
        open_picture(stream, "a.png")  # anything might be one


def test_heic(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    content = np.zeros((64, 96, 3), np.uint8)
    content[:32] = (255, 0, 0)
    exif = Image.Exif()
    exif[0x0112] = 6
    file = tmp_path / "telephone.HEIC"
    heif.from_pillow(Image.fromarray(content)).save(file, exif=exif.tobytes())
    assert ".heic" in readable_endings()
    assert "HEIF" not in Image.OPEN  # registered with nobody
    found, facts = shown(file.read_bytes(), size=16)
    with open_picture(str(file)) as opened:
        assert np.array_equal(folder(size=16).as_sample(opened)[0].transpose(1, 2, 0), found)
    assert found[:, 12:, 0].min() > 200
    assert found[:, :4].max() < 50
    assert (facts["format"], facts["width"], facts["height"]) == ("HEIF", 64, 96)
    assert facts["orientation"] == "turned upright by EXIF"


def test_heic_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    monkeypatch.setattr("gan_bench_plugins.datasets._formats.find_spec", lambda name: None)
    assert ".heic" not in readable_endings()
    file = tmp_path / "a.jpg"
    file.write_bytes(b"\0\0\0\x18ftypheic" + bytes(200))
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'gan-bench\[heif\]'"):
        open_picture(str(file))


# Threads.


def test_several_threads_read_the_same_bits() -> None:
    """And none of them sets what is told of warnings for another."""
    image = Image.fromarray(NOISE)
    contents = [
        saved(image, "png", icc_profile=swapped_profile()),
        saved(image.convert("CMYK"), "tiff", icc_profile=ink_profile()),
        saved(image.convert("L"), "png", icc_profile=grey_profile(1.0)),
        png_16(sixteen(3)),
        saved(image.convert("P"), "png", transparency=bytes(range(256))),
        saved(image, "jpeg"),
    ] * 20
    part = folder(size=8).part(Files(contents), lambda index, error: SkipSample(str(error)))
    assert part.parallel
    with warnings.catch_warnings(action="ignore"):
        filters = list(warnings.filters)
        want = [part[index][0] for index in range(len(contents))]
        wrong: list[int] = []

        def read(first: int) -> None:
            for index in range(len(contents)):
                place = (index + 17 * first) % len(contents)
                if not np.array_equal(part[place][0], want[place]):
                    wrong.append(place)

        threads = [threading.Thread(target=read, args=(first,)) for first in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert warnings.filters == filters
    assert not wrong


def test_a_source_may_say_that_it_is_not_for_several_threads() -> None:
    source = Files([])
    source.parallel = False  # type: ignore[attr-defined]
    assert not folder().part(source, lambda index, error: error).parallel
