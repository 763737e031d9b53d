"""Few held-out samples a class: a score by class that is asked for stops the grid, one that comes by default does not."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from gan_bench.commands.run import prepare_evaluators
from gan_bench.errors import GridError
from gan_bench.grid import load_grid
from gan_bench.planning.datasets import prepare_data
from gan_bench.scoring.real_scores import score_real_data

LABELLED = Path(__file__).parents[1] / "helpers" / "labelled.py"
GRID = """
name = "few"
dataset = { name = "folder", root = "pictures", size = 8, channels = 1, held_out = 0.3 }
architecture = "labelled"
seeds = [0]
steps = 4

[evaluate]
METRICS
features = "pixels"
samples = 40
"""


@pytest.fixture
def real(tmp_path):
    """Scores the real data of a grid with these metrics; returns what a person is told."""

    def real(metrics: str) -> str:
        random = np.random.default_rng(0)
        for name in ("cats", "dogs"):
            (tmp_path / "pictures" / name).mkdir(parents=True)
            for i in range(36):
                picture = Image.fromarray(random.integers(0, 256, (8, 8), dtype=np.uint8))
                picture.save(tmp_path / "pictures" / name / f"{i:02d}.png")
        (tmp_path / "grid.toml").write_text(GRID.replace("METRICS", metrics))
        grid, console = (
            load_grid(tmp_path / "grid.toml", registry_files=[LABELLED]),
            Console(file=io.StringIO(), width=500, markup=False),
        )
        data = prepare_data(grid, console)
        score_real_data(grid, tmp_path, data, prepare_evaluators(grid, data, "cpu", console), console)
        return console.file.getvalue()  # type: ignore[attr-defined]

    return real


def test_one_that_is_asked_for_stops_the_grid(real):
    with pytest.raises(
        GridError, match=r"evaluate.metrics\[1\]: class_fd can't be computed of folder: no class has 20 held"
    ):
        real('metrics = ["fid", "class_fd"]')


@pytest.mark.slow
def test_one_that_comes_by_default_does_not(real):
    said = real("")
    assert "Warning: class_fd can't be computed of folder: no class has 20 held-out samples" in said
    assert "class accuracy[classifier]: it is as good as its classifier" in said


def test_fewer_that_are_enough_can_be_said(real):
    said = real('metrics = ["fid", { name = "class_fd", least = 9 }]')
    assert re.search(
        r"class FD\[pixels\]: a class with as few as \d+ held-out samples has too few for the covariance of 64", said
    )
