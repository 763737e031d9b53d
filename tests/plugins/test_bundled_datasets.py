"""Datasets that need no files: digits, photo_patches and gaussians."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import gan_bench_plugins
from gan_bench.api.samples import PreparedData
from gan_bench.data.prepare import prepare
from gan_bench_plugins.datasets.digits import Digits
from gan_bench_plugins.datasets.gaussians import Gaussians
from gan_bench_plugins.datasets.photo_patches import PhotoPatches


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_BENCH_CACHE", str(tmp_path / "cache"))


def labels(prepared: PreparedData, part: str) -> torch.Tensor:
    found = getattr(prepared, part).labels
    assert found is not None
    return found


def test_digits_use_the_whole_range_and_are_stratified() -> None:
    prepared = prepare(Digits())
    assert prepared.spec.shape == (1, 16, 16)
    assert (len(prepared.training), len(prepared.held_out)) == (1437, 360)
    assert prepared.training.data.amin() == 0
    assert prepared.training.data.amax() == 255
    assert prepared.training.data.unique().numel() > 200, "resized as floats"
    share = labels(prepared, "held_out").bincount() / labels(prepared, "training").bincount()
    assert torch.allclose(share, torch.full((10,), 0.25), atol=0.01)


@pytest.mark.parametrize(
    ("layout", "modes", "count"), [("ring", None, 8), ("grid", None, 25), ("ring", 3, 3), ("grid", 1, 1)]
)
def test_gaussians_lie_round_their_means(layout, modes, count) -> None:
    plugin = Gaussians(layout=layout, modes=modes, training=20_000, held_out=5000)
    prepared = prepare(plugin)
    assert prepared.spec.kind == "points"
    assert (len(prepared.training), len(prepared.held_out)) == (20_000, 5000)
    means, mode = torch.from_numpy(plugin.means()), labels(prepared, "training")
    assert means.shape == (count, 2)
    assert means.abs().max() <= 0.8 + 1e-9
    off = prepared.training.data - means[mode]
    assert off.std().item() == pytest.approx(0.02, rel=0.03)
    within = (off.norm(dim=1) < 3 * 0.02).double().mean().item()
    assert within == pytest.approx(0.989, abs=0.003)  # 1 - exp(-9/2), in the plane
    shares = mode.bincount(minlength=count) / len(mode)
    assert torch.allclose(shares, torch.full((count,), 1 / count), atol=0.02)


def test_a_grid_of_gaussians_is_square() -> None:
    with pytest.raises(ValueError, match="a grid needs a square number of modes, such as 25, not 8"):
        Gaussians(layout="grid", modes=8)


def test_digits_at_their_own_size_are_the_originals() -> None:
    from sklearn.datasets import load_digits

    prepared = prepare(Digits(size=8, channels=3))
    both = torch.cat([prepared.training.data, prepared.held_out.data])
    assert torch.equal(both[:, 0], both[:, 2])
    sums = np.sort(np.round(load_digits().images * 255 / 16).sum((1, 2)))
    assert np.array_equal(np.sort(both[:, 0].double().sum((1, 2)).numpy()), sums)


@pytest.mark.parametrize("channels", [1, 3])
def test_photo_patches(channels: int) -> None:
    prepared = prepare(PhotoPatches(count=200, channels=channels, size=24))
    assert prepared.spec.shape == (channels, 24, 24)
    assert labels(prepared, "training").bincount().tolist() == [100, 100]
    assert labels(prepared, "held_out").bincount().tolist() == [25, 25]
    assert prepared.training.data.float().std(0).mean() > 20, "crops differ"


@pytest.mark.parametrize("crop", [4, pytest.param(48, marks=pytest.mark.slow), 64])
def test_no_pixel_of_a_photograph_is_in_both_parts(crop: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Photographs whose pixels tell their places: 16 bits in two of the channels each.
    place = np.arange(427 * 640, dtype=np.uint32)
    photo = np.stack([place >> 16, place >> 8 & 255, place & 255], -1).astype(np.uint8).reshape(427, 640, 3)
    monkeypatch.setattr("sklearn.datasets.load_sample_images", lambda: type("Bunch", (), {"images": [photo, photo]}))
    parts = PhotoPatches(count=2000, size=crop, crop=crop).load()

    def places(part: object) -> set[int]:
        crops = np.stack(part.samples).astype(np.uint32)  # type: ignore[attr-defined]
        return set((crops[:, 0] << 16 | crops[:, 1] << 8 | crops[:, 2]).ravel().tolist())

    training, held_out = places(parts.training), places(parts.held_out)
    assert not training & held_out
    assert len(held_out) > 0.02 * 427 * 640
    assert len(training) > 0.1 * 427 * 640


def test_start_up_stays_light() -> None:
    """Of `polygons` alone the samples themselves are torch's."""
    code = """
import importlib, pkgutil, sys
from gan_bench_plugins import datasets
for module in pkgutil.iter_modules(datasets.__path__):
    if "polygons" not in module.name:
        importlib.import_module(f"gan_bench_plugins.datasets.{module.name}")
print([name for name in ("torch", "torchvision", "sklearn", "PIL", "scipy") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_worker_imports_what_few_plugins_need() -> None:
    """Each imports every plugin as it starts: `scipy.stats` alone would take it a second and a half."""
    late = {"scipy", "sklearn", "pandas", "torchvision", "torchmetrics", "torch_fidelity"}
    for file in Path(gan_bench_plugins.__path__[0]).rglob("*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            assert not late & {name.partition(".")[0] for name in names}, f"{file}:{node.lineno}"
