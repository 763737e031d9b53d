"""Sample grids as pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from gan_bench.scoring.sample_grid import save_grid


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "L"), (3, "RGB"), (4, "RGB")])
def test_images_stand_in_rows_of_ten_a_pixel_apart(tmp_path, channels, mode):
    samples = torch.full((25, channels, 4, 6), -1.0)
    samples[11] = 1.0
    save_grid(samples, tmp_path / "grid.png")
    picture = Image.open(tmp_path / "grid.png")
    assert (picture.mode, picture.size) == (mode, (10 * 7 + 1, 3 * 5 + 1))
    assert np.asarray(picture)[5 + 1, 7 + 1].min() == 255  # the second of the second row
    assert np.asarray(picture)[1, 1].max() == 0


def test_a_single_point_is_seen_where_it_lies(tmp_path):
    save_grid(torch.tensor([[1.0, 1.0], [-1.0, 0.0]]), tmp_path / "points.png")
    dark = np.asarray(Image.open(tmp_path / "points.png")) < 255
    height, width = dark.shape
    assert dark.sum() == 2 * 3 * 3
    assert dark[: height // 2, width // 2 :].any()  # up is up
    assert dark[height // 2 - 3 : height // 2 + 3, : width // 2].any()


def test_the_denser_the_darker_on_one_scale(tmp_path):
    def darkest(count, beside=0):
        points = torch.cat([torch.zeros(count, 2), torch.full((beside, 2), 0.8)])
        save_grid(points, tmp_path / "points.png")
        return np.asarray(Image.open(tmp_path / "points.png"))[118:123, 118:123].min()

    shades = [darkest(count) for count in (1, 2, 8, 64, 500)]
    assert shades == sorted(shades, reverse=True)
    assert len(set(shades)) == 4
    assert shades[-1] == 0
    assert darkest(8, beside=500) == shades[2]  # what else is there does not change it


@pytest.mark.parametrize("far", [[9.0, 0.0], [-9.0, 9.0], [1e30, -1e30], [1.5, -1.5]])
def test_a_point_far_out_stands_at_the_edge(tmp_path, far):
    save_grid(torch.tensor([far, [float("nan"), 0.0], [float("inf"), 0.0]]), tmp_path / "points.png")
    dark = np.asarray(Image.open(tmp_path / "points.png")) < 255
    assert dark.sum() == 9
    assert dark[:, [0, -1]].any()
    assert dark[[0, -1]].any() == (far[1] != 0)


def test_numbers_on_a_line(tmp_path):
    save_grid(torch.tensor([[0.5], [-0.5]]), tmp_path / "points.png")
    dark = np.asarray(Image.open(tmp_path / "points.png")) < 255
    assert dark[119:122].any(axis=0).sum() == 6
    assert dark.sum() == 18
