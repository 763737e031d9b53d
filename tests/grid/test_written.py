"""Grids written in Python: the same keys, the same cells, and errors that name a key."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grid_files import BASELINE, TOYS, only_toys  # noqa: F401 - a fixture

import gan_bench
from gan_bench.errors import GanBenchError, GridError
from gan_bench.grid import Grid, load_grid, schema, written
from gan_bench.grid.plain import toml_text

TABLES = [
    (gan_bench.Grid, schema.GridFile),
    (gan_bench.Evaluate, schema.Evaluate),
    (gan_bench.Compare, schema.Compare),
    (gan_bench.Search, schema.Search),
    (gan_bench.Cluster, schema.Cluster),
]
QUESTION = '\n[[compare]]\ntitle = "Wider?"\n"architecture.width" = [16, 32]\n'


def a_grid(**keys: Any) -> gan_bench.Grid:
    own: dict[str, Any] = {
        "name": "toy",
        "dataset": "mnist",
        "architecture": {"name": "dcgan", "width": 32},
        "seeds": [0, 1],
        "steps": 100,
        "compare": [gan_bench.Compare("Wider?", {"architecture.width": [16, 32]})],
    }
    return gan_bench.Grid(**own | keys)


def expanded(grid: Any, **options: Any) -> Grid:
    return load_grid(grid, registry_files=[TOYS], **options)


def courses(grid: Grid) -> tuple[Any, ...]:
    """All that decides what is trained and compared."""
    questions = [
        (one.title, one.axes, one.budget, [(level.label, level.reference, level.cell) for level in one.levels])
        for one in grid.comparisons
    ]
    return grid.name, grid.seeds, grid.steps, grid.epochs, grid.evaluate, questions, grid.cells


@pytest.mark.parametrize(("table", "model"), TABLES, ids=lambda one: one.__name__)
def test_its_keys_are_those_of_a_grid_file_and_say_what_they_mean(table, model):
    assert {field.name for field in fields(table)} - {"axes"} == set(model.model_fields)
    for field in model.model_fields.values():
        assert field.description in table.__doc__


def test_a_file_a_dictionary_and_a_grid_in_python_are_the_same(tmp_path):
    file = tmp_path / "grid.toml"
    file.write_text(BASELINE + QUESTION)
    of_file = courses(expanded(file))
    assert courses(expanded(tomllib.loads(file.read_text()))) == of_file
    assert courses(expanded(a_grid(tricks=[]))) == of_file


def test_what_python_has_becomes_what_a_file_would_have():
    grid = expanded(
        a_grid(
            seeds=range(3),
            steps=np.int64(50),
            optimizer={"lr": np.float64(1e-4), "betas": (0.5, 0.9)},
            evaluate=gan_bench.Evaluate(at_steps=np.array([25, 50]), features=None),
        )
    )
    assert (grid.seeds, grid.steps, grid.evaluate.at_steps) == ((0, 1, 2), 50, (25, 50))
    assert grid.baseline.settings["optimizer"]["generator"]["betas"] == [0.5, 0.9]


def test_the_text_for_the_store_is_the_same_grid_with_its_overrides(tmp_path):
    odd = 'A "question"\\ with ünïcode, [brackets] and = signs?'
    given = a_grid(compare=[{"title": odd, "architecture.width": [16, 32], "exclude": []}])
    grid = expanded(given, overrides=["optimizer.lr=1e-5"], seeds="0-2")
    copy = tmp_path / "grid.toml"
    copy.write_text(grid.text, encoding="utf-8")
    assert courses(expanded(copy)) == courses(grid)
    assert grid.comparisons[0].title == odd
    assert grid.baseline.settings["optimizer"]["generator"]["lr"] == 1e-5
    assert grid.arguments_in(tmp_path) == [str(copy), "--plugin", str(TOYS)]
    assert expanded(copy).arguments_in(tmp_path)[0] == str(copy)


def test_plugin_files_are_found_from_the_current_folder_and_by_the_store_s_copy(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_bytes(TOYS.read_bytes())
    monkeypatch.chdir(tmp_path)
    grid = load_grid(a_grid(plugins=[Path("mine.py")]))
    assert grid.plugin_files == (tmp_path / "mine.py",)
    store = tmp_path / "runs" / "toy"
    store.mkdir(parents=True)
    (store / "grid.toml").write_text(grid.text)
    assert courses(load_grid(store / "grid.toml")) == courses(grid)


def loop() -> dict[str, Any]:
    endless: dict[str, Any] = {"name": "dcgan"}
    return endless | {"more": endless.setdefault("more", endless)}


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"steps": 0}, "steps: must be at least 1 (found: 0)."),
        ({"steps": None}, "needs a length. Write epochs = ... or steps = ..."),
        ({"steps": "many"}, "steps: must be a whole number (found: 'many')."),
        ({"evaluate": gan_bench.Evaluate(samples=1)}, "evaluate.samples: must be at least 2 (found: 1)."),
        ({"evaluate": {"sample": 1}}, "evaluate.sample: is no known key (found: 1). Did you mean 'samples'?"),
        ({"compare": [gan_bench.Compare("", {"tricks": [[], ["a"]]})]}, "compare[0].title: must not be empty"),
        (
            {"compare": [gan_bench.Compare("?", ["tricks"])]},
            "compare.axes: must be a dictionary of a setting's path and",
        ),  # type: ignore[arg-type]
        ({"compare": [gan_bench.Compare("?", {"title": ["a"]})]}, "compare.axes.title: is no setting that can vary"),
        ({"compare": [gan_bench.Compare("?", {"axes": [1]})]}, "compare.axes.axes: is no setting that can vary"),
        ({"compare": [gan_bench.Compare("?", {"seeds": [1, 2]})]}, "compare[0].seeds: seeds is the same for all runs"),
        ({"optimizer": {"lr": float("nan")}}, "optimizer.lr: must be a finite number (found: nan)."),
        ({"dataset": object}, "dataset: a setting is text, a number, true or false, a list or a table"),
        ({"dataset": {1: 2}}, "dataset: keys are text (found: 1)."),
        ({"seeds": range(10**9)}, "seeds: a list of a grid has at most 100,000 items"),
        ({"architecture": loop()}, "lists and tables are nested more than 16 deep"),
    ],
)
def test_a_mistake_is_told_with_its_key_and_without_a_file(keys, said):
    with pytest.raises(GridError) as raised:
        a_grid(**keys)
    assert said in str(raised.value)
    assert ".toml" not in str(raised.value)
    assert not str(raised.value).startswith(".")


def test_a_plugin_s_mistake_is_told_alike():
    with pytest.raises(GridError, match=r"^architecture\.width: "):
        expanded(a_grid(architecture={"name": "dcgan", "width": -1}, compare=None))
    with pytest.raises(GridError, match=r"^--set steps=0: steps: must be at least 1"):
        expanded(a_grid(), overrides=["steps=0"])


def test_a_key_that_a_grid_does_not_have_is_python_s_own_error():
    with pytest.raises(TypeError, match="step"):
        a_grid(step=3)


def test_text_of_everything_that_a_table_can_hold_reads_back():
    document = {
        "a": [1, -2.5, 1e-300, True, "x\ny\t'\"\\\x7f\x00é", []],
        "b.c": {"d e": {}, "": [[{"x": 1}], [[]]]},
        "f": [{"g": [{"h": 1}]}],
    }
    assert tomllib.loads(toml_text(document)) == document


def test_ipython_shows_the_message_alone():
    with pytest.raises(GanBenchError) as raised:
        a_grid(steps=0)
    assert raised.value._render_traceback_() == ["GridError: steps: must be at least 1 (found: 0)."]


def test_tables_are_mappings_of_what_was_given():
    assert dict(gan_bench.Evaluate(samples=3)) == {"samples": 3}
    assert dict(gan_bench.Compare("?", {"tricks": [[]]})) == {"title": "?", "tricks": [[]]}
    assert written.Table in gan_bench.Grid.__mro__
