"""`subset` in a grid file: a setting of any dataset, an axis, checked where it stands."""

from __future__ import annotations

import pytest
from grid_files import BASELINE, compared, load, only_toys  # noqa: F401 - a fixture

from gan_bench.errors import GridError, ParameterError
from gan_bench.grid import cell_from_settings


def with_dataset(table: str) -> str:
    return BASELINE.replace('"mnist"', table)


def test_it_is_an_axis_and_all_of_the_data_are_the_baseline():
    grid = compared('"dataset.subset" = [0.1, 10_000, 1.0]')
    levels = grid.comparisons[0].levels
    assert [level.label for level in levels] == ["subset 0.1", "subset 10000", "subset 1.0"]
    assert [level.reference for level in levels] == [False, False, True]
    assert levels[2].cell == grid.baseline
    assert [cell.label for cell in grid.cells] == ["dcgan, subset 0.1", "dcgan, subset 10000", "dcgan, subset 1.0"]
    assert [cell.differs for cell in grid.cells] == [{"dataset.subset": value} for value in (0.1, 10000, 1.0)]
    assert grid.varying == ("dataset.subset",)


def test_settings_hash_as_before_there_were_subsets():
    grid = load(BASELINE)
    assert grid.baseline.settings["dataset"] == {"name": "mnist", "size": 28}
    assert load(with_dataset('{ name = "mnist", subset = 1.0 }')).baseline.key == grid.baseline.key
    small = load(with_dataset('{ name = "mnist", subset = 0.5 }'))
    assert small.baseline.key != grid.baseline.key
    again = cell_from_settings(small.baseline.settings, small.registry)
    assert (again.key, again.dataset.subset) == (small.baseline.key, 0.5)


def test_cells_of_other_datasets_do_not_differ_in_it():
    assert "dataset.subset" not in compared('"dataset.size" = [14, 28]').varying


RULE = "must be a share of the training samples, more than 0 and at most 1.0, or their number, a whole one from 2"


@pytest.mark.parametrize("value", ["0", "1", "-0.1", "1.5", "10_000.0", '"all"', "true", "[0.1]"])
def test_what_is_neither_a_share_nor_a_number_is_refused_where_it_stands(value):
    with pytest.raises(GridError) as error:
        load(with_dataset(f'{{ name = "mnist", subset = {value} }}'))
    assert f"grid.toml:2: dataset.subset: {RULE} (found: " in str(error.value)
    with pytest.raises(GridError) as error:
        compared(f'"dataset.subset" = [0.5, {value}]')
    assert f"grid.toml:10: dataset.subset: {RULE} (found: " in str(error.value)


def test_what_the_data_do_not_have_is_told_where_it_was_asked_for():
    grid = compared('"dataset.subset" = [0.1, 10_000]')
    error = grid.data_error(grid.cells[1], ParameterError("dataset mnist: there are 40 training samples", "subset"))
    assert "grid.toml:10: dataset.subset: there are 40 training samples (found: 10000)." in str(error)
