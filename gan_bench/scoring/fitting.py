"""Samples of another shape than the data that they are scored against: refused, or changed as it is asked for and told."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.pictures import from_uint8
from gan_bench.errors import GanBenchError


def fitted(
    samples: Tensor, spec: DataSpec, *, resize: bool = False, convert: bool = False
) -> tuple[Tensor, dict[str, str]]:
    """Samples (N, *spec.shape) as a metric reads them, and what was done to them, which belongs into their protocol.

    `samples` are a `SampleSet`'s. `resize` changes sizes by Pillow's bicubic filter, which is antialiased; `convert` makes
    grey of colours by ITU-R 601's weights, or colours of grey by repeating it. Colours that are grey already lose nothing
    by a single channel, which is no change. GanBenchError: they are of another shape, and that was not asked for.
    """
    kind = "image" if samples.dim() == 4 else "points"
    if kind != spec.kind or (kind == "points" and samples.shape[1:] != spec.shape):
        raise _mismatch(samples, spec, "")
    if kind == "points":
        return samples, {}
    done: dict[str, str] = {}
    found, wanted = samples.shape[1], spec.shape[0]
    if (found, wanted) == (3, 1) and bool((samples == samples[:, :1]).all()):
        samples = samples[:, :1]
    elif found != wanted:
        if not convert or {found, wanted} != {1, 3}:
            raise _mismatch(samples, spec, "--convert" if {found, wanted} == {1, 3} else "")
        samples = _grey(samples) if wanted == 1 else samples.repeat(1, 3, 1, 1)
        done["converted"] = "grey by ITU-R 601" if wanted == 1 else "grey repeated"
    (height, width), size = samples.shape[2:], spec.shape[1:]
    if (height, width) != size:
        alike = height * size[1] == width * size[0]
        if not resize or not alike:
            raise _mismatch(samples, spec, "--resize" if alike else "")
        samples = _resized(samples, *size)
        done["resized"] = f"Pillow bicubic, antialiased, from {height}x{width}"
    return from_uint8(samples), done


def _mismatch(samples: Tensor, spec: DataSpec, option: str) -> GanBenchError:
    found, wanted = ("x".join(map(str, shape)) for shape in (samples.shape[1:], spec.shape))
    names = {"image": "pictures (channels x height x width)", "points": "points"}
    cure = f" Give {option}, which is then said in the protocol; or data of that shape." if option else ""
    kind = "image" if samples.dim() == 4 else "points"
    return GanBenchError(f"the samples are {names[kind]} of {found}, the data {names[spec.kind]} of {wanted}.{cure}")


def _grey(pixels: Tensor) -> Tensor:
    """(N, 1, H, W) of (N, 3, H, W) uint8: what Pillow's mode L has."""
    weights = torch.tensor([19595, 38470, 7471])
    made = [
        (some.int() * weights[:, None, None]).sum(1, keepdim=True).add(1 << 15) >> 16 for some in pixels.split(1000)
    ]
    return torch.cat([some.to(torch.uint8) for some in made])


def _resized(pixels: Tensor, height: int, width: int) -> Tensor:
    """Each channel of (N, C, H, W) uint8 as a picture of its own."""
    made = np.empty((len(pixels), pixels.shape[1], height, width), np.uint8)
    for sample, place in zip(pixels.numpy(), made, strict=True):
        for channel, values in enumerate(sample):
            place[channel] = np.asarray(Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC))
    return torch.from_numpy(made)
