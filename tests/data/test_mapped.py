"""Samples that stay in their file: what is looked at next is read ahead, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from gan_bench.api.samples import Samples
from gan_bench.data import mapped
from gan_bench.data.batches import Batches
from gan_bench.data.mapped import Mapped

SHAPE = (50, 3, 40, 41)  # rows that begin and end anywhere in a page


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(mapped, "LARGE", 0)
    np.save(tmp_path / "a.npy", np.random.default_rng(0).integers(256, size=SHAPE, dtype=np.uint8))
    return tmp_path / "a.npy"


def test_what_is_expected_is_what_is_there(file: Path) -> None:
    found = Mapped(file, SHAPE, np.dtype("uint8"))
    found.read_ahead(torch.tensor([0, 49, 7, 7]))
    assert found.tensor.equal(torch.from_numpy(np.load(file)))
    with pytest.raises(ValueError, match=r"holds uint8 \(50, 3, 40, 41\) instead of"):
        Mapped(file, SHAPE, np.dtype("float32"))


def test_a_small_file_is_left_to_the_system(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "LARGE", 10**9)
    Mapped(file, SHAPE, np.dtype("uint8")).read_ahead(torch.tensor([10**12]))  # nothing is looked at


def test_a_place_beyond_the_file_is_an_error(file: Path) -> None:
    with pytest.raises((ValueError, OSError)):
        Mapped(file, SHAPE, np.dtype("uint8")).read_ahead(torch.tensor([10**6]))


def test_the_next_batch_is_read_while_a_step_is_made_of_this_one() -> None:
    asked: list[list[int]] = []
    stored = torch.arange(20, dtype=torch.uint8).view(20, 1, 1, 1)
    samples = Samples(stored, None, read_ahead=lambda places: asked.append(places.tolist()))
    mirrored = samples.chosen(torch.tensor([19, 3, 5, 23, 25, 39]))  # of which 20 and more are mirrored
    batches = Batches(mirrored, 2, seed=0, memory=torch.contiguous_format)
    taken = [((batches()[:, 0, 0, 0] + 1) * 127.5).round().int().tolist() for _ in range(3)]
    assert asked[:2] == taken[1:]
    assert sorted(value for batch in taken for value in batch) == [3, 3, 5, 5, 19, 19]
