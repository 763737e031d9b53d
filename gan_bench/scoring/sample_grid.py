"""Sample grids: many samples in one PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from gan_bench.api.pictures import ROW, to_uint8
from gan_bench.files import replace_file

POINT_PIXELS = 240  # across a picture of points
REACH = 1.5  # of its axes, to both sides
FAINTEST, DARKEST = 0.35, 64  # ink of a single point, and how many of them are black


def save_grid(samples: Tensor, path: Path, columns: int = ROW) -> None:
    """Write samples as a PNG: images (N, C, H, W) in [-1, 1] in rows of so many, points (N, D) as dots in the plane.

    Images with three channels or more are shown by their first three, as colours, others by their first; points by
    their first two coordinates (numbers on a line by their only one), from -1.5 to 1.5.
    """
    picture = picture_of_points(samples) if samples.dim() == 2 else picture_of_images(samples, columns)
    replace_file(path, lambda beside: picture.save(beside, format="PNG"))


def picture_of_images(samples: Tensor, columns: int = ROW) -> Image.Image:
    """The grid of images, a pixel apart."""
    from torchvision.utils import make_grid  # takes a quarter of a second to import

    channels = 3 if samples.shape[1] >= 3 else 1
    grid = make_grid(to_uint8(samples[:, :channels]), nrow=columns, padding=1, pad_value=255)
    pixels = grid.permute(1, 2, 0).numpy()
    return Image.fromarray(pixels if channels == 3 else pixels[:, :, 0])


def picture_of_points(samples: Tensor) -> Image.Image:
    """Dots of three pixels on white, the darker the more of them: `FAINTEST` for one, black from `DARKEST` points on.

    The scale is fixed, by the logarithm of how many dots cover a pixel, so that pictures can be compared. Points that
    lie outside of the plane's part stand at its edge; those that are no numbers stand nowhere.
    """
    points = samples.float().numpy()[:, :2]
    points = points[np.isfinite(points).all(axis=1)]
    heights = points[:, 1] if points.shape[1] > 1 else np.zeros(len(points))
    # Each dot's middle stays a pixel away from the edge, so that all of it is seen.
    column, row = (
        np.clip((REACH + values) / (2 * REACH) * POINT_PIXELS, 1, POINT_PIXELS - 2).astype(int)
        for values in (points[:, 0], -heights)
    )
    counts = np.zeros((POINT_PIXELS, POINT_PIXELS))
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            np.add.at(counts, (row + down, column + right), 1)
    steps = np.ceil(np.log2(np.clip(counts, 1, DARKEST))) / np.log2(DARKEST)  # few greys: small files
    ink = np.where(counts > 0, FAINTEST + (1 - FAINTEST) * steps, 0)
    return Image.fromarray((255 * (1 - ink)).round().astype(np.uint8))
