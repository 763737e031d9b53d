"""Pictures of one regular polygon each: a family whose every member is known by five numbers."""

from __future__ import annotations

import math

import torch
from torch import Tensor

SIDES = (3, 4, 5)
CENTRE = 0.15  # at most, from the picture's middle, each way; a picture reaches from -1 to 1
RADII = (0.5, 0.8)  # of the circle through the corners


def render(sides: int, shapes: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Pictures (N, size^2), float64 from 0 (black) to 1 (inside), of `shapes` (N, 4): centre x and y, radius, rotation.

    A pixel is as bright as its centre's distance from the nearest edge says: 1/2 on the edge, and 0 or 1 from half a pixel
    away. Also their derivatives (N, 4, size^2).
    """
    place = (torch.arange(size, dtype=torch.float64) + 0.5) * (2 / size) - 1
    y, x = (axis.flatten() for axis in torch.meshgrid(place, place, indexing="ij"))
    centre_x, centre_y, radius, rotation = (column[:, None] for column in shapes.double().unbind(1))
    dx, dy = x - centre_x, y - centre_y
    farthest, cos, sin = torch.full_like(dx, -torch.inf), torch.zeros_like(dx), torch.zeros_like(dx)
    for corner in range(
        sides
    ):  # the edge that a pixel is farthest out of; a loop is faster than a maximum over a short axis
        normal = rotation + (2 * corner + 1) * math.pi / sides
        out = normal.cos() * dx + normal.sin() * dy
        farther = out > farthest
        farthest = torch.maximum(out, farthest)
        cos, sin = normal.cos().where(farther, cos), normal.sin().where(farther, sin)
    inner = math.cos(math.pi / sides)  # radius of the inscribed circle, of one round the corners of radius 1
    values = 0.5 + (size / 2) * (inner * radius - farthest)
    scale = (size / 2) * ((values > 0) & (values < 1)).double()
    slopes = torch.stack([cos * scale, sin * scale, inner * scale, (sin * dx - cos * dy) * scale], 1)
    return values.clamp(0, 1), slopes
