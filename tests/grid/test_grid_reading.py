"""Grid files and the command line, line numbers, and the JSON Schema."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import reduce
from pathlib import Path

import pytest
from grid_files import BASELINE, FOLDER, TOYS, compared, load, only_toys  # noqa: F401 - a fixture

from gan_bench.grid import load_grid
from gan_bench.grid.json_schema import grid_schema
from gan_bench.grid.toml import line_of

ROOT = Path(__file__).parents[2]


def test_overrides():
    grid = compared(
        '"architecture.depth" = [1, 2]',
        baseline=BASELINE.replace("tricks = []", 'tricks = ["label_noise"]'),
        overrides=[
            "name=other",
            "architecture.width=16",
            "architecture.kernel = 3",
            "tricks.label_noise.amount=0.5",
            "optimizer.discriminator.lr=0.5",
            "epochs=3",
            "evaluate.samples=500",
            "evaluate.at_epochs=[1, 2]",
            "evaluate.features.steps=7",
            "dataset.size=14",
        ],
        seeds="4-5",
    )
    cell = grid.baseline
    assert (grid.name, grid.seeds, grid.epochs, grid.steps) == ("other", (4, 5), 3, None)
    assert (cell.architecture.width, cell.architecture.kernel, cell.tricks[0].amount) == (16, 3, 0.5)
    assert (cell.optimizer["discriminator"].lr, cell.optimizer["generator"].lr) == (0.5, 1e-4)
    assert (grid.evaluate.samples, grid.evaluate.at_epochs) == (500, (1, 2))
    assert grid.evaluate.features == {"name": "classifier", "steps": 7}
    assert cell.dataset.size == 14
    assert load(BASELINE, overrides=["architecture=fcgan"]).baseline.architecture.width == 256


def test_plugin_files_beside_the_grid():
    (FOLDER / "own.py").write_text(TOYS.read_text())
    (FOLDER / "own.toml").write_text(BASELINE + 'plugins = ["own.py"]\n')
    assert load_grid(FOLDER / "own.toml").plugin_files == ((FOLDER / "own.py").resolve(),)


def test_mistakes_are_found_before_torch_is_imported():
    (FOLDER / "bad.toml").write_text(BASELINE + "[[compare]]\ntitle = 'q'\nbatch_size = [64, 0]\n")
    code = (
        "import sys; from pathlib import Path; from gan_bench.errors import GridError; from gan_bench.grid import load_grid\n"
        "try: load_grid(Path(sys.argv[1]))\n"
        "except GridError as error: print(error)\n"
        "print('torch' in sys.modules, 'tomlkit' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, FOLDER / "bad.toml"], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == f"{FOLDER / 'bad.toml'}:9: batch_size: must be at least 1 (found: 0).\nFalse True\n", (
        done.stderr
    )


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("name",), 1),
        (("text",), 2),
        (("tricks",), 5),
        (("tricks", 1), 7),
        (("tricks", 1, "amount"), 7),
        (("optimizer",), 9),
        (("optimizer", "betas", 1), 11),
        (("optimizer", "discriminator"), 12),
        (("optimizer", "discriminator", "lr"), 13),
        (("evaluate", "samples"), 14 + 2),
        (("compare",), 17),
        (("compare", 0, "architecture.depth", 1), 19),
        (("compare", 1), 20),
        (("compare", 1, "architecture", "depth", 1), 23),
        (("compare", 1, "exclude", 0, "tricks", 0), 24),
        (("compare", 1, "no such key"), 20),
        (("no such key",), None),
        ((), None),
    ],
)
def test_lines(path, line):
    text = '''name = "x"
text = """
two lines"""
# comment
tricks = [
  "ema",
  { name = "label_noise", amount = 1 },
]
[optimizer]  # comment
betas = [0.5,
  0.9]
[optimizer.discriminator]
lr = 1

[evaluate]
samples = 3
[[compare]]
title = "a"
"architecture.depth" = [1, 2]
[[compare]]
title = "b"
architecture.depth = [1,
  2]
exclude = [{ "architecture.depth" = 1, tricks = ["ema"] }]
'''
    assert line_of(text, path) == line


def test_json_schema_has_core_keys_and_plugins():
    schema = grid_schema(load(BASELINE).registry)
    definitions = schema["$defs"]
    assert {"const": "dcgan", "description": "Convolutions."} in definitions["architecture"]["anyOf"]
    depth = definitions["architecture.dcgan"]["properties"]["depth"]
    assert (depth["minimum"], depth["maximum"], depth["default"], depth["description"]) == (1, 6, 2, "stages")
    assert definitions["architecture.dcgan"]["additionalProperties"] is False
    assert definitions["dataset.folder"]["required"] == ["name", "root"]
    assert schema["properties"]["steps"]["description"]
    assert all("description" in value for value in schema["properties"].values())
    json.dumps(schema)

    def references(value):
        if isinstance(value, dict):
            yield from [value["$ref"]] if "$ref" in value else []
            for item in value.values():
                yield from references(item)
        elif isinstance(value, list):
            for item in value:
                yield from references(item)

    for reference in references(schema):
        assert reduce(lambda place, key: place[key], reference.split("/")[1:], schema)
