"""Piles of pictures, and what a dataset `folder` makes of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import pictures
from PIL import Image

from gan_bench import SkipSample, Undivided
from gan_bench.api.samples import PreparedData
from gan_bench.data.prepare import prepare
from gan_bench.errors import GanBenchError
from gan_bench_plugins.datasets.folder import PictureFolder


def fill(folder: Path, count: int, seed: int = 0, ending: str = ".png") -> Path:
    """Different pictures of 40x24."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(pictures(count, 40, 3, seed=seed)[0]):
        Image.fromarray(image[:24]).save(folder / f"{index:03d}{ending}")
    return folder


def arrays(count: int, size: int = 16, channels: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (N, H, W, C) uint8 with labels from 0 to 2."""
    return pictures(count, size, 3, channels, seed)


def decode(root: Path, **settings: Any) -> PreparedData:
    """Prepare, at 16 pixels where nothing else is said, without any warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return prepare(PictureFolder(root=root, **{"size": 16, **settings}))


def left_out(prepared: PreparedData) -> dict[str, int]:
    """How many things were left out, by the reason."""
    assert prepared.reading
    return {one.reason: one.count for one in prepared.reading.left_out}


def notes(prepared: PreparedData) -> str:
    """All that is told of how the source was taken."""
    assert prepared.reading
    return " ".join(prepared.reading.notes)


def read_as_far_as_it_goes(root: Path) -> None:
    """All samples of a source that may be damaged; what is wrong must be told in one line, of the whole or of a sample."""
    source = _unless_told(PictureFolder(root=root, size=8).load)
    if source is not None:
        for part in (source.samples,) if isinstance(source, Undivided) else (source.training, source.held_out):
            for index in range(min(len(part), 10)):
                _unless_told(lambda part=part, index=index: part[index])


def _unless_told(action: Callable[[], Any]) -> Any:
    try:
        return action()
    except (GanBenchError, SkipSample) as error:
        told = str(error)
    assert "\n" not in told
    return None


def refused(root: Path, match: str, **settings: Any) -> None:
    with pytest.raises(GanBenchError, match=match):
        prepare(PictureFolder(root=root, **{"size": 16, **settings}))


def samples(prepared: PreparedData) -> list[tuple[bytes, int]]:
    """Both parts' samples with their labels, in an order that does not depend on how they were divided."""
    return sorted(
        (sample.numpy().tobytes(), -1 if part.labels is None else int(part.labels[index]))
        for part in (prepared.training, prepared.held_out)
        for index, sample in enumerate(part.data)
    )
