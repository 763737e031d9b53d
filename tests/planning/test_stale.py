"""Results that a changed plugin, dataset or core has put out of date: noticed, trained again or kept and marked."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pandas as pd
import pytest
from stores import gan_bench, run_folders, write_grid

from gan_bench.console import plain_console
from gan_bench.grid import load_grid
from gan_bench.planning import courses, stale
from gan_bench.planning.courses import prepare_grid
from gan_bench.planning.runs import make_runs
from gan_bench.store.documents import RunDocument, read_object, write_object

PLUGINS = """
from torch import nn
from gan_bench import Architecture, hookimpl

class Tiny(Architecture):
    \"\"\"One layer each.\"\"\"
    name = "tiny"
    width: int = 3
    def generator(self, data):
        return nn.Sequential(nn.Linear(self.latent, data.numel), nn.Tanh(), nn.Unflatten(1, data.shape))
    def discriminator(self, data):
        return nn.Sequential(nn.Flatten(), nn.Linear(data.numel, 1))

@hookimpl
def gan_bench_architectures():
    return [Tiny]
"""
DATA = """
import numpy as np
from gan_bench import ArrayPart, Dataset, Parts, hookimpl

class Blobs(Dataset):
    \"\"\"Noise.\"\"\"
    name = "blobs"
    shape = (1, 8, 8)
    def load(self):
        rows = np.random.default_rng(0).integers(0, 256, (60, *self.shape), dtype=np.uint8)
        return Parts(ArrayPart(rows[:40]), ArrayPart(rows[40:]))

@hookimpl
def gan_bench_datasets():
    return [Blobs]
"""
GRID = """
name = "toy"
plugins = ["tiny.py", "blobs.py"]
dataset = "blobs"
architecture = "tiny"
seeds = [0, 1]
steps = 4
batch_size = 8

[evaluate]
snapshots = 2
samples = 16
metrics = ["fid"]
features = "random"

[[compare]]
title = "Which learning rate?"
"optimizer.lr" = [1e-3, 1e-4]
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("stale")
    (folder / "tiny.py").write_text(PLUGINS)
    (folder / "blobs.py").write_text(DATA)
    gan_bench("run", write_grid(folder, GRID), "--slots", 1, cwd=folder)
    return folder


@pytest.fixture
def place(trained, tmp_path) -> Path:
    """A copy of a folder with a grid, its plugins and its finished store of four runs."""
    return Path(shutil.copytree(trained, tmp_path / "copy"))


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def names(place: Path) -> set[str]:
    return {folder.name for folder in run_folders(place / "runs" / "toy")}


def table(place: Path) -> pd.DataFrame:
    return pd.read_csv(place / "runs" / "toy" / "results.csv", keep_default_na=False)


def test_nothing_is_stale_where_nothing_has_changed(place, monkeypatch):
    monkeypatch.setattr(stale, "read_object", lambda *_: pytest.fail("a run folder was read"))
    done = gan_bench("run", "grid.toml", cwd=place)
    assert "stale" not in done.stderr
    assert "nothing is trained" in done.stderr
    assert set(table(place)["stale"]) == {""}


@pytest.mark.slow
def test_a_changed_source_is_said_and_trains_again(place):
    before = names(place)
    change(place / "tiny.py", "nn.Tanh()", "nn.Hardtanh()")
    planned = gan_bench("plan", "grid.toml", "--no-pilot", cwd=place).stdout
    line = "4 runs are stale: the source of architecture 'tiny' has changed; they train again"
    assert line in planned
    assert "4 of them to train" in planned
    done = gan_bench("run", "grid.toml", "--slots", 1, cwd=place)
    assert line in done.stderr
    assert len(names(place)) == 8
    assert set(table(place)["run"]).isdisjoint(before)
    assert "stale" not in gan_bench("run", "grid.toml", cwd=place).stderr


@pytest.mark.slow
def test_a_changed_neighbour_of_a_plugin_file_is_said_and_trains_again_from_the_start(tmp_path):
    """A longer run must not go on with other networks than those in its checkpoint."""
    (tmp_path / "layers.py").write_text("from torch import nn\n\ndef last():\n    return nn.Tanh()\n")
    (tmp_path / "tiny.py").write_text("import layers\n" + PLUGINS.replace("nn.Tanh()", "layers.last()"))
    (tmp_path / "blobs.py").write_text(DATA)
    write_grid(tmp_path, GRID)
    options = ["grid.toml", "--seeds", "0", "--only", "0.001"]
    gan_bench("run", *options, cwd=tmp_path)
    (before,) = names(tmp_path)
    assert "stale" not in gan_bench("plan", *options, "--no-pilot", cwd=tmp_path).stdout
    change(tmp_path / "layers.py", "nn.Tanh()", "nn.Hardtanh()")
    told = "1 run is stale: the source of architecture 'tiny' has changed; it trains again"
    longer = [*options, "--set", "steps=6"]
    assert told in gan_bench("plan", *longer, "--no-pilot", cwd=tmp_path).stdout
    assert told in gan_bench("run", *longer, cwd=tmp_path).stderr
    (after,) = names(tmp_path) - {before}
    document = json.loads((tmp_path / "runs" / "toy" / "runs" / after / "run.json").read_text())
    assert [session["from_step"] for session in document["sessions"]] == [0]
    assert [plugin["file"] for plugin in document["plugins"]] == [str(tmp_path / f"{n}.py") for n in ("blobs", "tiny")]
    # And as it was before it goes on from where it ended.
    change(tmp_path / "layers.py", "nn.Hardtanh()", "nn.Tanh()")
    gan_bench("run", *longer, cwd=tmp_path)
    document = json.loads((tmp_path / "runs" / "toy" / "runs" / before / "run.json").read_text())
    assert [session["from_step"] for session in document["sessions"]] == [0, 4]


@pytest.mark.slow
def test_kept_runs_stand_marked_in_tables_and_report(place):
    before, trained_at = names(place), [f.stat().st_mtime_ns for f in place.rglob("result.json")]
    change(place / "tiny.py", "nn.Tanh()", "nn.Hardtanh()")
    planned = gan_bench("plan", "grid.toml", "--no-pilot", "--stale", "keep", cwd=place).stdout
    assert "0 of them to train" in planned
    done = gan_bench("run", "grid.toml", "--stale", "keep", cwd=place)
    assert "old results are kept, and marked stale" in done.stderr
    assert names(place) == before
    assert [f.stat().st_mtime_ns for f in place.rglob("result.json")] == trained_at
    assert set(table(place)["run"]) == before
    assert set(table(place)["stale"]) == {"the source of architecture 'tiny' has changed"}
    html = (place / "runs" / "toy" / "report.html").read_text()
    assert "<strong>4 runs are stale:</strong> the source of architecture &#39;tiny&#39; has changed" in html
    assert html.count('<small class="status stale">stale</small>') == 4
    assert "--only &#39;tiny, lr 0.001, seed 0&#39; --fresh" in html
    # A level that is new trains with the new source; only the old ones are marked.
    change(place / "grid.toml", "1e-4]", "1e-4, 1e-5]")
    gan_bench("run", "grid.toml", "--stale", "keep", cwd=place)
    assert sorted(table(place)["stale"] != "") == [False, False, True, True, True, True]
    assert "2 stale" in (place / "runs" / "toy" / "report.html").read_text()
    # And who changes their mind gets new runs, none of them marked.
    gan_bench("run", "grid.toml", cwd=place)
    assert set(table(place)["stale"]) == {""}


def test_only_what_has_finished_at_the_asked_length_is_kept(place):
    change(place / "tiny.py", "nn.Tanh()", "nn.Hardtanh()")
    unfinished = run_folders(place / "runs" / "toy")[0]
    (unfinished / "result.json").unlink()
    planned = gan_bench("plan", "grid.toml", "--no-pilot", "--stale", "keep", cwd=place).stdout
    assert "4 runs are stale: " in planned
    assert "3 of them are kept, and marked stale; 1 run has not finished at this length" in planned
    assert "1 of them to train" in planned
    longer = gan_bench("plan", "grid.toml", "--no-pilot", "--stale", "keep", "--set", "steps=6", cwd=place).stdout
    assert "4 runs are stale" in longer
    assert "4 of them to train" in longer


def test_changed_data_is_told_from_changed_plugins(place):
    change(place / "blobs.py", "default_rng(0)", "default_rng(1)")
    planned = gan_bench("plan", "grid.toml", "--no-pilot", cwd=place).stdout
    assert "4 runs are stale: the content of dataset 'blobs' has changed; they train again" in planned
    change(place / "tiny.py", "nn.Tanh()", "nn.Hardtanh()")
    planned = gan_bench("plan", "grid.toml", "--no-pilot", cwd=place).stdout
    assert "architecture 'tiny' has changed and the content of dataset 'blobs' has changed" in planned


def test_a_new_parameter_with_a_default_does_not_hide_what_is_stale(place):
    change(place / "tiny.py", "    width: int = 3\n", "    width: int = 3\n    bias: bool = True\n")
    assert "4 runs are stale" in gan_bench("plan", "grid.toml", "--no-pilot", cwd=place).stdout
    kept = gan_bench("plan", "grid.toml", "--no-pilot", "--stale", "keep", cwd=place).stdout
    assert "their old results are kept" in kept
    change(place / "tiny.py", "    width: int = 3\n", "")
    assert "stale" not in gan_bench("plan", "grid.toml", "--no-pilot", cwd=place).stdout  # it asks for something else


def test_a_new_course_of_gan_bench_itself(place, monkeypatch):
    monkeypatch.setattr(courses, "COURSE_FORMAT", 99)
    planned = gan_bench("plan", "grid.toml", "--no-pilot", cwd=place).stdout
    assert "4 runs are stale: this version of gan-bench trains otherwise; they train again" in planned


EXTRACTOR = """
from gan_bench import FeatureExtractor, hookimpl

class Seen:
    label = "seen"
    protocol = {"features": "seen"}  # says nothing of the code
    def __call__(self, samples):
        return samples.flatten(1)[:, :4].float()

class Eyes(FeatureExtractor):
    \"\"\"Four pixels.\"\"\"
    name = "eyes"
    def prepare(self, data, cache, device):
        return Seen()

@hookimpl
def gan_bench_features():
    return [Eyes]
"""


@pytest.mark.slow
def test_a_changed_extractor_scores_again_and_trains_nothing(place):
    (place / "eyes.py").write_text(EXTRACTOR)
    change(place / "grid.toml", '"blobs.py"]', '"blobs.py", "eyes.py"]')
    change(place / "grid.toml", '"random"', '"eyes"')

    def scores() -> dict[str, tuple[float, str]]:
        gan_bench("run", "grid.toml", cwd=place)
        found = {file: json.loads(file.read_text())["scores"] for file in place.rglob("step-*/scores.json")}
        assert all(len(entries) == 1 for entries in found.values())
        return {str(file): (entries[0]["value"], entries[0]["protocol_id"]) for file, entries in found.items()}

    before = scores()
    change(place / "eyes.py", "[:, :4]", "[:, 4:9]")
    after = scores()
    assert before.keys() == after.keys()
    assert len({protocol for _, protocol in before.values()}) == len({protocol for _, protocol in after.values()}) == 1
    assert all(before[file] != after[file] and before[file][1] != after[file][1] for file in before)
    assert scores() == after
    assert len(names(place)) == 4
    real = json.loads(next((place / "runs" / "toy" / "real").rglob("scores.json")).read_text())["scores"]
    assert [score["protocol_id"] for score in real] == [next(iter(after.values()))[1]]  # the floor is of the same eyes


def test_other_settings_seeds_and_damaged_folders_are_not_stale(place):
    change(place / "grid.toml", "seeds = [0, 1]", "seeds = [2]")
    assert "stale" not in gan_bench("plan", "grid.toml", "--no-pilot", cwd=place).stdout
    gone = gan_bench("plan", "grid.toml", "--no-pilot", "--set", "batch_size=4", "--seeds", "0-1", cwd=place)
    assert "stale" not in gone.stdout
    change(place / "tiny.py", "nn.Tanh()", "nn.Hardtanh()")
    one, two, three, _ = run_folders(place / "runs" / "toy")
    (one / "run.json").write_text("{")
    (two / "run.json").write_text('{"settings": 5}')
    (three / "run.json").unlink()
    assert "1 run is stale" in gan_bench("plan", "grid.toml", "--no-pilot", "--seeds", "0-1", cwd=place).stdout


def test_fresh_and_keep_contradict_each_other(place):
    done = gan_bench("run", "grid.toml", "--fresh", "--stale", "keep", cwd=place, code=2)
    assert "give one of them" in done.stderr


@pytest.mark.slow
def test_a_thousand_folders_are_read_in_a_moment(place):
    """Each folder is read once, and each cell's old settings are resolved once."""
    store = place / "many"
    grid = load_grid(place / "grid.toml", seeds="0-499")
    runs = make_runs(prepare_grid(grid, plain_console()), store, {})
    document = read_object(run_folders(place / "runs" / "toy")[0] / "run.json", RunDocument)
    for run in runs:
        folder = store / "runs" / f"{run.name[:-3]}old"
        folder.mkdir(parents=True)
        mine = {**document.as_json(), "seed": run.seed, "settings": run.cell.settings, "identity": "0" * 64}
        write_object(folder / "run.json", mine)
    began = time.process_time()
    marked = stale.mark_stale(grid, runs, store)
    assert time.process_time() - began < 1
    assert all(run.stale for run in marked)
    assert len(marked) == 1000
