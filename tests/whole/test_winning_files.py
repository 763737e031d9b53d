"""A plugin file that has a built-in plugin's name: in plan, a worker, the store, every form of the report, and loaded."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from stores import gan_bench, run_folders, write_grid

import gan_bench as api
from gan_bench.errors import GanBenchError

FILE = '''
from gan_bench import Field, Metric, Trick, hookimpl


class Smoothed(Trick):
    """Another moving average."""

    name = "ema"
    weight: float = Field(0.5, description="no parameter of the built-in one")

    def edit(self, recipe):
        recipe.after_g_step(lambda: recipe.report("of_the_file", recipe.step * self.weight))


class Distance(Metric):
    """Another distance."""

    name = "fid"

    def score(self, generated, real):
        return 7.0


@hookimpl
def gan_bench_tricks():
    return [Smoothed]


@hookimpl
def gan_bench_metrics():
    return [Distance]
'''
SAID = (
    "2 plugins of files stand in for installed ones of their names: trick ema of mine.py (for package gan-bench 0.2.0), "
    "metric fid of mine.py (for package gan-bench 0.2.0)"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with the plugin file and a grid of one trick that it brings, run by a worker."""
    folder = tmp_path_factory.mktemp("winner")
    (folder / "mine.py").write_text(FILE)
    tricks = 'tricks = [[], [{ name = "ema", weight = 0.25 }]]'
    write_grid(folder, name='name = "toy"\nplugins = ["mine.py"]', tricks=tricks, steps="steps = 4")
    assert SAID in gan_bench("plan", "grid.toml", "--no-pilot", cwd=folder).stdout.splitlines()
    done = gan_bench("run", "grid.toml", cwd=folder)
    assert done.stderr.count(SAID) == 1
    return folder


@pytest.fixture(scope="module")
def run(place) -> Path:
    """The run that was trained with the trick."""
    return next(
        run for run in run_folders(place / "runs" / "toy") if "of_the_file" in (run / "curves.jsonl").read_text()
    )


@pytest.mark.slow
def test_the_worker_takes_the_files_and_run_json_says_so(place, run):
    last = json.loads((run / "curves.jsonl").read_text().splitlines()[-1])
    assert last["of_the_file"] == pytest.approx(0.25 * (1 + 2 + 3 + 4) / 4)
    (trick,) = (plugin for plugin in json.loads((run / "run.json").read_text())["plugins"] if plugin["kind"] == "trick")
    assert (trick["origin"], trick["instead_of"]) == ("file mine.py", ["package gan-bench 0.2.0"])
    assert trick["file"] == str(place / "mine.py")
    scores = json.loads((run / "snapshots" / "step-00000004" / "scores.json").read_text())["scores"]
    assert [score["value"] for score in scores] == [7.0]


def test_every_form_of_the_report_says_so(place):
    store = place / "runs" / "toy"
    assert SAID in (store / "report.html").read_text()
    assert "file mine.py, instead of package gan-bench 0.2.0, source" in (store / "report.html").read_text()
    assert f"toy: {SAID}.\n" in gan_bench("report", store, "--format", "md", cwd=place).stdout.replace("\\", "")
    assert f"toy: {SAID}.\n" in gan_bench("report", store, "--format", "tex", cwd=place).stdout
    rows = csv.DictReader(io.StringIO(gan_bench("report", store, "--format", "csv", cwd=place).stdout))
    assert {row["plugins"] for row in rows} == {SAID}


def test_the_list_of_plugins_says_so(place):
    said = "trick, from file mine.py, instead of the one of package gan-bench 0.2.0"
    assert said in gan_bench("plugins", "ema", "--plugin", "mine.py", cwd=place).stdout
    listed = gan_bench("plugins", "--plugin", "mine.py", cwd=place).stdout.splitlines()
    (line,) = (line for line in listed if line.startswith("  ema "))
    assert line.endswith("Another moving average.  (file mine.py, instead of the one of package gan-bench 0.2.0)")
    (place / "broken").mkdir(exist_ok=True)
    (place / "broken" / "mine.py").write_text(f"{FILE}\n1 / 0\n")
    done = gan_bench("plugins", "ema", "--plugin", "broken/mine.py", cwd=place, code=2)
    assert "ZeroDivisionError: division by zero; so no trick is called 'ema'" in done.stderr


def test_a_grid_with_a_broken_one_is_refused(place, tmp_path):
    (tmp_path / "mine.py").write_text(FILE.replace("def edit", "def edits"))
    (tmp_path / "grid.toml").write_bytes((place / "grid.toml").read_bytes().replace(b", weight = 0.25", b""))
    done = gan_bench("plan", "grid.toml", "--no-pilot", cwd=tmp_path, code=2)
    assert "mine.py:5: class Smoothed lacks edit(); so no trick is called 'ema'. An installed one" in done.stderr


def test_it_is_loaded_where_it_is_given_and_nothing_else_in_its_place(place, run):
    with pytest.raises(
        GanBenchError, match=r"'ema' is in .*mine\.py, whose code is not run on its word\. Read it; then give"
    ):
        api.load_generator(run)
    assert "give it with --plugin" in gan_bench("sample", run, "-o", "x.png", cwd=place, code=2).stderr
    api.load_generator(run, plugins=[place / "mine.py"])
    api.load_generator(run, allow_plugins=True)
    gan_bench("sample", run, "-o", "x.png", "--plugin", "mine.py", cwd=place)
    gan_bench("sample", run, "-o", "x.png", "--allow-plugins", cwd=place)
    other = place / "other.py"
    other.write_text(FILE.replace("recipe.step", "-recipe.step"))
    with pytest.raises(GanBenchError, match="'ema' has changed since"):
        api.load_generator(run, plugins=[other])


def test_scores_by_a_grid_or_a_file_are_the_files(place, tmp_path):
    (run, *_) = run_folders(place / "runs" / "toy")
    gan_bench("sample", run, "-o", tmp_path / "samples", "-n", "20", "--allow-plugins", cwd=place)
    done = gan_bench(
        *("score", tmp_path / "samples", "--against", "grid.toml", "--metrics", "fid", "--features", "random"),
        *("--format", "json"),
        cwd=place,
    )
    assert [score["value"] for score in json.loads(done.stdout)["scores"]] == [7.0]
