"""The centre of pictures in place of the whole: the parameter `crop` of datasets that declare none of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.kinds import Dataset, Part, Parts, Undivided, said


def centred(source: Any, dataset: Dataset, spec: DataSpec) -> Any:
    """What a dataset has loaded, of whose pictures only the centre is taken if it asks for that."""
    crop = said(dataset).get("crop")
    if crop is None or not isinstance(source, Parts | Undivided):
        return source
    size = f"{crop:.4g} of its sides" if isinstance(crop, float) else f"{crop}x{crop} pixels"
    done = f"the centre of each, {size}, resized to {spec.shape[1]}x{spec.shape[2]} (bicubic, antialiased)"
    names = ("samples",) if isinstance(source, Undivided) else ("training", "held_out")
    parts: dict[str, Any] = {name: _Centres(getattr(source, name), spec.shape, crop) for name in names}
    return replace(source, **parts, treatment="; ".join(filter(None, (source.treatment, done))))


class _Centres:
    """The centres of a part's pictures. What is no sample of this shape is passed on, for the core to tell."""

    def __init__(self, part: Part, shape: Sequence[int], crop: float | int) -> None:
        self.part, self.shape, self.crop = part, tuple(shape), crop
        self.parallel = getattr(part, "parallel", False)

    def __len__(self) -> int:
        return len(self.part)

    def __getitem__(self, index: int) -> Any:
        item = self.part[index]
        if not isinstance(item, tuple) or not item:
            return item
        sample = np.asarray(item[0])
        fits = sample.shape == self.shape and sample.dtype == np.uint8
        return (centre(sample, self.crop), *item[1:]) if fits else item


def centre(picture: np.ndarray, crop: float | int) -> np.ndarray:
    """The centre of a picture (C, H, W) uint8, brought back to its size by Pillow's bicubic filter.

    `crop` is a share of both sides, or the number of pixels of both.
    """
    from PIL import Image

    size = picture.shape[1:]
    height, width = (max(1, round(side * crop)) for side in size) if isinstance(crop, float) else (crop, crop)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    cut = np.ascontiguousarray(picture[:, top : top + height, left : left + width])
    return np.stack([np.asarray(Image.fromarray(one).resize(size[::-1], Image.Resampling.BICUBIC)) for one in cut])
