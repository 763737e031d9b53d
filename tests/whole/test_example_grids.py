"""The grids in grids/ fit the built-in plugins."""

from __future__ import annotations

from pathlib import Path

import pytest

from gan_bench.grid import Grid, load_grid

GRIDS = Path(__file__).parents[2] / "grids"


@pytest.mark.parametrize("file", sorted(GRIDS.glob("*.toml")), ids=lambda file: file.stem)
def test_no_example_has_a_mistake(file):
    grid = load_grid(file)
    assert grid.name == file.stem
    assert grid.registry.broken == []


def cells(grid: Grid, title: str) -> list[str]:
    (comparison,) = (one for one in grid.comparisons if one.title == title)
    return [level.label for level in comparison.levels]


def test_quickstart():
    grid = load_grid(GRIDS / "quickstart.toml")
    assert grid.baseline.dataset.spec().shape == (1, 16, 16)
    assert len(grid.cells) == 3
    assert len(grid.seeds) == 8
    assert [level.cell for comparison in grid.comparisons for level in comparison.levels].count(grid.baseline) == 2


def test_homework_is_the_origins_report():
    grid = load_grid(GRIDS / "homework.toml")
    baseline = grid.baseline
    assert baseline.dataset.spec().shape == (1, 28, 28)
    assert (baseline.architecture.latent, baseline.architecture.depth, baseline.architecture.width) == (100, 2, 64)
    assert (baseline.architecture.kernel, baseline.architecture.slope, baseline.architecture.dropout) == (5, 0.3, 0.3)
    assert baseline.optimizer["generator"].model_dump() == baseline.optimizer["discriminator"].model_dump()
    assert (baseline.optimizer["generator"].name, baseline.optimizer["generator"].lr) == ("adam", 1e-4)
    assert grid.epochs == 2000
    assert {15, 45, 150, 405, 900, 1075, 1180, 1900} < set(grid.evaluate.at_epochs)
    assert cells(grid, "Do more layers help?") == ["depth 1", "depth 2", "depth 3"]  # question 4
    tricks = ["no tricks", "input_noise", "label_noise", "d_every", "d_lr"]  # questions 5 and 6
    assert cells(grid, "Which tricks help, at which depth?") == [f"depth {n}, {t}" for n in (1, 2) for t in tricks]
    assert cells(grid, "Convolutional or fully connected?") == ["dcgan", "fcgan"]  # question 7
    assert len(cells(grid, "Digits, or cats and dogs?")) == 2
    assert cells(grid, "Label noise, or its mean?") == ["no tricks", "label_noise", "label_shift"]
    assert len(grid.cells) == 14


def test_ganhacks_asks_of_each_point_that_is_a_choice():
    grid = load_grid(GRIDS / "ganhacks.toml")
    baseline = grid.baseline
    assert baseline.dataset.spec().shape == (1, 8, 8)
    against = cells(grid, "What is lost against points 2, 3, 5 and 11?")
    assert against == ["no tricks", "saturating", "latents (distribution uniform)", "d_pooling", "loss_balance"]
    won = cells(grid, "What do points 6, 8, 13 to 15 and 17 win?")
    for trick in ("soft_labels", "label_flip", "soft_labels + label_flip", "history", "old_generators", "g_noise"):
        assert trick in won
    for trick in ("input_noise", "d_steps", "minibatch_discrimination", "g_dropout"):
        assert any(label.startswith(trick) for label in won)
    norms = cells(grid, "With BatchNorm in D, do real and fake want batches of their own?")  # point 4
    assert norms == ["d_norm", "d_norm + mixed_batches", "d_norm (kind instance)"]
    assert cells(grid, "LeakyReLU or ReLU?") == ["slope 0.3", "slope 0.0"]
    assert len(cells(grid, "Convolutional or fully connected?")) == 2
    assert cells(grid, "Do labels help?") == [
        "conditional none",
        "conditional auxiliary",
        "conditional concat",
    ]  # 12 and 16
    sgd = grid.comparisons[5].levels[1].cell.optimizer  # point 9
    assert (sgd["generator"].name, sgd["discriminator"].name) == ("adam", "sgd")
    assert (len(grid.cells), len(grid.seeds)) == (24, 12)


def test_tricks_asks_of_the_whole_canon_at_once():
    grid = load_grid(GRIDS / "tricks.toml")
    (comparison,) = grid.comparisons
    alone = [level.cell.tricks[0].name for level in comparison.levels if len(level.cell.tricks) == 1]
    assert len(comparison.levels) == len(grid.cells) == 49
    assert len(grid.seeds) == 16
    assert 120 <= 3 * (len(comparison.levels) - 1) <= 150  # tests: each level by quality, diversity and distance
    bundled = {f.name for f in grid.registry.found if f.kind == "trick" and f.origin.startswith("package gan-bench")}
    elsewhere = {
        "loss_balance",
        "d_norm",
        "d_pooling",
        "mixed_batches",
        "old_generators",
        "soft_labels",
    }  # in ganhacks.toml
    no_question_here = {"dropout_off", "label_shift"}  # no dropout; the control of label_noise
    assert bundled - {*alone} == elsewhere | no_question_here


def test_modern_tells_networks_from_what_they_are_trained_with():
    grid = load_grid(GRIDS / "modern.toml")
    assert grid.baseline.dataset.spec().shape == (3, 16, 16)
    assert cells(grid, "Residual networks, or spectral normalisation and hinge?") == [
        "dcgan, no tricks",
        "dcgan, spectral_norm + hinge",
        "resnet, width 32, width_d 32, no tricks",
        "resnet, width 32, width_d 32, spectral_norm + hinge",
    ]
    assert {cell.architecture.name for cell in grid.cells} == {"dcgan", "resnet", "r3gan", "stylegan2"}
    assert len(grid.cells) == 10  # 3 times 4, of which the baseline stands in all
