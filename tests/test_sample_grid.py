"""Sample grids as pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from gan_bench.sample_grid import save_grid


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
    dark = np.asarray(Image.open(tmp_path / "points.png")) < 128
    height, width = dark.shape
    assert dark.sum() == 2 * 3 * 3
    assert dark[: height // 2, width // 2 :].any()  # up is up
    assert dark[height // 2 - 3 : height // 2 + 3, : width // 2].any()
