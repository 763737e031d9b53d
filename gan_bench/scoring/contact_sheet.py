"""Contact sheets: real samples of both parts of datasets in one picture, as the networks will see them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont, ImageOps
from torch import Tensor

from gan_bench.api.pictures import to_uint8
from gan_bench.api.samples import PreparedData, Samples
from gan_bench.console import one_line
from gan_bench.scoring.sample_grid import picture_of_points
from gan_bench.scoring.samples import POINTS, shuffled

SIDE = 10  # samples in a row, and rows, where there is room
WIDTH, HEIGHT = 660, 900  # pixels of a part's samples that should not be exceeded
SAMPLE = 56  # pixels to which smaller samples are enlarged, about
GAP, MARGIN, LABEL, LINE = 2, 16, 140, 18
PAPER, BETWEEN, INK, SOFT = "#ffffff", "#dddad4", "#1c1b19", "#67645f"


@dataclass(frozen=True)
class Row:
    """Samples that stand side by side."""

    label: tuple[str, str]  # a class and how many samples it has; empty where there are none
    indices: tuple[Tensor, Tensor]  # of training and held-out samples


def contact_sheet(datasets: Sequence[tuple[str, PreparedData]]) -> Image.Image:
    """Datasets with their titles, one below the other. Samples are drawn by a fixed seed across each part."""
    sheets = [_sheet(title, data) for title, data in datasets]
    whole = Image.new("RGB", (max(one.width for one in sheets), sum(one.height for one in sheets)), PAPER)
    top = 0
    for one in sheets:
        whole.paste(one, (0, top))
        top += one.height
    return whole


def _sheet(title: str, data: PreparedData) -> Image.Image:
    parts = data.training, data.held_out
    heads = f"training: {len(parts[0]):,} samples", f"held out: {len(parts[1]):,} samples"
    rows: list[Row] = []
    label, note = 0, ""
    if data.spec.kind == "points":
        blocks = [[_scatter(part)] for part in parts]
    else:
        height, width = data.spec.shape[1:]
        zoom = max(1, round(SAMPLE / max(height, width)))
        columns, most = (
            min(SIDE, max(2, room // (size * zoom + GAP)))
            for room, size in ((WIDTH, width), (HEIGHT, max(height, 2 * LINE // zoom)))
        )
        rows, note = _rows(data, columns, most)
        label = LABEL if data.spec.classes else 0
        blocks = [[_strip(part, row.indices[which], zoom, columns) for row in rows] for which, part in enumerate(parts)]
    across = max(strip.width for block in blocks for strip in block)
    heights = [max(*(one.height for one in pair), 2 * LINE if label else 0) for pair in zip(*blocks, strict=True)]
    left = [MARGIN + label, MARGIN + label + across + 2 * MARGIN]
    top = MARGIN + 2 * LINE + 6
    size = left[1] + across + MARGIN, top + sum(heights) + (LINE if note else 0) + MARGIN
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    _write(draw, (MARGIN, MARGIN), title, INK, size[0] - 2 * MARGIN)
    for head, at in zip(heads, left, strict=True):
        _write(draw, (at, MARGIN + LINE + 4), head, SOFT, across)
    for index, height in enumerate(heights):
        for at, block in zip(left, blocks, strict=True):
            sheet.paste(block[index], (at, top))
        for line, text in enumerate(rows[index].label if label else ()):
            _write(draw, (MARGIN, top + line * LINE), text, (INK, SOFT)[line], LABEL - GAP)
        top += height
    _write(draw, (MARGIN, top + 2), note, SOFT, size[0] - 2 * MARGIN)
    return sheet


def _rows(data: PreparedData, columns: int, most: int) -> tuple[list[Row], str]:
    """The rows of a sheet, a class each where there are classes; and what is to be said of them."""
    parts = data.training, data.held_out
    if not data.spec.classes:
        drawn = [shuffled(len(part))[: columns * most] for part in parts]
        starts = range(0, max(map(len, drawn)), columns)
        return [Row(("", ""), (drawn[0][at : at + columns], drawn[1][at : at + columns])) for at in starts], ""
    names = [*map(one_line, data.spec.classes), "(no class)"]
    orders = [shuffled(len(part)) for part in parts]
    labels = [_labels(part)[order] % len(names) for part, order in zip(parts, orders, strict=True)]  # -1 is the last
    counts = [torch.bincount(own, minlength=len(names)).tolist() for own in labels]
    shown = [number for number in range(len(names)) if counts[0][number] + counts[1][number] or number < len(names) - 1]
    note = ""
    if len(shown) > most:
        by_size = sorted(shown, key=lambda number: -counts[0][number] - counts[1][number])
        note = f"{most} of {len(shown):,} classes, from the largest to the smallest"
        shown = [by_size[place] for place in np.linspace(0, len(shown) - 1, most).round().astype(int)]
    rows = []
    for number in shown:
        own = [order[one == number][:columns] for order, one in zip(orders, labels, strict=True)]
        rows.append(Row((names[number], f"{counts[0][number]:,} + {counts[1][number]:,}"), (own[0], own[1])))
    return rows, note


def _labels(part: Samples) -> Tensor:
    return torch.full((len(part),), -1) if part.labels is None else part.labels


def _strip(part: Samples, indices: Tensor, zoom: int, columns: int) -> Image.Image:
    """Samples side by side, a gap apart, enlarged by a whole factor."""
    pixels = to_uint8(part.batch(indices)).numpy()
    height, width = (size * zoom for size in pixels.shape[2:])
    strip = Image.new("RGB", (columns * (width + GAP), height + GAP), PAPER)
    strip.paste(BETWEEN, (0, 0, len(pixels) * (width + GAP), height + GAP))
    for place, sample in enumerate(pixels):
        colours = sample[:3] if len(sample) >= 3 else sample[:1].repeat(3, axis=0)
        picture = Image.fromarray(np.ascontiguousarray(colours.transpose(1, 2, 0)))
        strip.paste(picture.resize((width, height), Image.Resampling.NEAREST), (place * (width + GAP), 0))
    return strip


def _scatter(part: Samples) -> Image.Image:
    picture = picture_of_points(part.batch(shuffled(len(part))[:POINTS]))
    large = picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.NEAREST)
    return ImageOps.expand(large.convert("RGB"), 1, SOFT)


def _write(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, colour: str, width: float) -> None:
    """A line of text, cut off where it would become too wide."""
    font, text = ImageFont.load_default(13), text[: int(width)]  # no character takes less than a pixel
    if draw.textlength(text, font) > width:
        most = bisect_right(range(1, len(text)), width, key=lambda count: draw.textlength(f"{text[:count]}…", font))
        text = f"{text[:most]}…"
    draw.text(place, text, colour, font)
