"""Heat maps of products of axes: every combination in its place, its number printed, its colour on the right side."""

from __future__ import annotations

import json
from itertools import product

import pytest
from fake_store import write, write_store
from test_report import Page, report

from gan_bench.findings.compare import compare
from gan_bench.findings.tables import load
from gan_bench_reports.heat import heat


def with_axes(store, **axes):
    """Let the comparison of tricks, of four levels, be a product of these axes."""
    grid = json.loads((store / "grid.json").read_text())
    comparison = grid["comparisons"][1]
    combinations = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    levels = [comparison["levels"][i % 4] for i in range(len(combinations))]
    comparison["axes"] = list(axes)
    comparison["levels"] = [
        {**level, "label": str(values), "values": values, "reference": i == 0}
        for i, (level, values) in enumerate(zip(levels, combinations, strict=True))
    ]
    write(store / "grid.json", grid)
    return compare(load(store))


@pytest.fixture
def store(tmp_path):
    return write_store(tmp_path / "s", seeds=3, snapshots=1, steps=50, trouble=False)


def test_two_axes_make_one_map(store):
    comparisons = with_axes(store, **{"tricks": [["a"], ["b"]], "batch_size": [32, 64]})
    assert heat(comparisons[0]) is None
    made = heat(comparisons[1])
    assert (made.row_axis, made.column_axis, len(made.maps)) == ("tricks", "batch_size", 1)
    (cells,) = (map.cells for map in made.maps)
    assert (made.maps[0].rows, made.maps[0].columns) == (("a", "b"), ("batch_size 32", "batch_size 64"))
    assert cells[0][0].entry is None  # the reference
    noise, ema, both = cells[0][1], cells[1][0], cells[1][1]
    assert [cell.colour for cell in (ema, both)] == ["better", "better"]
    means = [abs(cell.entry.finding.mean) for cell in (noise, ema, both)]
    shares = [cell.share for cell in (noise, ema, both)]
    assert max(shares) == 15  # pale: three seeds can't tell
    assert shares == pytest.approx([15 * mean / max(means) for mean in means], abs=0.06)
    page = Page(report(store))
    shown = {a["data-value"] for a in page.all("td") if (a.get("class") or "").split()[:1] in (["better"], ["worse"])}
    assert shown == {str(f.in_units(f.mean)) for f in (cell.entry.finding for cell in (noise, ema, both))}


def test_what_is_told_is_deep_and_the_rest_is_pale(tmp_path):
    store = write_store(tmp_path / "s", seeds=8, snapshots=1, steps=50, trouble=False)
    made = heat(with_axes(store, **{"tricks": [["a"], ["b"]], "batch_size": [32, 64]})[1])
    told = {cell.entry.verdict: cell.share for row in made.maps[0].cells for cell in row if cell.entry}
    assert told["better"] > 15 > told["no difference can be told"]


@pytest.mark.slow
def test_the_longest_axes_span_the_maps_and_the_others_are_named(store):
    made = heat(
        with_axes(store, **{"batch_size": [32, 64], "architecture.depth": [1, 2, 3], "tricks": [["a"], ["b"], ["c"]]})[
            1
        ]
    )
    assert (made.row_axis, made.column_axis) == ("architecture.depth", "tricks")
    assert [map.title for map in made.maps] == ["batch_size 32", "batch_size 64"]
    assert made.maps[0].rows == ("depth 1", "depth 2", "depth 3")
    assert made.left_out == 0
    made = heat(
        with_axes(
            store, **{"batch_size": [32, 64, 96], "architecture.depth": [1, 2, 3], "precision": list("abcdefgh")}
        )[1]
    )
    assert (made.row_axis, made.column_axis, len(made.maps)) == ("precision", "batch_size", 3)


def test_a_combination_that_is_left_out_is_empty(store):
    with_axes(store, **{"tricks": [["a"], ["b"]], "batch_size": [32, 64]})
    grid = json.loads((store / "grid.json").read_text())
    del grid["comparisons"][1]["levels"][2]
    write(store / "grid.json", grid)
    made = heat(compare(load(store))[1])
    assert made.maps[0].cells[1][0] is None
    assert made.maps[0].cells[1][1] is not None
