"""The report's curves: thinned without losing a spike, banded over seeds, and over steps, images or seconds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gan_bench_reports import curves as module
from gan_bench_reports.charts import charts
from gan_bench_reports.curves import Curves, knots, thin


def table(run, values, pace=1.0, name="loss_g", every=25):
    """Curves of one run, of so many seconds a step."""
    steps = every * np.arange(1, len(values) + 1)
    columns = {"step": steps, "d_steps": steps, "images": steps * 64, "seconds": steps * pace, name: values}
    return pd.DataFrame(columns).assign(run=run)


NO_SCORES = pd.DataFrame(columns=["run", "step", "images", "seconds", "score", "value"])


def make(*tables, cells=None):
    runs = [str(part["run"].iloc[0]) for part in tables]
    return Curves(pd.concat(tables, ignore_index=True), NO_SCORES, cells or [runs])


def test_thinning_keeps_ends_and_extremes_of_every_column():
    x = np.arange(100_000)
    y = np.sin(x / 300)
    z = np.cos(x / 700)
    y[77_777], y[12_345], z[54_321] = 50, -50, 9
    rows = thin(500, y, z)
    assert len(rows) <= 502
    assert {0, 99_999, 77_777, 12_345, 54_321} <= set(rows.tolist())
    assert (np.diff(rows) > 0).all()
    assert thin(500, y[:500]).tolist() == list(range(500))


@pytest.mark.parametrize("n", [65, 100, 127, 1999, 2001])
def test_each_stretch_keeps_its_lowest_and_highest(n):
    y = np.random.default_rng(n).normal(size=n)
    rows = thin(64, y)
    assert len(rows) <= 66
    assert {0, n - 1, int(y.argmin()), int(y.argmax())} <= set(rows.tolist())
    width = -(-n // 32)
    for start in range(0, n, width):
        stretch = y[start : start + width]
        kept = y[rows[(rows >= start) & (rows < start + width)]]
        assert (kept.min(), kept.max()) == (stretch.min(), stretch.max())


def test_a_clock_has_few_points_and_is_right_between_them():
    steps = np.arange(25, 50_001, 25)
    even = steps * 64.0
    assert knots(steps, even).tolist() == [0, len(steps) - 1]
    stalled = steps * 0.02 + np.where(steps > 20_000, 300.0, 0) + np.random.default_rng(0).normal(0, 0.1, len(steps))
    rows = knots(steps, stalled)
    assert len(rows) < 20
    off = np.abs(np.interp(steps, steps[rows], stalled[rows]) - stalled)
    assert off.max() <= module.STRAIGHT * np.ptp(stalled)


def test_the_band_over_steps_ends_where_the_slowest_seed_is():
    curves = make(table("a", [1.0, 2, 3, 4]), table("b", [3.0, 6, 1]))
    assert curves.bands(["a", "b"])["steps"]["loss_g"] == [[25, 50, 75], [2, 4, 2], [1, 2, 1], [3, 6, 3]]
    assert curves.bands(["a"]) == {"steps": {}, "seconds": {}}


def test_a_seed_that_never_computed_a_quantity_is_no_part_of_its_band():
    curves = make(table("a", [1.0, 2]), table("b", [3.0, np.nan]), table("c", [np.nan, np.nan]))
    assert curves.bands("abc")["steps"]["loss_g"] == [[25], [2], [1], [3]]


def test_over_seconds_each_seed_is_interpolated_within_what_all_have_reached():
    # a has the value of its seconds, b three times that; b is half as fast and starts later.
    a, b = table("a", np.arange(1.0, 9), 1 / 25), table("b", 6 * np.arange(1.0, 5), 2 / 25)
    x, mean, low, high = make(a, b).bands("ab")["seconds"]["loss_g"]
    assert (x[0], x[-1]) == (2, 8)
    np.testing.assert_allclose(low, x)
    np.testing.assert_allclose(high, 3 * np.array(x))
    np.testing.assert_allclose(mean, 2 * np.array(x))


def test_images_and_seconds_do_not_triple_the_data():
    curves = make(*(table(run, np.random.default_rng(i).normal(size=2000), 0.01 + i) for i, run in enumerate("abc")))
    of_runs = sum(len(column) for run in "abc" for curve in curves.of_run(run).values() for column in curve)
    clocks = sum(len(column) for run in "abc" for clock in curves.clock(run).values() for column in clock)
    assert clocks < 0.02 * of_runs
    assert curves.clock("a")["images"] == [[25, 50_000], [1600, 3_200_000]]


def test_many_curves_share_one_budget(monkeypatch):
    many = [table(f"r{i}", np.random.default_rng(i).normal(size=600)) for i in range(12)]
    assert make(many[0]).points == module.MOST
    monkeypatch.setattr(module, "NUMBERS", 12 * 2 * 100 + 8 * 100)
    curves = make(*many)
    assert curves.points == 100
    assert curves.longest == 600
    assert len(curves.of_run("r3")["loss_g"][0]) <= 102
    monkeypatch.setattr(module, "NUMBERS", 10)
    assert make(*many).points == module.LEAST


def test_what_nobody_knows_is_drawn_too_and_cannot_be_taken_for_a_score():
    rows = table("a", [1.0, 2], name="FD").assign(path_length=[5.0, 6.0], grad_norm_g=[None, None])
    scores = pd.DataFrame({"run": "a", "step": [50], "images": [3200], "seconds": [2.0], "score": "FD", "value": [9.0]})
    curves = Curves(rows, scores, [["a"]])
    assert curves.of_run("a") == {
        "FD (curve)": [[25, 50], [1, 2]],
        "path_length": [[25, 50], [5, 6]],
        "FD": [[50], [9]],
    }
    assert [chart.title for chart in charts([], curves.names(["a"]))] == ["FD (curve)", "path length"]
    assert curves.names(["b"]) == []


def test_charts_have_titles_in_words_and_say_which_line_is_which():
    found = charts([], ["grad_norm_d", "loss_d", "logit_real", "logit_fake", "x_y"])
    assert [chart.title for chart in found] == ["Loss of D", "D’s outputs (logits)", "Gradient norm of D", "x y"]
    assert found[1].note == "solid: real, dotted: fake"
    assert charts([], ["logit_fake"])[0].note == ""
    (scales,) = charts([], ["loss_scale_d", "loss_scale_g"])
    assert (scales.title, scales.note, scales.log) == ("Loss scale", "solid: G, dotted: D", True)
