"""`select`, `balance`, `flip` and `crop` in a grid file: settings of any dataset, axes, checked where they stand."""

from __future__ import annotations

import pytest
from grid_files import BASELINE, FOLDER, TOYS, compared, load, only_toys  # noqa: F401 - a fixture

from gan_bench.api.kinds import Dataset
from gan_bench.api.registry import Registry
from gan_bench.cli.plugins import describe
from gan_bench.errors import GridError, ParameterError
from gan_bench.findings.settings_text import flatten
from gan_bench.grid import cell_from_settings
from gan_bench.grid.json_schema import grid_schema

DEFAULTS = {"subset": 1.0, "select": 1.0, "balance": False, "flip": False, "crop": 1.0}
FIRST = {"select": "0.75", "balance": "false", "flip": "false", "crop": "0.75"}  # a level that is right
SHARE = "must be the share of the training samples to keep, more than 0 and at most 1.0"
CROP = "must be a share of a picture's height and width, more than 0 and at most 1.0, or the number of pixels of both"
FAULTS = {
    "flip = 1": "dataset.flip: must be true or false (found: 1).",
    'balance = "yes"': "dataset.balance: must be true or false (found: 'yes').",
    "crop = 1": f"dataset.crop: {CROP}, a whole one from 2 (found: 1).",
    "crop = 0.0": f"dataset.crop: {CROP}, a whole one from 2 (found: 0.0).",
    "select = 0": f"dataset.select: {SHARE}, or a table such as {{ keep = 0.5, features = ... }} (found: 0).",
    "select = 500": f"dataset.select: {SHARE}, or a table such as {{ keep = 0.5, features = ... }} (found: 500).",
    "select = true": f"dataset.select: {SHARE}, or a table such as {{ keep = 0.5, features = ... }} (found: True).",
    "select = { keep = 2.0 }": f"dataset.select.keep: {SHARE} (found: 2.0).",
    "select = { kepe = 0.5 }": "dataset.select.kepe: is no part of select (found: 0.5). Did you mean 'keep'?",
    'select = { features = "random" }': "dataset.select: needs keep, the share of the training samples to keep (found: ",
    "select = { keep = 0.5, features = 3 }": "dataset.select.features: must be a name in quotes, or a table such as",
    "select = { keep = 0.5, features = {} }": "dataset.select.features: needs a name (found: {}).",
    'select = { keep = 0.5, features = "rndom" }': "dataset.select.features: no feature extractor is called 'rndom'. Did",
    'select = { keep = 0.5, features = { name = "random", step = 1 } }': "dataset.select.features.step: is no parameter of ran",
}


def with_dataset(parameters: str) -> str:
    return BASELINE.replace('"mnist"', f'{{ name = "mnist", {parameters} }}')


@pytest.mark.parametrize("parameters", FAULTS)
def test_mistakes_are_told_with_their_line(parameters):
    with pytest.raises(GridError) as error:
        load(with_dataset(parameters))
    assert f"grid.toml:2: {FAULTS[parameters]}" in str(error.value)
    name, _, value = parameters.partition(" = ")
    with pytest.raises(GridError) as error:
        compared(f'"dataset.{name}" = [{"false" if name in ("flip", "balance") else 0.75},\n{value}]')
    assert f"grid.toml:11: {FAULTS[parameters]}" in str(error.value)


@pytest.mark.parametrize(
    ("axis", "labels", "differs"),
    [
        ('"dataset.flip" = [false, true]', ["flip false", "flip true"], [False, True]),
        ('"dataset.crop" = [1.0, 0.5, 14]', ["crop 1.0", "crop 0.5", "crop 14"], [1.0, 0.5, 14]),
        (
            '"dataset.select" = [1.0, 0.5, { keep = 0.5, features = "random" }]',
            ["select 1.0", "select 0.5", "select (keep 0.5, features random)"],
            [1.0, 0.5, {"keep": 0.5, "features": {"name": "random"}}],
        ),
    ],
)
def test_they_are_axes_whose_labels_can_be_read(axis, labels, differs):
    grid = compared(axis)
    levels = grid.comparisons[0].levels
    assert [level.label for level in levels] == labels
    assert [level.reference for level in levels] == [level.cell == grid.baseline for level in levels]
    assert [cell.label for cell in grid.cells] == [f"dcgan, {label}" for label in labels]
    assert [list(cell.differs.values()) for cell in grid.cells] == [[value] for value in differs]
    for cell in grid.cells:
        again = cell_from_settings(cell.settings, grid.registry)
        assert (again.key, again.dataset) == (cell.key, cell.dataset)


def test_what_is_in_a_table_is_an_axis_as_well():
    own = with_dataset('select = { keep = 0.5, features = "random" }')
    grid = compared('"dataset.select.features" = ["random", { name = "classifier", steps = 5 }]', baseline=own)
    assert [level.label for level in grid.comparisons[0].levels] == ["features random", "features classifier (steps 5)"]
    assert grid.varying == ("dataset.select",)
    assert grid.cells[1].label == "dcgan, select (keep 0.5, features classifier (steps 5))"


def test_equal_selections_are_equal_settings():
    assert load(with_dataset("select = 0.5")).baseline == load(with_dataset("select = { keep = 0.5 }")).baseline
    by_name = load(with_dataset('select = { keep = 0.5, features = "random" }')).baseline
    assert by_name == load(with_dataset('select = { keep = 0.5, features = { name = "random" } }')).baseline
    defaults = with_dataset("subset = 1.0, select = 1, balance = false, flip = false, crop = 1.0")
    assert load(defaults).baseline.key == load(BASELINE).baseline.key
    assert load(BASELINE).baseline.settings["dataset"] == {"name": "mnist", "size": 28}


def test_results_have_one_value_of_each():
    settings = load(with_dataset('flip = true, select = { keep = 0.5, features = "random" }')).baseline.settings
    flat = flatten(settings)
    assert (flat["dataset.flip"], flat["dataset.select"]) == (True, "(keep 0.5, features random)")
    assert not [path for path in flat if path.startswith("dataset.select.")]


POINTS = '''
from gan_bench.api.hooks import hookimpl
from gan_bench.api.kinds import Dataset


class Places(Dataset):
    """Points."""

    name = "places"
    kind = "points"
    shape = (2,)

    def load(self):
        raise AssertionError("reading a grid file decodes nothing")


class Turned(Places):
    """Has a parameter of that name already."""

    name = "turned"
    flip: bool = False


@hookimpl
def gan_bench_datasets():
    return [Places, Turned]
'''


@pytest.mark.parametrize("parameters", ["flip = true", "crop = 0.5", "crop = 2"])
def test_points_are_not_changed_as_pictures_are(parameters):
    def loaded(name: str) -> Dataset:
        (FOLDER / "places.py").write_text(POINTS)
        table = f'{{ name = "{name}", {parameters} }}'
        return load('plugins = ["places.py"]\n' + BASELINE.replace('"mnist"', table)).baseline.dataset

    with pytest.raises(GridError) as error:
        loaded("places")
    key = parameters.partition(" ")[0]
    rule = f"grid.toml:3: dataset.{key}: changes pictures, and the samples of places are points (found: "
    assert rule in str(error.value)
    assert str(error.value).endswith("Leave it out.")
    if key == "flip":
        assert loaded("turned").flip


def test_what_the_data_do_not_have_is_told_where_it_was_asked_for():
    grid = compared('"dataset.balance" = [false,\ntrue]')
    error = grid.data_error(
        grid.cells[1], ParameterError("dataset mnist: 3 of 40 training samples have no class", "balance")
    )
    assert "grid.toml:11: dataset.balance: 3 of 40 training samples have no class (found: True)." in str(error)


def test_every_dataset_lists_them_after_its_own():
    registry = Registry.load([TOYS])
    for found in (found for found in registry.found if found.kind == "dataset"):
        names = [parameter["name"] for parameter in describe(found, (1, 28, 28))["parameters"]]
        assert names[-5:] == list(DEFAULTS)
        assert all(parameter["description"] for parameter in describe(found, (1, 28, 28))["parameters"][-5:])
    schema = grid_schema(registry)["$defs"]["dataset.mnist"]["properties"]
    assert set(DEFAULTS) <= schema.keys()
    assert {option["type"] for option in schema["select"]["anyOf"]} == {"number", "object"}


def test_a_grid_file_of_them_is_valid_by_the_schema():
    jsonschema = pytest.importorskip("jsonschema")
    registry = Registry.load([TOYS])
    document = {
        "name": "x",
        "dataset": {"name": "mnist", "flip": True, "crop": 14},
        "architecture": "dcgan",
        "steps": 5,
    }
    document["dataset"]["select"] = {"keep": 0.5, "features": "random"}
    jsonschema.validate(document, grid_schema(registry))
    for wrong in ({"flip": 1}, {"select": 2.0}, {"crop": -3}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**document, "dataset": {**document["dataset"], **wrong}}, grid_schema(registry))
