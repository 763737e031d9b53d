"""A pile of pictures with odd things in it: the commands' output, run.json and the page say each of them, each time."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from stores import GRID, gan_bench, run_folders, write_grid

SAID = (
    "cats (",
    "rare (1 + 0); 1 class has one training sample",
    "24 to 43 wide, 30 high",
    "RGB (22), L (4)",
    "cats/torn.png",
    "1 training sample is equal to another",
)


@pytest.mark.slow
def test_plan_run_and_page_say_what_was_read_each_time(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name, count in (("cats", 20), ("dogs", 4), ("rare", 1)):
        (tmp_path / "pile" / name).mkdir(parents=True)
        for index in range(count):
            picture = Image.fromarray(random.integers(0, 255, (30, 24 + index, 3), np.uint8))
            picture = picture.convert("L") if name == "dogs" else picture
            picture.save(tmp_path / "pile" / name / f"{index}.png")
    cats = tmp_path / "pile" / "cats"
    (cats / "copy.png").write_bytes((cats / "1.png").read_bytes())
    (cats / "torn.png").write_bytes((cats / "2.png").read_bytes()[:99])
    text = GRID.replace('{ name = "digits", size = 8 }', '{ name = "folder", root = "pile", size = 8 }')
    grid = write_grid(tmp_path, text, steps="steps = 3", snapshots="snapshots = 1")
    planned = gan_bench("plan", grid, "--no-pilot", cwd=tmp_path)
    trained, again = gan_bench("run", grid, cwd=tmp_path), gan_bench("run", grid, cwd=tmp_path)
    for said in SAID:
        for output in (planned.stdout, trained.stderr, again.stderr):
            assert said in " ".join(output.split()), said
        assert said in (tmp_path / "runs" / "toy" / "report.html").read_text(), said
    assert all("1 of 27 samples can't be read" in " ".join(done.stderr.split()) for done in (planned, trained, again))
    for folder in run_folders(tmp_path / "runs" / "toy"):
        dataset = json.loads((folder / "run.json").read_text())["dataset"]
        counts = [sum(pair) for pair in zip(*dataset["class_counts"].values(), strict=True)]
        assert dict(zip(dataset["classes"], counts, strict=True)) == {"cats": 21, "dogs": 4, "rare": 1}
        assert dataset["reading"]["found"] == 27
        assert dataset["reading"]["counts"]["mode"] == {"RGB": 22, "L": 4}
        assert dataset["reading"]["left_out"][0]["examples"][0].startswith("cats/torn.png: ")
    (real,) = (tmp_path / "runs" / "toy" / "real").iterdir()
    assert {file.name for file in real.iterdir()} == {"samples.png", "training.png", "scores.json"}
