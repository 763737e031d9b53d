"""Deep pictures, of 16 and 32 bits and of floats: they become what a viewer shows, or are refused with the range to say."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from picture_files import folder, png_16, pnm_16, saved, scaled, shown, sixteen, tiff, twelve, write
from PIL import Image

from gan_bench.api.reading import Reading
from gan_bench.data.prepare import prepare
from gan_bench.errors import ParameterError
from gan_bench_plugins.datasets.folder import PictureFolder

RANDOM = np.random.default_rng(0)
NOISE = RANDOM.integers(0, 256, (8, 8, 3), dtype=np.uint8)


DEEP = {
    "grey png": png_16(sixteen(1)),
    "grey png with alpha": png_16(sixteen(2, alpha=True)),
    "png": png_16(sixteen(3)),
    "png with alpha": png_16(sixteen(4, alpha=True)),
    "grey pgm": pnm_16(sixteen(1), 65_535),
    "grey plain pgm": pnm_16(sixteen(1), 65_535, plain=True),
    "ppm": pnm_16(sixteen(3), 65_535),
    "grey jp2": saved(Image.fromarray(sixteen(1)[..., 0]), "jpeg2000"),
    **{
        f"{name} tiff{' packed' * packed}{' in planes' * planes} {order}": tiff(
            sixteen(channels, alpha=channels == 4),
            order=order,  # type: ignore[arg-type]
            planes=planes,
            packed=packed,
            alpha=2 if channels == 4 else None,
        )
        for name, channels in (("grey", 1), ("colour", 3), ("alpha", 4))
        for order in "<>"
        for packed, planes in ((False, False), (True, False), (False, True), (True, True))
        if packed == (channels == 1) or not planes
    },
}


@pytest.mark.parametrize("name", DEEP)
def test_16_bits(name: str) -> None:
    """The nearest of 256 levels; Pillow alone takes the high byte of colours, and garbles those in planes."""
    channels = 1 if name.startswith("grey") else 3
    found, facts = shown(DEEP[name], channels=channels)
    values = sixteen({"grey png with alpha": 2, "png with alpha": 4}.get(name, 4 if "alpha" in name else channels))
    values = values[..., :channels]
    assert np.array_equal(found, np.round(values / 257).astype(np.uint8))
    assert (facts["lowest 16-bit value"], facts["highest 16-bit value"]) == (values.min(), values.max())
    assert facts["depth"] == "16-bit"


def test_every_16_bit_value_is_rounded_right() -> None:
    values = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    found = folder(size=256, channels=1).as_sample(Image.fromarray(values))[0][0]
    assert np.array_equal(found, np.round(values / 257))


@pytest.mark.parametrize(
    "content",
    [
        png_16(twelve(1)),
        png_16(twelve(3)),
        tiff(twelve(3), order=">"),
        pnm_16(twelve(3), 65_535),
        pnm_16(twelve(1), 4095),
        pnm_16(twelve(1), 4095, plain=True),
        pnm_16(twelve(3), 4095),
        *(tiff(twelve(1, dtype), order=order, packed=packed)  # type: ignore[arg-type]
          for dtype in (np.int16, np.int32, np.float32)
          for order in "<>" for packed in (False, True)),
        tiff(twelve(1, np.uint32)),
    ],
)  # fmt: skip
def test_a_range_of_values(content: bytes) -> None:
    """12 bits in numbers of any kind, whatever white the file itself names."""
    channels = 3 if b"P6" in content[:2] or Image.open(io.BytesIO(content)).mode == "RGB" else 1
    want = np.round(twelve(channels).astype(float) * (255 / 4095)).astype(np.uint8)
    assert np.array_equal(shown(content, channels=channels, value_range=[0, 4095])[0], want)
    found, _ = shown(content, channels=channels, value_range=[1000, 2000.5])
    want = np.clip(np.round((twelve(channels) - 1000.0) * (255 / 1000.5)), 0, 255).astype(np.uint8)
    assert np.array_equal(found, want)


@pytest.mark.parametrize("plain", [False, True])
def test_a_file_that_says_its_white_is_believed(plain: bool) -> None:
    found, facts = shown(pnm_16(twelve(1), 4095, plain=plain), channels=1)
    assert np.array_equal(found, np.round(twelve(1).astype(float) * (255 / 4095)))
    assert facts["depth"] == "16-bit, white is 4095"
    assert "highest 16-bit value" not in facts


def test_12_bits() -> None:
    first, second = twelve(1)[:, ::2, 0], twelve(1)[:, 1::2, 0]
    triples = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], -1).reshape(8, 12, 1)
    content = tiff(triples.astype(np.uint8), bits=12)
    found, facts = shown(content, channels=1)
    assert np.array_equal(found, np.round(twelve(1).astype(float) * (255 / 4095)))
    assert facts["depth"] == "16-bit, white is 4095"
    assert np.array_equal(shown(content, channels=1, value_range=[0, 4095])[0], found)


def test_numbers_without_a_sign() -> None:
    values = np.array([[[0], [2**32 - 1]]] * 4, np.uint32).repeat(2, 1).repeat(2, 0)
    found, facts = shown(tiff(values), size=4, channels=1, value_range=[0, 2**32 - 1])
    assert sorted(set(found.ravel().tolist()))[-1] == 255
    assert facts["highest 32-bit value"] == 2**32 - 1


def test_white_is_zero() -> None:
    values = sixteen(1)
    for content in (tiff(values, photometric=0), tiff(values, photometric=0, packed=True)):
        assert np.array_equal(shown(content, channels=1)[0], 255 - np.round(values / 257).astype(np.uint8))


def test_floats() -> None:
    values = np.random.default_rng(3).random((8, 8, 1)).astype(np.float32)
    want = np.round(values * 255).astype(np.uint8)
    header = b"Pf\n8 8\n-1.0\n"
    for content in (tiff(values), tiff(values, order=">", packed=True), header + values[::-1].tobytes()):
        found, facts = shown(content, channels=1)
        assert np.array_equal(found, want)
        assert facts["depth"] == "float"
    values[3, 3] = np.nan
    with pytest.raises(ValueError, match="values that are no numbers"):
        shown(tiff(values))


def test_transparency_of_16_bits() -> None:
    values = np.full((8, 8, 4), 65_535, np.uint16)
    values[..., :3], values[:, 4:, 3] = (65_535, 0, 0), 0
    for content in (png_16(values), tiff(values, alpha=2), tiff(values, alpha=2, planes=True)):
        found, _ = shown(content, background="blue")
        assert found[0, [0, 7]].tolist() == [[255, 0, 0], [0, 0, 255]]
    values[..., :3], values[..., 3] = (20_000, 0, 10_000), 40_000  # multiplied already: as 32,767, 0 and 16,383
    for packed in (False, True):
        found, facts = shown(tiff(values, alpha=1, packed=packed), background="black")
        assert np.abs(found[0, 0].astype(int) - [78, 0, 39]).max() <= 1
        assert facts["highest 16-bit value"] == pytest.approx(32_767.5)
    values = sixteen(1)
    values[:, 4:] = 300
    found, facts = shown(png_16(values, transparent=(300,)))
    assert (found[:, 4:] == 255).all()
    assert facts["transparency"] == "on white"
    colours = sixteen(3)
    colours[:, 4:] = (300, 301, 302)
    found, _ = shown(png_16(colours, transparent=(300, 301, 302)))
    assert (found[:, 4:] == 255).all()
    assert np.array_equal(found[:, :4], np.round(colours[:, :4] / 257))


@pytest.mark.parametrize(
    "content",
    [
        tiff(sixteen(1), planes=True),
        tiff(sixteen(3), planes=True, packed=True),
        tiff(twelve(1, np.float32), planes=True),
    ],
)
def test_what_pillow_would_take_for_other_numbers_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="save it with interleaved channels"):
        shown(content)


def test_a_torn_deep_picture_is_refused() -> None:
    for content in (pnm_16(sixteen(3), 65_535), png_16(sixteen(3)), tiff(sixteen(3), packed=True), png_16(sixteen(2))):
        with pytest.raises((OSError, ValueError, SyntaxError)):
            shown(content[: len(content) * 2 // 3])


# The range of deep pictures is judged by all of them.


@pytest.mark.parametrize(
    ("values", "cure"),
    [
        (twelve(1), r"from \d+ to 40\d\d; 0 is taken for black and 65535 for white, so all would be dark\. .*\[0, 4095\]; .*5\]"),
        (twelve(3), r"16-bit .* all would be dark.*\[0, 4095\]"),
        (twelve(1) >> 4, r"all would be dark.*value_range = \[0, 255\]"),
        ((twelve(1) >> 4).astype(np.int32), r"32-bit .*all would be dark.*\[0, 255\]"),
        (sixteen(1).astype(np.int32) * 3 + 5, r"some would be cut off\. .*value_range = \[\d+, 19\d+\]$"),
        (twelve(1, np.int16) - 1024, r"some would be cut off\. .*value_range = \[-9\d\d, 30\d\d\]$"),
        (twelve(1, np.float32) / 16, r"float .*some would be cut off.*\[0, 255\]$"),
        (twelve(1, np.float32) / 2048 - 1, r"some would be cut off.*\[-1, 1\]$"),
        (twelve(1, np.float32) / 4000 - 0.01, r"some would be cut off.*\[0, 1\]$"),
        (sixteen(1) >> 1, r"all would be dark.*such as value_range = \[0, 32767\]"),
    ],
    ids=range(10),
)  # fmt: skip
def test_deep_pictures_that_would_be_black_are_refused_with_the_cure(
    tmp_path: Path, values: np.ndarray, cure: str
) -> None:
    root = write(tmp_path / "mine", [tiff(one) for one in scaled(values)], ".tif")
    with pytest.raises(ParameterError, match=f"(?s){cure}") as error:
        prepare(PictureFolder(root=root, size=8))
    assert error.value.parameter == "value_range"
    ends = [float(end) for end in str(error.value).split("value_range = [")[1].split("]")[0].split(", ")]
    data = prepare(PictureFolder(root=root, size=8, value_range=ends))
    assert data.training.data.max() > 240
    assert data.reading is not None
    assert f"values from {ends[0]:g}" in data.reading.treatment


def test_pictures_that_are_really_dark(tmp_path: Path) -> None:
    root = write(tmp_path / "mine", [png_16(one) for one in scaled(twelve(1))], ".png")
    data = prepare(PictureFolder(root=root, size=8, channels=1, value_range=[0, 65_535]))
    assert data.training.data.max() == 16


def test_one_bright_picture_says_that_the_others_are_dark(tmp_path: Path) -> None:
    contents = [png_16(one) for one in (*scaled(twelve(1)), sixteen(1))]
    prepare(PictureFolder(root=write(tmp_path / "mine", contents, ".png"), size=8))


def test_a_range_that_nothing_needs_or_that_leaves_nothing_is_refused(tmp_path: Path) -> None:
    eight = write(tmp_path / "eight", [saved(Image.fromarray(np.roll(NOISE, i)), "png") for i in range(4)], ".png")
    with pytest.raises(ParameterError, match=r"none is\. Leave it out"):
        prepare(PictureFolder(root=eight, size=8, value_range=[0, 255]))
    found = {"lowest 16-bit value": (2.0, 30.0), "highest 16-bit value": (900.0, 4095.0)}
    with pytest.raises(ParameterError, match="all would be of one grey, 255 of 255"):
        folder(value_range=[0, 1]).check_reading(Reading(found=4, ranges=found))
    folder(value_range=[0, 4095]).check_reading(Reading(found=4, ranges=found))
