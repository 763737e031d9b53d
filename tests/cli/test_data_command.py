"""`gan-bench data`: how data are read, in words and in a picture, whatever way they are named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from stores import GRID, gan_bench, write_grid


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with a pile of pictures and a grid file."""
    place = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(0)
    for name, count in (("cats", 12), ("dogs", 8)):
        (place / "pile" / name).mkdir(parents=True)
        for index in range(count):
            pixels = random.integers(0, 255, (20 + index, 30, 3), np.uint8)
            Image.fromarray(pixels).save(place / "pile" / name / f"{index}.png")
    (place / "pile" / "cats" / "torn.png").write_bytes(b"no picture")
    write_grid(place, GRID.replace('{ name = "digits", size = 8 }', '{ name = "folder", root = "pile", size = 8 }'))
    return place


WAYS = {
    "folder": ("pile", "--set", "size=8"),
    "name": ("folder", "--set", "root=pile", "--set", "size=8"),
    "table": ("{ name = 'folder', root = 'pile', size = 8 }",),
    "grid": ("grid.toml",),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_name_data_says_the_same(place, way):
    done = gan_bench("data", *WAYS[way], cwd=place)
    title, *rest = done.stdout.splitlines()
    assert title.startswith("dataset folder, size 8, channels 3, root ")
    assert "pile, held_out 0.1" in title
    assert title.endswith(": 20 samples of 3x8x8")
    facts = {name: fact.strip() for name, fact in (line.strip().split("  ", 1) for line in rest)}
    assert facts["parts"] == "18 training, 2 held out"
    assert facts["classes"] == "2, training + held out: cats (11 + 1), dogs (7 + 1)"
    assert facts["sizes"] == "30 wide, 20 to 31 high"
    assert facts["modes"] == "RGB"
    assert facts["left out"].startswith("1 unreadable (cats/torn.png")
    assert "Warning: dataset folder: 1 of 21 samples can't be read" in done.stderr


def test_json_has_what_run_json_has(place):
    (found,) = json.loads(gan_bench("data", *WAYS["table"], "--format", "json", cwd=place).stdout)["datasets"]
    assert found["settings"]["root"] == "pile"
    assert found["class_counts"] == {"training": [11, 7], "held_out": [1, 1]}
    assert found["reading"]["found"] == 21


def test_the_sheet_has_both_parts(place, tmp_path):
    done = gan_bench("data", *WAYS["folder"], "-o", tmp_path / "sheet.png", cwd=place)
    assert done.stdout.splitlines()[-1] == str(tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.format == "PNG"
        assert sheet.width > 2 * 10 * 56


def test_words_stay_out_of_a_stream_that_the_sheet_goes_to(place):
    done = gan_bench("data", *WAYS["folder"], "-o", "/dev/null", cwd=place)
    assert not done.stdout
    assert "18 training, 2 held out" in done.stderr


@pytest.mark.slow
def test_a_grids_datasets_are_shown_all_and_what_they_share_once(place, tmp_path):
    more = '\n[[compare]]\ntitle = "How many?"\n"dataset.subset" = [1.0, 6]\n'
    (place / "two.toml").write_text((place / "grid.toml").read_text() + more)
    done = gan_bench("data", "two.toml", "-o", tmp_path / "two.png", cwd=place)
    assert done.stdout.count("\n  left out ") == 1
    assert "trained on  6 of" in done.stdout or "trained on  subset: 6 of" in done.stdout
    assert done.stderr.count("can't be read") == 1
    gan_bench("data", "grid.toml", "-o", tmp_path / "one.png", cwd=place)
    with Image.open(tmp_path / "one.png") as one, Image.open(tmp_path / "two.png") as two:
        assert two.height > 1.5 * one.height


def test_a_subset_of_a_grids_data_can_be_asked_for(place):
    shown = gan_bench("data", "grid.toml", "--set", "size=16", "--set", "subset=5", cwd=place).stdout
    assert "samples of 3x16x16" in shown
    assert "5 of" in shown


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["digitz"], "DATASET digitz: dataset: no dataset is called 'digitz'. Did you mean 'digits'?"),
        (["./nowhere"], "DATASET ./nowhere: there is no such file or folder"),
        (["cats.zip"], "DATASET cats.zip: there is no such file or folder"),
        (["{ name = "], "DATASET: is no TOML table"),
        (["{ size = 8 }"], "DATASET must be a dataset's name or a table that has one"),
        (["{ name = 'digits', size = 8000 }"], "DATASET digits: dataset.size: must be"),
        (["digits", "--set", "size=0"], "--set size=0: dataset.size: must be"),
        (["digits", "--set", "sise=8"], "Did you mean 'size'?"),
        (["digits", "--set", "size"], "--set size: must have the form KEY=VALUE"),
        (["digits", "--set", "subset=50000"], "--set subset=50000: dataset.subset: "),
        (["folder"], "root"),
        (["folder", "--set", "root=nowhere"], "there is no folder"),
        (["digits", "-o", "sheet.jpg"], "sheet.jpg is no .png file in a folder that exists"),
        (["digits", "-o", "nowhere/sheet.png"], "is no .png file in a folder that exists"),
        (["bad.toml"], "bad.toml:3: slots: is no known key"),
        (["missing.toml"], "missing.toml:3: dataset"),
    ],
)
def test_bad_input_is_told_in_a_line(place, arguments, told):
    (place / "bad.toml").write_text(GRID.replace('name = "toy"', 'name = "toy"\nslots = 3', 1))
    (place / "missing.toml").write_text(
        GRID.replace('{ name = "digits", size = 8 }', '{ name = "folder", root = "no" }')
    )
    done = gan_bench("data", *arguments, cwd=place, code=2)
    assert told in done.stderr
    assert not done.stdout
    assert "Traceback" not in done.output


def test_a_grids_plugin_file_from_elsewhere_is_run_only_if_it_is_allowed(place, tmp_path):
    (tmp_path / "own.py").write_text("open(__file__ + '.ran', 'w').close()\n")
    grid = write_grid(tmp_path, name='name = "toy"\nplugins = ["own.py"]')
    for command in (["data", grid], ["score", "pile", "--against", grid]):
        done = gan_bench(*command, cwd=place, code=2)
        assert "its code is not run unasked" in done.stderr
        assert not (tmp_path / "own.py.ran").exists()
    gan_bench("data", grid, "--allow-plugins", cwd=place)
    assert (tmp_path / "own.py.ran").exists()


def test_names_that_a_terminal_would_obey_are_written_out(tmp_path):
    for name in ("a\x1b[2J", "b\u202e\n"):
        (tmp_path / "pile" / name).mkdir(parents=True)
        for index in range(3):
            pixels = np.full((8, 8), 20 * index + len(name), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pile" / name / f"{index}.png")
    shown = gan_bench("data", "pile", "--set", "size=8", cwd=tmp_path).output
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "a\\x1b[2J" in shown
    assert "b\\u202e\\n" in shown


@pytest.mark.slow
def test_samples_are_scored_against_a_grids_data(place):
    words = ("--metrics", "kid", "--features", "pixels")
    done = gan_bench("score", "pile/cats/0.png", "--against", "two.toml", *words, cwd=place, code=2)
    assert "against two.toml has 2 datasets, and samples are scored against one" in done.stderr
    np.save(place / "samples.npy", np.random.default_rng(0).integers(0, 255, (30, 8, 8, 3), np.uint8))
    for against in ("grid.toml", WAYS["table"][0]):
        shown = gan_bench("score", "samples.npy", "--against", against, *words, cwd=place).stdout
        assert "KID[pixels]" in shown
        assert "against: name=folder size=8" in shown
