"""A grid that compares networks with and without labels, from its file to its page, and what can be drawn from its runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from stores import gan_bench

import gan_bench as package
from gan_bench.api.pictures import to_uint8
from gan_bench.data.label_draw import LabelDraw
from gan_bench.errors import GanBenchError
from gan_bench.scoring.samples import draw, draw_labels
from gan_bench.store.documents import write_object

pytestmark = pytest.mark.slow
LABELLED = Path(__file__).parents[1] / "helpers" / "labelled.py"
GRID = """
name = "labels"
dataset = { name = "digits", size = 8 }
architecture = { name = "labelled", width = 32, conditional = "none" }
seeds = [0]
steps = 40
batch_size = 32

[evaluate]
snapshots = 2
samples = 250
metrics = [{ name = "fid", features = "pixels" }, "class_accuracy", { name = "class_fd", features = "pixels" }]
features = { name = "classifier", steps = 100, width = 4 }

[[compare]]
title = "Do labels help?"
"architecture.conditional" = ["none", "concat"]
"""
ACCURACY, DISTANCE = "class accuracy[classifier]", "class FD[pixels]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("conditional")
    (place / "grid.toml").write_text(GRID)
    done = gan_bench("run", "grid.toml", "--plugin", LABELLED, "--devices", "cpu", cwd=place)
    assert "no value" not in done.output
    assert "it is as good as its classifier" in " ".join(done.output.split())
    return place


@pytest.fixture(scope="module")
def runs(folder):
    """The run folder of each level."""
    results = package.load(folder / "runs" / "labels")
    return dict(zip(results.runs["architecture.conditional"], map(Path, results.runs["folder"]), strict=True))


def test_levels_stand_beside_each_other_and_scores_by_class_with_those_that_have_them(folder, runs):
    results = package.load(folder / "runs" / "labels")
    table = results.runs.set_index("architecture.conditional")
    assert np.isfinite(
        table.loc["concat", [f"{ACCURACY} last", f"{DISTANCE} last", "FD[pixels] last"]].astype(float)
    ).all()
    assert table.loc["none", [f"{ACCURACY} last", f"{DISTANCE} last"]].isna().all()
    assert set(results.by_class["run"]) == {runs["concat"].name}
    classes = results.by_class[results.by_class["score"] == ACCURACY]
    assert classes["class"].tolist() == list("0123456789")
    real = results.real.set_index("score")["value"]
    assert real[ACCURACY] > 0.5, "real training data have their classes"
    assert any("class accuracy[classifier]: it is as good as" in remark for remark in results.remarks)
    again = gan_bench("run", "grid.toml", "--plugin", LABELLED, "--devices", "cpu", cwd=folder)
    assert "nothing is trained" in again.output, "levels without such scores are not scored again for them"


def test_the_page_and_its_tables_tell_them_class_by_class(folder, runs):
    page = (folder / "runs" / "labels" / "report.html").read_text()
    rows = "".join(f'<li title="{name}">{name}</li>' for name in "0123456789")
    assert page.count(rows) == 4, "in the comparison and in the gallery, real and generated"
    assert "Class by class" in page
    assert "By class, at step 40" in page
    shown = Image.open(next((folder / "runs" / "labels" / "real").glob("*/classes.png")))
    assert shown.size == (91, 91)
    told = gan_bench("report", "runs/labels", "--format", "md", cwd=folder).stdout
    assert "class accuracy\\[classifier\\] (250 generated, 360 real), last snapshot" in told


def test_a_loaded_generator_is_called_with_labels(runs):
    generator = package.load_generator(runs["concat"], plugins=[LABELLED])
    z, y = torch.randn(3, 8), torch.tensor([0, 9, 4])
    assert generator(z, y).shape == (3, 1, 8, 8)
    with pytest.raises(
        ValueError, match=r"is called \(z, y\), with labels y, int64 of shape \(3,\), from 0 to 9 \(0, 1"
    ):
        generator(z)
    for wrong in (torch.tensor([0, 10, 4]), torch.tensor([-1, 0, 0]), torch.tensor([1]), torch.rand(3), y.int()):
        with pytest.raises(ValueError, match="this generator takes labels"):
            generator(z, wrong)
    assert package.load_generator(runs["none"], plugins=[LABELLED])(z).shape == (3, 1, 8, 8)


def sample(folder, run, *words, code=0):
    return gan_bench("sample", run, *words, "--plugin", LABELLED, cwd=folder, code=code)


def test_a_picture_has_a_row_a_class_and_an_array_the_datas_proportions(folder, runs):
    sample(folder, runs["concat"], "-o", "rows.png")
    shown = Image.open(runs["concat"] / "snapshots" / "step-00000040" / "samples.png")
    assert np.array_equal(np.asarray(Image.open(folder / "rows.png")), np.asarray(shown)), "of the run's own seed"
    sample(folder, runs["concat"], "-n", 250, "-o", "samples.npz")
    found = np.load(folder / "samples.npz")
    counts = json.loads((runs["concat"] / "run.json").read_text())["dataset"]["class_counts"]["training"]
    cpu = torch.device("cpu")
    labels = draw_labels(LabelDraw(counts, cpu), 250, 0, cpu)
    assert found["arr_1"].tolist() == labels.tolist()
    generator = package.load_generator(runs["concat"], plugins=[LABELLED])
    made = to_uint8(draw(generator, 8, 250, 0, cpu, labels=labels)).permute(0, 2, 3, 1)
    assert np.array_equal(found["arr_0"], made.numpy()), "those that the run was scored by"


def test_classes_are_asked_for_by_name_and_by_place(folder, runs):
    sample(folder, runs["concat"], "--class", "7", "--class", "0", "-n", 30, "-o", "two.npz")
    assert np.load(folder / "two.npz")["arr_1"].tolist() == [7] * 30 + [0] * 30
    sample(folder, runs["concat"], "--class", "3", "-o", "three.png")
    assert Image.open(folder / "three.png").size == (91, 10), "a row of ten"
    sample(folder, runs["concat"], "--class", "3", "--class", "5", "-n", 4, "-o", "rows.png")
    assert Image.open(folder / "rows.png").size == (37, 19), "a row of each"
    sample(folder, runs["concat"], "--class", "all", "-n", 2, "-o", "all.npz")
    assert np.load(folder / "all.npz")["arr_1"].tolist() == [label for label in range(10) for _ in range(2)]
    sample(folder, runs["concat"], "--class", "1", "-o", "ones")
    assert len(list((folder / "ones").glob("*.png"))) == 10


def test_classes_that_are_none_are_refused(folder, runs):
    said = sample(folder, runs["concat"], "--class", "ten", "-o", "x.png", code=2).stderr
    assert "there is no class 'ten', of 10 from 0 on. Known: 0, 1, 2" in " ".join(said.split())
    said = sample(folder, runs["none"], "--class", "1", "-o", "x.png", code=2).stderr
    assert "takes no classes" in " ".join(said.split())
    assert not (folder / "x.png").exists()


def test_a_class_without_training_samples_is_drawn_with_a_warning(folder, runs, tmp_path):
    run = shutil.copytree(runs["concat"], tmp_path / runs["concat"].name)
    facts = json.loads((run / "run.json").read_text())
    del facts["checksum"]
    facts["dataset"]["class_counts"]["training"][7] = 0
    write_object(run / "run.json", facts)
    said = sample(folder, run, "--class", "7", "--class", "0", "-n", 3, "-o", tmp_path / "two.npz").stderr
    assert "the generator has seen no sample of 7" in " ".join(said.split())
    assert np.load(tmp_path / "two.npz")["arr_1"].tolist() == [7] * 3 + [0] * 3
    assert "seen no" not in sample(folder, run, "--class", "0", "-n", 3, "-o", tmp_path / "one.npz").stderr


def test_unconditional_runs_are_sampled_as_before(folder, runs):
    sample(folder, runs["none"], "-o", "none.npz")
    assert np.load(folder / "none.npz").files == ["arr_0"]
    assert len(np.load(folder / "none.npz")["arr_0"]) == 100


def test_samples_from_elsewhere_have_no_scores_by_class(folder):
    samples = np.zeros((50, 8, 8), np.uint8)
    with pytest.raises(
        GanBenchError, match="metrics\\[1\\]: it reads the classes that samples were asked for, and of samples"
    ):
        package.score(samples, {"name": "digits", "size": 8}, metrics=["duplicates", "class_accuracy"])
