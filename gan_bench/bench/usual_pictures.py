"""Augmentations as people write them in PyTorch: by padding and indexing, by matrices and `grid_sample`."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def diff_augmented(x: Tensor) -> Tensor:
    """Pictures (B, C, H, W) by DiffAugment's colour, translation and cutout (Zhao et al. 2020, section 3.2)."""
    return cut_out(translated(recoloured(x)))


def recoloured(x: Tensor) -> Tensor:
    """Brightness, saturation and contrast, each by a number of its own for each picture."""
    x = x + (torch.rand(len(x), 1, 1, 1, device=x.device) - 0.5)
    grey = x.mean(dim=1, keepdim=True)
    x = (x - grey) * (torch.rand(len(x), 1, 1, 1, device=x.device) * 2) + grey
    mean = x.mean(dim=[1, 2, 3], keepdim=True)
    return (x - mean) * (torch.rand(len(x), 1, 1, 1, device=x.device) + 0.5) + mean


def translated(x: Tensor) -> Tensor:
    """By up to an eighth of each side; a border of zeros is what comes in."""
    batch, _, height, width = x.shape
    by = [
        torch.randint(-int(side / 8 + 0.5), int(side / 8 + 0.5) + 1, [batch, 1, 1], device=x.device)
        for side in (height, width)
    ]
    pictures, rows, columns = _indices(batch, height, width, x.device)
    rows = torch.clamp(rows - by[0] + 1, 0, height + 1)
    columns = torch.clamp(columns - by[1] + 1, 0, width + 1)
    padded = F.pad(x, [1, 1, 1, 1])
    return padded.permute(0, 2, 3, 1).contiguous()[pictures, rows, columns].permute(0, 3, 1, 2).contiguous()


def cut_out(x: Tensor) -> Tensor:
    """A rectangle of half of each side is zero."""
    batch, _, height, width = x.shape
    cut = [int(side / 2 + 0.5) for side in (height, width)]
    centre = [
        torch.randint(0, side + 1 - own % 2, [batch, 1, 1], device=x.device)
        for side, own in zip((height, width), cut, strict=True)
    ]
    pictures, rows, columns = _indices(batch, cut[0], cut[1], x.device)
    rows = torch.clamp(rows + centre[0] - cut[0] // 2, 0, height - 1)
    columns = torch.clamp(columns + centre[1] - cut[1] // 2, 0, width - 1)
    mask = torch.ones(batch, height, width, device=x.device)
    mask[pictures, rows, columns] = 0
    return x * mask.unsqueeze(1)


def flipped_and_shifted(x: Tensor) -> Tensor:
    """Shifted by up to an eighth of each side after mirrored padding, then flipped or not (CR-GAN, Zhang et al. 2020)."""
    batch, _, height, width = x.shape
    reach = [int(side / 8 + 0.5) for side in (height, width)]
    by = [torch.randint(-most, most + 1, [batch, 1, 1], device=x.device) for most in reach]
    padded = F.pad(x, [reach[1], reach[1], reach[0], reach[0]], mode="reflect")
    pictures, rows, columns = _indices(batch, height, width, x.device)
    shifted = padded.permute(0, 2, 3, 1)[pictures, rows - by[0] + reach[0], columns - by[1] + reach[1]]
    shifted = shifted.permute(0, 3, 1, 2)
    return torch.where(torch.rand(batch, 1, 1, 1, device=x.device) < 0.5, shifted.flip(3), shifted)


def _indices(batch: int, height: int, width: int, device: torch.device) -> tuple[Tensor, ...]:
    """Of pictures, rows and columns, each (B, H, W)."""
    sides = (torch.arange(side, device=device) for side in (batch, height, width))
    return torch.meshgrid(*sides, indexing="ij")


def ada_augmented(x: Tensor, p: float) -> Tensor:
    """Pictures (B, C, H, W) by ADA's blitting, geometry and colours, each with probability p (Karras et al. 2020, appendix B).

    Moves are one matrix for each picture, which `affine_grid` and `grid_sample` carry out, and colours another. There are no
    wavelet filters, and borders are mirrored.
    """
    return _by_colour_matrix(_by_matrix(x, p), p)


def _by_matrix(x: Tensor, p: float) -> Tensor:
    batch, _, height, width = x.shape
    device = x.device

    def sometimes(value: Tensor, otherwise: float, chance: float = p) -> Tensor:
        return torch.where(torch.rand(batch, device=device) < chance, value, torch.full_like(value, otherwise))

    def turned() -> Tensor:
        angle = (torch.rand(batch, device=device) * 2 - 1) * math.pi
        return _rotation(sometimes(angle, 0, 1 - math.sqrt(1 - p)))

    inverse = torch.eye(3, device=device)
    flip = sometimes(torch.floor(torch.rand(batch, device=device) * 2), 0)
    inverse = inverse @ _scaling(1 - 2 * flip, torch.ones_like(flip))
    quarters = sometimes(torch.floor(torch.rand(batch, device=device) * 4), 0)
    inverse = inverse @ _rotation(-math.pi / 2 * quarters)
    whole = [sometimes(torch.rand(batch, device=device) * 2 - 1, 0) * (side / 8) for side in (width, height)]
    inverse = inverse @ _translation(-torch.round(whole[0]), -torch.round(whole[1]))
    size = torch.exp2(0.2 * sometimes(torch.randn(batch, device=device), 0))
    inverse = inverse @ _scaling(1 / size, 1 / size) @ turned()
    size = torch.exp2(0.2 * sometimes(torch.randn(batch, device=device), 0))
    inverse = inverse @ _scaling(1 / size, size) @ turned()
    part = [sometimes(torch.randn(batch, device=device), 0) * (side / 8) for side in (width, height)]
    inverse = inverse @ _translation(-part[0], -part[1])

    halves = torch.tensor([(width - 1) / 2, (height - 1) / 2, 1], device=device)  # of normalised coordinates in pixels
    theta = torch.diag(1 / halves) @ inverse @ torch.diag(halves)
    grid = F.affine_grid(theta[:, :2], [*x.shape], align_corners=True)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=True)


def _by_colour_matrix(x: Tensor, p: float) -> Tensor:
    (batch, channels), device = x.shape[:2], x.device

    def sometimes(value: Tensor, otherwise: float) -> Tensor:
        return torch.where(torch.rand(batch, device=device) < p, value, torch.full_like(value, otherwise))

    identity = torch.eye(3, device=device)
    grey = torch.full((3, 3), 1 / 3, device=device)  # v v^T of the axis of greys v
    brightness = sometimes(0.2 * torch.randn(batch, device=device), 0)
    contrast = torch.exp2(sometimes(0.5 * torch.randn(batch, device=device), 0))
    matrix = contrast[:, None, None] * identity
    flip = sometimes(torch.floor(torch.rand(batch, device=device) * 2), 0)
    matrix = (identity - 2 * flip[:, None, None] * grey) @ matrix
    if channels == 3:
        angle = sometimes((torch.rand(batch, device=device) * 2 - 1) * math.pi, 0)[:, None, None]
        across = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=device) / math.sqrt(3)
        turn = angle.cos() * identity + angle.sin() * across + (1 - angle.cos()) * grey  # Rodrigues' formula
        matrix = turn @ matrix
    saturation = torch.exp2(sometimes(torch.randn(batch, device=device), 0))[:, None, None]
    matrix = (grey + saturation * (identity - grey)) @ matrix
    shift = matrix.sum(2, keepdim=True) * brightness[:, None, None]
    if channels == 3:
        return (matrix @ x.reshape(batch, 3, -1) + shift).reshape(x.shape)
    return x * matrix.sum(2).mean(1)[:, None, None, None] + shift.mean(1)[:, None, None]


def _matrices(rows: list[list[Tensor]]) -> Tensor:
    """(B, 3, 3) of its elements (B,)."""
    return torch.stack([torch.stack(row, 1) for row in rows], 1)


def _rotation(angle: Tensor) -> Tensor:
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return _matrices([[cos, -sin, zero], [sin, cos, zero], [zero, zero, one]])


def _scaling(across: Tensor, down: Tensor) -> Tensor:
    zero, one = torch.zeros_like(across), torch.ones_like(across)
    return _matrices([[across, zero, zero], [zero, down, zero], [zero, zero, one]])


def _translation(right: Tensor, down: Tensor) -> Tensor:
    zero, one = torch.zeros_like(right), torch.ones_like(right)
    return _matrices([[one, zero, right], [zero, one, down], [zero, zero, one]])
