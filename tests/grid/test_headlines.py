"""Which numbers are tested."""

from __future__ import annotations

from pathlib import Path

import pytest

from gan_bench.api.data_spec import DataSpec
from gan_bench.errors import GridError
from gan_bench.grid import load_grid

GRID = """name = "g"
dataset = "digits"
architecture = "fcgan"
steps = 10

[evaluate]
"""
PAIR = 'metrics = ["kid", { name = "precision_recall", features = "random" }, "precision_recall"]'


def read(tmp_path: Path, *lines: str):
    (tmp_path / "grid.toml").write_text("\n".join([GRID, *lines]))
    return load_grid(tmp_path / "grid.toml")


def refused(tmp_path: Path, *lines: str) -> str:
    with pytest.raises(GridError) as error:
        read(tmp_path, *lines)
    return str(error.value)


@pytest.mark.parametrize(
    ("metrics", "tested"),
    [
        (["fid"], [(0, "")]),
        (["fid", "kid"], [(0, "")]),
        (["precision_recall", "kid"], [(1, ""), (0, "precision"), (0, "recall")]),
        (["duplicates", "density_coverage"], [(0, "copies of training data"), (1, "density"), (1, "coverage")]),
        (["ms_ssim", "duplicates"], [(0, "")]),
        (["class_coverage"], [(0, "classes")]),
    ],
)
def test_the_first_of_each_side_unless_they_are_named(tmp_path: Path, metrics, tested):
    assert list(read(tmp_path, f"metrics = {metrics}").headlines) == tested


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("kid", (0, "")),
        ("KID", (0, "")),
        ("KID[classifier]", (0, "")),
        ("kid[classifier]", (0, "")),
        ("precision[random]", (1, "precision")),
        ("Recall[classifier]", (2, "recall")),
    ],
)
def test_names_with_features_and_without(tmp_path: Path, text, place):
    assert read(tmp_path, PAIR, f"headline = [{text!r}]").headlines == (place,)


def test_inception_s_own_labels(tmp_path: Path):
    """Though the label is known only once the weights are there."""
    for text in ("fid", "FID", "FD[inception-2048]", "fid[inception]"):
        assert read(tmp_path, 'metrics = ["fid"]', 'features = "inception"', f"headline = [{text!r}]").headlines == (
            (0, ""),
        )


def test_mistakes_are_told_with_their_line(tmp_path: Path):
    several = refused(tmp_path, PAIR, 'headline = ["precision"]')
    assert (
        "2 numbers have this name (found: 'precision'). Write one of precision[random], precision[classifier]."
        in several
    )
    assert "grid.toml:9: evaluate.headline[0]" in several
    assert "Did you mean 'recall[random]'?" in refused(tmp_path, PAIR, 'headline = ["kid", "recal[random]"]')
    assert "stands there twice" in refused(tmp_path, PAIR, 'headline = ["kid", "KID[classifier]"]')
    for text in ("kid[", "kid[]", "kid[classifier", "kid[classifier]]"):
        assert "none of the grid's metrics has a number of this name" in refused(
            tmp_path, PAIR, f'headline = ["{text}"]'
        )
    alike = 'metrics = ["kid", { name = "kid", groups = 20 }]'
    assert "2 numbers have this name (found: 'kid'). They differ in their parameters alone" in refused(
        tmp_path, alike, 'headline = ["kid"]'
    )
    assert "evaluate.headline: must have at least 1 items" in refused(tmp_path, "headline = []")
    wrong = refused(tmp_path, 'metrics = [{ name = "kid", features = "randem" }]')
    assert "evaluate.metrics[0].features" in wrong
    assert "Did you mean 'random'?" in wrong
    assert "evaluate.metrics[0].features: must be a name" in refused(
        tmp_path, 'metrics = [{ name = "kid", features = 3 }]'
    )
    twice = 'metrics = ["kid", { name = "kid", features = "classifier" }]'
    assert "this metric stands there twice" in refused(tmp_path, twice, 'features = "classifier"')
    open_yet = read(tmp_path, twice)  # of unlabelled data these would be two
    open_yet.check_scores(DataSpec((1, 8, 8), "image"))
    with pytest.raises(GridError, match=r"grid.toml:8: evaluate.metrics.1.: this metric stands there twice"):
        open_yet.check_scores(DataSpec((1, 8, 8), "image", ("a", "b")))


@pytest.mark.parametrize(
    ("lines", "tested"),
    [
        (['features = "pixels"'], [(0, ""), (1, "precision"), (1, "recall")]),
        (['headline = ["coverage"]'], [(2, "coverage")]),  # of data without labels
        (['headline = ["recall[random]", "kid"]'], [(1, "recall"), (0, "")]),
    ],
)
def test_what_a_grid_leaves_open_is_filled_in(tmp_path: Path, lines, tested):
    assert list(read(tmp_path, *lines).headlines) == tested


def test_defaults_fit_the_data(tmp_path: Path):
    """A folder without labels must not need to know which features are which."""
    evaluate = read(tmp_path).evaluate
    for kind, labelled, features in (
        ("image", True, "classifier"),
        ("image", False, "random"),
        ("points", True, "pixels"),
    ):
        asked = evaluate.of(kind, labelled)
        assert asked.features == {"name": features}
        assert asked.headline == (
            ("kid", "precision[random]", "recall[classifier]")
            if labelled and kind == "image"
            else ("kid", "precision", "coverage")
        )
