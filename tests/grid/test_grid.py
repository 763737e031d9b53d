"""Grid files that are right: what they expand to."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from grid_files import BASELINE, FOLDER, compared, load, only_toys, toml  # noqa: F401 - a fixture

from gan_bench.errors import GanBenchError

HOMEWORK = """\
name = "homework"
dataset = "mnist"
architecture = { name = "dcgan", depth = 2, width = 64 }
tricks = []
seeds = "0-2"
epochs = 200

[[compare]]
title = "Do more layers help?"
"architecture.depth" = [1, 2, 3]

[[compare]]
title = "Convolutional or fully connected?"
architecture = ["dcgan", "fcgan"]

[[compare]]
title = "Which tricks help, at which depth?"
"architecture.depth" = [1, 2]
tricks = [[], ["label_noise"], ["ema"]]
exclude = [{ "architecture.depth" = 1, tricks = ["ema"] }]
"""


def labels(grid, number=0):
    return [level.label for level in grid.comparisons[number].levels]


def references(grid, number=0):
    return [level.label for level in grid.comparisons[number].levels if level.reference]


def depths(grid):
    return [level.cell.architecture.depth for level in grid.comparisons[0].levels]


def test_example_of_the_design():
    grid = load(HOMEWORK)
    assert (grid.name, grid.seeds, grid.epochs, grid.steps) == ("homework", (0, 1, 2), 200, None)
    assert [comparison.axes for comparison in grid.comparisons] == [
        ("architecture.depth",),
        ("architecture",),
        ("architecture.depth", "tricks"),
    ]
    assert labels(grid, 2) == [
        "depth 1, no tricks",
        "depth 1, label_noise",
        "depth 2, no tricks",
        "depth 2, label_noise",
        "depth 2, ema",
    ]
    assert [references(grid, number) for number in range(3)] == [["depth 2"], ["dcgan"], ["depth 2, no tricks"]]
    # 3 + 2 + 5 levels; depth 2 stands in all three comparisons, depth 1 in two.
    assert len(grid.cells) == 7
    assert grid.baseline in grid.cells
    assert grid.varying == ("architecture", "architecture.depth", "architecture.width", "tricks")
    assert [cell.label for cell in grid.cells][:4] == [
        "dcgan, depth 1, no tricks",
        "dcgan, depth 2, no tricks",
        "dcgan, depth 3, no tricks",
        "fcgan, no tricks",
    ]
    assert grid.cells[-1].differs == {
        "architecture": "dcgan",
        "architecture.depth": 2,
        "architecture.width": 64,
        "tricks": "ema",
    }
    assert grid.comparisons[2].levels[1].values == {"architecture.depth": 1, "tricks": ["label_noise"]}


def test_defaults():
    grid = load('name = "x"\ndataset = "mnist"\narchitecture = "dcgan"\nsteps = 5')
    assert (grid.seeds, grid.steps, grid.epochs, grid.cells) == (tuple(range(8)), 5, None, (grid.baseline,))
    cell = grid.baseline
    assert (cell.batch_size, cell.tricks, cell.label, cell.differs) == (256, (), "dcgan", {})
    assert cell.optimizer["generator"] == cell.optimizer["discriminator"]
    assert cell.settings["optimizer"]["generator"] == {
        "name": "adam",
        "lr": 1e-4,
        "weight_decay": 0,
        "betas": [0.9, 0.999],
        "eps": 1e-8,
    }
    assert grid.evaluate.snapshots == 8
    asked = grid.evaluate.of("image", labelled=True)
    assert [metric["name"] for metric in asked.metrics] == ["kid", "precision_recall", "precision_recall"]
    assert asked.features == {"name": "classifier"}
    assert grid.headlines == ((0, ""), (1, "precision"), (2, "recall"))
    unlabelled = grid.evaluate.of("image", labelled=False)
    assert [metric["name"] for metric in unlabelled.metrics] == ["kid", "precision_recall", "density_coverage"]
    assert unlabelled.features == {"name": "random"}
    assert grid.evaluate.of("points", labelled=True).features == {"name": "pixels"}
    assert (grid.evaluate.samples, grid.evaluate.keep) == (10_000, "all")


@pytest.mark.parametrize(("text", "seeds"), [('"0-4,7"', (0, 1, 2, 3, 4, 7)), ('"5"', (5,)), ("[3, 1]", (3, 1))])
def test_seeds(text, seeds):
    assert load(BASELINE.replace("[0, 1]", text)).seeds == seeds


# ---- plugins and their parameters


def test_own_plugin_keeps_parameters_and_another_takes_defaults():
    grid = compared('architecture = ["dcgan", "fcgan", { name = "dcgan", depth = 3 }]')
    found = [(level.cell.architecture.depth, level.cell.architecture.width) for level in grid.comparisons[0].levels]
    assert found == [(2, 32), (3, 256), (3, 32)]
    assert labels(grid) == ["dcgan", "fcgan", "dcgan, depth 3"]


def test_order_of_axes_in_the_file_does_not_matter():
    grid = compared('"architecture.depth" = [1, 4]\narchitecture = ["dcgan", "fcgan"]')
    assert depths(grid) == [1, 1, 4, 4]
    assert [level.cell.architecture.name for level in grid.comparisons[0].levels] == ["dcgan", "fcgan"] * 2


def test_default_and_written_out_parameters_are_equal_cells():
    grid = compared(
        '"architecture.depth" = [2, 3]', '"architecture.slope" = [0.0, 0.5]', 'architecture = ["dcgan", "fcgan"]'
    )
    assert len(grid.cells) == 4
    assert len({level.cell for comparison in grid.comparisons for level in comparison.levels if level.reference}) == 1


def test_trick_in_a_level_keeps_the_baselines_parameters():
    baseline = BASELINE.replace("tricks = []", 'tricks = [{ name = "label_noise", amount = 0.2 }]')
    grid = compared('tricks = [[], ["label_noise", "ema"]]', baseline=baseline)
    assert grid.comparisons[0].levels[1].cell.tricks[0].amount == 0.2
    assert grid.cells[1].label == "dcgan, label_noise (amount 0.2) + ema"


def test_path_into_a_trick():
    baseline = BASELINE.replace("tricks = []", 'tricks = ["ema", "label_noise"]')
    grid = compared('"tricks.label_noise.amount" = [0.05, 0.1]', baseline=baseline)
    assert [level.cell.tricks[1].amount for level in grid.comparisons[0].levels] == [0.05, 0.1]
    assert labels(grid) == ["label_noise amount 0.05", "label_noise amount 0.1"]
    assert references(grid) == ["label_noise amount 0.05"]
    assert [cell.label for cell in grid.cells] == ["dcgan, ema + label_noise", "dcgan, ema + label_noise (amount 0.1)"]


def test_tricks_and_a_parameter_of_one():
    grid = compared('"tricks.label_noise.amount" = [0.1, 0.2]\ntricks = [["ema", "label_noise"], ["label_noise"]]')
    assert [[trick.name for trick in cell.tricks] for cell in grid.cells] == [
        ["ema", "label_noise"],
        ["label_noise"],
    ] * 2
    assert references(grid) == ["label_noise amount 0.1, ema + label_noise"]
    kept = compared(
        '"tricks.label_noise.amount" = [0.1, 0.2]\ntricks = [[], ["label_noise"]]\nexclude = [{ tricks = [] }]'
    )
    assert labels(kept) == ["label_noise amount 0.1, label_noise", "label_noise amount 0.2, label_noise"]


def test_dataset_and_its_parameters_are_axes():
    grid = compared(
        'dataset = ["mnist", { name = "folder", root = "a" }, { name = "folder", root = "b" }]',
        '"dataset.size" = [28, 14]',
    )
    assert labels(grid) == ["mnist", "folder, root a", "folder, root b"]
    assert labels(grid, 1) == ["size 28", "size 14"]
    assert len({cell.label for cell in grid.cells}) == 4
    two = compared('dataset = ["mnist", { name = "folder", root = "a" }]')
    assert two.varying == ("dataset",)  # where the data lies is no difference between two datasets


def test_root_is_looked_for_beside_the_grid_file():
    (FOLDER / "cats").mkdir(exist_ok=True)
    for root, found in (("cats", FOLDER / "cats"), ("dogs", Path("dogs")), ("/cats", Path("/cats"))):
        baseline = BASELINE.replace('"mnist"', toml({"name": "folder", "root": root}))
        assert load(baseline).baseline.dataset.root == found


# ---- optimisers


def test_data_errors_are_told_where_the_grid_names_the_dataset():
    grid = compared('dataset = [{ name = "folder", root = "nowhere" },\n { name = "folder", root = "/gone" }]')
    error = GanBenchError("dataset folder: there is no folder /gone.")
    file = FOLDER / "grid.toml"
    assert str(grid.data_error(grid.cells[1], error)) == f"{file}:11: dataset: there is no folder /gone."
    told = str(grid.data_error(grid.cells[0], error))
    assert told.startswith(
        f"{file}:10: dataset: there is no folder /gone. A relative `root` is looked for in {FOLDER}, "
    )
    assert str(grid.data_error(grid.baseline, KeyError("x"))) == f"{file}:2: dataset: KeyError: 'x'."
    of_axis = compared(
        '"dataset.root" = ["/a", "/b"]', baseline=BASELINE.replace('"mnist"', '{ name = "folder", root = "/a" }')
    )
    assert str(of_axis.data_error(of_axis.cells[1], error)).startswith(f"{file}:10: dataset: ")


@pytest.mark.slow
def test_many_cells_are_expanded_quickly():
    lines = f'"architecture.width" = {list(range(1, 101))}\n"optimizer.lr" = {[n / 1000 for n in range(1, 101)]}'
    start = time.process_time()
    assert len(compared(lines, baseline=BASELINE.replace("[0, 1]", "[0]")).cells) == 10_000
    assert time.process_time() - start < 6  # it takes about 1.4 s


def test_optimizer_axes():
    grid = compared(
        '"optimizer.lr" = [1e-4, 1e-3]',
        '"optimizer.discriminator.lr" = [1e-4, 4e-4]\n"optimizer.generator.lr" = [1e-4, 2e-4]',
    )
    assert labels(grid) == ["lr 0.0001", "lr 0.001"]
    assert labels(grid, 1)[-1] == "D lr 0.0004, G lr 0.0002"
    assert grid.varying == ("optimizer.generator.lr", "optimizer.discriminator.lr")
    settings = grid.comparisons[1].levels[2].cell.optimizer
    assert (settings["discriminator"].lr, settings["generator"].lr) == (4e-4, 1e-4)
    same = compared('"optimizer.lr" = [1e-4, 1e-3]')
    assert same.varying == ("optimizer.lr",)
    assert [cell.label for cell in same.cells] == ["dcgan, lr 0.0001", "dcgan, lr 0.001"]
    sgd = compared('"optimizer.discriminator" = [{ name = "adam" }, { name = "sgd", lr = 0.1 }]')
    assert labels(sgd) == ["D optimizer adam", "D optimizer sgd (lr 0.1)"]
    assert sgd.cells[1].label == "dcgan, D optimizer sgd, D lr 0.1"  # and not the generator's


def test_another_optimizer_takes_its_own_defaults():
    baseline = BASELINE + "[optimizer]\nlr = 0.5\nbetas = [0.5, 0.9]\n[optimizer.discriminator]\nbetas = [0.1, 0.9]\n"
    named = compared(
        '"optimizer.name" = ["adam", "sgd"]',
        'optimizer = ["adam", { name = "sgd", momentum = 0.9 }]',
        baseline=baseline,
    )
    adam, sgd = (level.cell.optimizer for level in named.comparisons[0].levels)
    assert adam["discriminator"].model_dump() == {**adam["generator"].model_dump(), "betas": (0.1, 0.9)}
    assert sgd["generator"].model_dump() == {"name": "sgd", "lr": 0.01, "weight_decay": 0, "momentum": 0}
    assert labels(named) == ["adam", "sgd"]
    assert labels(named, 1) == ["adam", "sgd, momentum 0.9"]
    one = load(BASELINE + '[optimizer]\nbetas = [0.5, 0.9]\n[optimizer.generator]\nname = "rmsprop"\n')
    assert one.baseline.optimizer["generator"].model_dump()["alpha"] == 0.99
    assert one.baseline.optimizer["discriminator"].model_dump()["betas"] == (0.5, 0.9)


# ---- references, exclusions, labels


@pytest.mark.parametrize(
    ("lines", "reference"),
    [
        ('"architecture.depth" = [1, 3]', "depth 1"),  # none is the baseline's: the first
        ('"architecture.depth" = [1, 2, 3]\nreference = 3', "depth 3"),
        ('"architecture.depth" = [1, 2]\nreference = { "architecture.depth" = 1 }', "depth 1"),
        ('"architecture.depth" = [1, 2]\nreference = { architecture.depth = 1 }', "depth 1"),
        (
            'architecture = ["dcgan", { name = "dcgan", depth = 3 }]\nreference = { name = "dcgan", depth = 3 }',
            "dcgan, depth 3",
        ),
        ('tricks = [["ema"], []]', "no tricks"),
        ('tricks = [[], ["ema"]]\nreference = ["ema"]', "ema"),
        ('"architecture.depth" = [1, 2]\nbatch_size = [64, 256]', "depth 2, batch_size 256"),
        ('"architecture.depth" = [1, 2]\nbatch_size = [64, 128]', "depth 2, batch_size 64"),
        (
            '"architecture.depth" = [1, 2]\nbatch_size = [64, 256]\nreference = { batch_size = 64 }',
            "depth 2, batch_size 64",
        ),
        (
            '"architecture.depth" = [1, 2]\nbatch_size = [64, 256]\nexclude = [{ architecture.depth = 2 }]',
            "depth 1, batch_size 64",
        ),
    ],
)
def test_reference(lines, reference):
    assert references(compared(lines)) == [reference]


def test_exclusions():
    lines = 'architecture = ["dcgan", "fcgan"]\n"architecture.depth" = [1, 2, 3]\n'
    quoted = compared(
        lines + 'exclude = [{ architecture = "fcgan", "architecture.depth" = 1 }, { "architecture.depth" = 3 }]'
    )
    assert labels(quoted) == ["dcgan, depth 1", "dcgan, depth 2", "fcgan, depth 2"]
    unquoted = compared(lines + "exclude = [{ architecture.depth = 3 }]")
    assert len(labels(unquoted)) == 4


def test_labels_of_tricks_and_levels_that_look_alike():
    grid = compared(
        'tricks = [[], [{ name = "label_noise", amount = 0.1 }, "ema"], ["ema", { name = "label_noise", amount = 0.1 }]]'
    )
    assert labels(grid) == ["no tricks", "label_noise (amount 0.1) + ema", "ema + label_noise (amount 0.1)"]
    two = compared('"architecture.depth" = [1, 2]\n"optimizer.discriminator.lr" = [1, 2]\n"tricks.ema.decay" = [0.5, 0.9]',
                   baseline=BASELINE.replace("tricks = []", 'tricks = ["ema"]'))  # fmt: skip
    assert labels(two)[0] == "depth 1, D lr 1, ema decay 0.5"


def test_budget():
    assert compared('batch_size = [64, 128]\nbudget = "images"').comparisons[0].budget == "images"
