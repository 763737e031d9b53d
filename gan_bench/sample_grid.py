"""Sample grids: many samples in one PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from gan_bench.files import replace_file
from gan_bench.pictures import to_uint8

COLUMNS = 10
POINT_CELLS = 80  # across a picture of points
POINT_PIXELS = 3  # of a cell, so that a single point can be seen


def save_grid(samples: Tensor, path: Path) -> None:
    """Write samples as a PNG: images (N, C, H, W) in [-1, 1] in rows of ten, points (N, D) as dots in the plane.

    Images with three channels or more are shown by their first three, as colours, others by their first; points by
    their first two coordinates (numbers on a line by their only one), from -1.5 to 1.5.
    """
    picture = picture_of_points(samples) if samples.dim() == 2 else picture_of_images(samples)
    replace_file(path, lambda beside: picture.save(beside, format="PNG"))


def picture_of_images(samples: Tensor) -> Image.Image:
    """The grid of images, a pixel apart."""
    from torchvision.utils import make_grid  # takes a quarter of a second to import

    channels = 3 if samples.shape[1] >= 3 else 1
    grid = make_grid(to_uint8(samples[:, :channels]), nrow=COLUMNS, padding=1, pad_value=255)
    pixels = grid.permute(1, 2, 0).numpy()
    return Image.fromarray(pixels if channels == 3 else pixels[:, :, 0])


def picture_of_points(samples: Tensor) -> Image.Image:
    """Dots on white, the darker the more of them."""
    points = samples.float().numpy()
    heights = points[:, 1] if points.shape[1] > 1 else np.zeros(len(points))
    counts, _, _ = np.histogram2d(heights, points[:, 0], bins=POINT_CELLS, range=[[-1.5, 1.5]] * 2)
    cells = (255 * np.exp(-counts[::-1])).astype(np.uint8)
    return Image.fromarray(cells.repeat(POINT_PIXELS, axis=0).repeat(POINT_PIXELS, axis=1))
