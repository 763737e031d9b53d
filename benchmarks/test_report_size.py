"""The size of a report whose pictures can't be compressed, and how long it takes: 12 cells, 5 seeds, 20 snapshots.

pytest benchmarks/test_report_size.py
"""

from __future__ import annotations

import json

import fake_store
import numpy as np
import pytest
from PIL import Image

from gan_bench_reports.budget import PAGE
from gan_bench_reports.page import write_report

DCGAN = fake_store.BASELINE["architecture"]
DEPTHS = [
    (f"depth {d}", {"architecture.depth": d}, {"architecture": {**DCGAN, "depth": d}}, 1 + d / 50) for d in range(1, 13)
]


def noise(channels: int, size: int) -> np.ndarray:
    """A sample grid of noise."""
    side = 10 * (size + 1) + 1
    grid = np.random.default_rng().integers(0, 256, (side, side, channels), dtype=np.uint8)
    grid[:: size + 1] = grid[:, :: size + 1] = 255
    return grid[..., 0] if channels == 1 else grid


@pytest.fixture(params=[(1, 28), (3, 32), (3, 64)], ids=["grey 28x28", "colour 32x32", "colour 64x64"])
def store(request, tmp_path, monkeypatch):
    channels, size = request.param
    monkeypatch.setattr(fake_store, "COMPARISONS", [("Do more layers help?", ["architecture.depth"], DEPTHS)])
    store = fake_store.write_store(tmp_path / "noise", seeds=5, snapshots=20, steps=50_000, trouble=False)
    for run in (store / "runs").iterdir():
        document = json.loads((run / "run.json").read_text())
        document["dataset"]["shape"] = [channels, size, size]
        fake_store.write(run / "run.json", document)
    for file in store.rglob("samples.png"):
        Image.fromarray(noise(channels, size)).save(file, compress_level=1)
    return store


def test_report_of_noise(benchmark, store):
    told = benchmark.pedantic(write_report, args=([store], store / "report.html"), rounds=1)
    size = (store / "report.html").stat().st_size
    benchmark.extra_info.update(megabytes=size / 1e6, told=told)
    assert size < PAGE
