"""Contact sheets: samples of both parts as they are, in rows by class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.samples import PreparedData, Samples
from gan_bench.scoring.contact_sheet import contact_sheet


def prepared(
    samples: torch.Tensor, labels: list[int] | None = None, classes: tuple[str, ...] | None = None
) -> PreparedData:
    """Data whose parts are equal."""
    part = Samples(samples, None if labels is None else torch.tensor(labels))
    spec = DataSpec(tuple(samples.shape[1:]), "image" if samples.dim() == 4 else "points", classes)
    return PreparedData("toy", spec, "f", Path(), part, part, (), "f")


def greys(count: int, size: tuple[int, int] = (8, 8)) -> torch.Tensor:
    """Pictures (count, 1, *size), each of a grey of its own."""
    return (torch.arange(count, dtype=torch.uint8) + 20)[:, None, None, None].expand(-1, 1, *size).contiguous()


def sheet(data: PreparedData, title: str = "toy") -> np.ndarray:
    return np.asarray(contact_sheet([(title, data)]))


def areas(pixels: np.ndarray, colours: set[tuple[int, int, int]]) -> dict[tuple[int, int, int], int]:
    """How many pixels have each of some colours."""
    packed = pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    found = {key: int((packed == (key[0] << 16) + (key[1] << 8) + key[2]).sum()) for key in colours}
    return {key: count for key, count in found.items() if count}


def test_every_sample_of_small_parts_stands_there_enlarged_by_a_whole_factor():
    pixels = sheet(prepared(greys(7)))
    side = 8 * 7
    shown = areas(pixels, {(20 + i,) * 3 for i in range(7)})
    assert len(shown) == 7
    assert all(2 * side**2 <= area <= 2 * side**2 + 40 for area in shown.values())  # text has a few greys too


def test_samples_are_drawn_across_the_part_and_always_the_same():
    data = prepared(greys(200))
    pixels = sheet(data)
    shown = {int(key[0]) for key, area in areas(pixels, {(20 + i,) * 3 for i in range(200)}).items() if area > 2000}
    assert len(shown) == 100
    assert max(shown) > 200
    assert (sheet(data) == pixels).all()


def test_each_class_has_a_row():
    pixels = sheet(prepared(greys(40), [i % 2 for i in range(40)], ("even", "odd")))
    half = pixels.shape[1] // 2 + 70  # the training part, beside the names
    upper, lower = (
        {
            int(v) - 20
            for v in np.unique(rows[:, 156:half, 0])
            if 20 <= v < 60 and (rows[:, 156:half, 0] == v).sum() > 2000
        }
        for rows in (pixels[58:112], pixels[118:170])
    )
    assert len(upper) == len(lower) == 10
    assert {number % 2 for number in upper} == {0}
    assert {number % 2 for number in lower} == {1}


def test_of_many_classes_some_are_shown_from_the_largest_to_the_smallest():
    classes = tuple(f"class {i}" for i in range(60))
    few, many = (prepared(greys(n), [i % k for i in range(n)], classes[:k]) for n, k in ((100, 10), (180, 60)))
    assert sheet(many).shape[1] == sheet(few).shape[1]
    assert sheet(many).shape[0] == sheet(few).shape[0] + 18  # the line that says so


def test_samples_without_a_class_have_a_row_too():
    labelled, partly = (prepared(greys(20), labels, ("a",)) for labels in ([0] * 20, [0] * 10 + [-1] * 10))
    assert sheet(partly).shape[0] > sheet(labelled).shape[0]


@pytest.mark.parametrize(("channels", "shown"), [(1, (9, 9, 9)), (2, (9, 9, 9)), (3, (9, 90, 190)), (4, (9, 90, 190))])
def test_colours_are_those_of_the_samples(channels, shown):
    colours = torch.tensor([9, 90, 190, 33], dtype=torch.uint8)[:channels]
    samples = colours[None, :, None, None].expand(4, -1, 8, 8).contiguous()
    assert areas(sheet(prepared(samples)), {shown})[shown] == 8 * (8 * 7) ** 2


@pytest.mark.parametrize("size", [(4, 16), (16, 4), (600, 20), (1024, 1024)])
def test_any_size_fits(size):
    picture = contact_sheet([("toy", prepared(greys(30, size)))])
    assert picture.width * picture.height < 2**24
    assert np.isin(np.asarray(picture)[::7, ::7, 0], range(20, 50)).any()


@pytest.mark.parametrize("numbers", [1, 2, 3])
def test_points_are_dots_in_the_plane(numbers):
    pixels = sheet(prepared(torch.full((50, numbers), 0.5)))
    assert pixels.shape[1] > 2 * 480
    assert (pixels[80:, :490] == 0).any()
    assert (pixels[80:, 530:] == 0).any()


def test_several_datasets_stand_below_each_other():
    one, other = prepared(greys(9)), prepared(greys(9, (30, 4)))
    first, second = (contact_sheet([("x", data)]) for data in (one, other))
    both = contact_sheet([("x", one), ("x", other)])
    assert both.size == (max(first.width, second.width), first.height + second.height)
    assert np.array_equal(np.asarray(both)[: first.height, : first.width], np.asarray(first))


def test_a_name_of_any_length_keeps_its_place():
    long = prepared(greys(20), [i % 2 for i in range(20)], ("x" * 3000 + "\x1b[2J", "日本"))
    short = prepared(greys(20), [i % 2 for i in range(20)], ("x", "y"))
    assert sheet(long, "t" * 3000).shape == sheet(short).shape


def test_it_is_a_picture_that_every_viewer_opens(tmp_path):
    contact_sheet([("toy", prepared(greys(3)))]).save(tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as opened:
        assert opened.mode == "RGB"
