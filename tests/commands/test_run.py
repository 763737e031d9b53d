"""`gan-bench run` as a process: what it trains, what it leaves alone, and what it survives."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from multiprocessing import forkserver
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from stores import GRID, assert_equal_stores, command, gan_bench, run_folders, write_grid

import gan_bench as api
from gan_bench.commands.run import GridWork, Outcome, run_grid
from gan_bench.grid import load_grid

LONG = {"steps": "steps = 300", "seeds": "seeds = [0, 1]"}
FAULTY = '''
import sys

import torch
from gan_bench import Field, Trick, hookimpl

class Fault(Trick):
    """Raises, or kills its process, after some steps."""
    name = "fault"
    how: str = Field("raise", description="raise, kill, exit or nan")

    def edit(self, recipe):
        print("a plugin that prints")

        def go_wrong():
            if recipe.step.is_meta or recipe.step <= 3:
                return
            if self.how == "nan":
                next(recipe.generator.parameters()).fill_(torch.nan)
            else:
                torch.set_default_dtype(torch.float64)
                {"raise": self.fail, "kill": self.kill, "exit": sys.exit}[self.how]()

        recipe.after_g_step(go_wrong)

    def fail(self):
        raise RuntimeError("a deliberate fault")

    def kill(self):
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)

@hookimpl
def gan_bench_tricks():
    return [Fault]
'''


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A folder with the toy grid and its finished store, runs/toy."""
    folder = tmp_path_factory.mktemp("toy")
    gan_bench("run", write_grid(folder), cwd=folder)
    return folder


def status(store: Path) -> dict[str, str]:
    table = pd.read_csv(store / "results.csv")
    return dict(zip(table["tricks"], table["status"], strict=True))


def times(store: Path) -> dict[Path, int]:
    return {f: f.stat().st_mtime_ns for f in (store / "runs").rglob("*") if f.is_file()}


def test_writes_tables_report_and_run_folders(finished):
    store = finished / "runs" / "toy"
    table = pd.read_csv(store / "results.csv")
    assert list(table.status) == ["finished"] * 2
    assert list(table.g_steps) == [60, 60]
    assert list(table.images) == [960, 960]
    assert table.filter(like="FD[random]").notna().all(axis=None)
    assert len(pd.read_csv(store / "comparisons.csv")) == 2
    assert "Which tricks?" in (store / "report.html").read_text()
    for folder in run_folders(store):
        assert sorted(p.name for p in folder.iterdir()) == [
            "checkpoint.pt",
            "curves.jsonl",
            "result.json",
            "run.json",
            "snapshots",
        ]
        for snapshot in (folder / "snapshots").iterdir():
            files = {"neighbours.json", "neighbours.png", "samples.png", "scores.json", "weights.pt"}
            assert {file.name for file in snapshot.iterdir()} == files
            document = json.loads((snapshot / "scores.json").read_text())
            assert document["scores"][0]["against_training"]["value"] > 0
            assert set(document["time"]) == {"features", "fid"}
    assert table["FD[random] last against training"].notna().all()
    assert len(api.load(store).neighbours) == 4


def test_again_trains_nothing(finished):
    store = finished / "runs" / "toy"
    before = times(store)
    done = gan_bench("run", "grid.toml", cwd=finished)
    assert "nothing is trained" in done.stderr
    assert times(store) == before


ENDED = """
import json
from gan_bench import hookimpl

@hookimpl
def gan_bench_grid_ended(store, counts, stopped):
    assert (store / "report.html").exists()
    with open("ended.jsonl", "a") as file:
        file.write(json.dumps([str(store), dict(counts), stopped]) + "\\n")
    raise RuntimeError("a listener's fault")
"""


def ended(folder: Path) -> list[object]:
    """What such a listener was told, each time."""
    return [json.loads(line) for line in (folder / "ended.jsonl").read_text().splitlines()]


def test_who_listens_is_told_how_a_grid_has_ended(finished, monkeypatch):
    (finished / "ended.py").write_text(ENDED)
    whole = {"runs": 2, "finished": 2, "failed": 0}
    done = gan_bench("run", "grid.toml", "--plugin", "ended.py", cwd=finished)
    assert ended(finished) == [["runs/toy", whole, False]]
    assert "Warning: gan_bench_grid_ended at ended.py:5 failed: ended.py:10: RuntimeError: a listener's" in done.stderr
    half = Outcome(Path("runs/toy"), 2, 0, stopped=True, finished=1)
    monkeypatch.setattr(GridWork, "run", lambda self, **options: half)
    gan_bench("run", "grid.toml", "--plugin", "ended.py", "--until-settled", cwd=finished, code=130)
    assert ended(finished)[1:] == [["runs/toy", {**whole, "finished": 1}, True]]
    monkeypatch.chdir(finished)
    given_out: Any = SimpleNamespace(given=True)
    run_grid(load_grid(Path("grid.toml"), registry_files=[Path("ended.py")]), engine=given_out)
    assert len(ended(finished)) == 2, "others have the runs, and have not ended"


def test_other_metrics_are_computed_from_the_weights(finished):
    store = finished / "runs" / "toy"
    checkpoints = {f: t for f, t in times(store).items() if f.name == "checkpoint.pt"}
    gan_bench("run", "grid.toml", "--slots", 1, "--set", "evaluate.samples=80", cwd=finished)
    assert {f: t for f, t in times(store).items() if f.name == "checkpoint.pt"} == checkpoints
    scores = json.loads(next((store / "runs").rglob("scores.json")).read_text())["scores"]
    assert scores[0]["protocol"]["generated"] == 80


@pytest.mark.slow
def test_new_levels_and_seeds_train_only_what_is_new(tmp_path):
    short = {"steps": "steps = 4", "snapshots": "snapshots = 1"}
    grid = write_grid(tmp_path, **short)
    gan_bench("run", grid, "--slots", 1, "--only", "no tricks", cwd=tmp_path)
    first = run_folders(tmp_path / "runs" / "toy")
    before = times(tmp_path / "runs" / "toy")
    assert len(first) == 1
    write_grid(tmp_path, **short, tricks='tricks = [[], ["ema", "spectral_norm"], ["hinge"]]')
    gan_bench("run", grid, "--slots", 1, "--seeds", "0-1", cwd=tmp_path)
    assert len(run_folders(tmp_path / "runs" / "toy")) == 6
    assert before.items() <= times(tmp_path / "runs" / "toy").items()


@pytest.mark.slow
def test_tables_show_the_runs_of_this_grid_as_far_as_it_goes(tmp_path):
    grid = write_grid(tmp_path, steps="steps = 40")
    gan_bench("run", grid, "--set", "batch_size=8", "--only", "no tricks", cwd=tmp_path)
    gan_bench("run", grid, cwd=tmp_path)
    write_grid(tmp_path, steps="steps = 20")
    gan_bench("run", grid, cwd=tmp_path)  # the snapshot at 20 is there: nothing is trained
    store = tmp_path / "runs" / "toy"
    assert len(run_folders(store)) == 3
    table = pd.read_csv(store / "results.csv")
    assert list(table.g_steps) == [20, 20]
    assert list(table.images) == [320, 320]
    assert api.load(store).snapshots.step.max() == 20


@pytest.mark.slow
def test_a_snapshot_in_the_past_trains_again_and_plan_says_so(tmp_path):
    grid = write_grid(tmp_path, steps="steps = 20", tricks='tricks = [[], ["hinge"]]')
    gan_bench("run", grid, cwd=tmp_path)
    write_grid(tmp_path, steps="steps = 20", tricks='tricks = [[], ["hinge"]]', snapshots="at_steps = [7]")
    assert "train again" in " ".join(gan_bench("plan", grid, "--no-pilot", cwd=tmp_path).stdout.split())
    done = gan_bench("run", grid, cwd=tmp_path)
    assert "trains again from the start" in done.stderr
    for folder in run_folders(tmp_path / "runs" / "toy"):
        assert sorted(p.name for p in (folder / "snapshots").iterdir()) == ["step-00000007", "step-00000020"]


def wait_for_checkpoint(process: subprocess.Popen[str], store: Path, file: str = "checkpoint.pt") -> None:
    """Until some run has saved its first state, and is on its way to the next."""
    deadline = time.monotonic() + 120
    while not list(store.glob(f"runs/*/{file}")):
        assert process.poll() is None, "it ended before it could be interrupted"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def start(grid: Path, out: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command("run", grid, "--out", out),
        cwd=grid.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("long")
    gan_bench("run", write_grid(folder, **LONG), "--out", "whole", cwd=folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_same_command_goes_on_with_the_same_bits(uninterrupted, number):
    grid, out = uninterrupted / "grid.toml", f"stopped-{number.name}"
    process = start(grid, out)
    wait_for_checkpoint(process, uninterrupted / out)
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "The same command goes on from here." in errors
    gan_bench("run", grid, "--out", out, cwd=uninterrupted)
    assert_equal_stores(uninterrupted / "whole", uninterrupted / out)


FAULTS = {
    "raise": "RuntimeError: a deliberate fault",
    "kill": "the worker process ended (signal SIGKILL",
    "exit": "SystemExit",
    "nan": "not a finite number",
}


@pytest.mark.slow
def test_failing_runs_are_recorded_and_the_others_go_on(finished, tmp_path):
    (tmp_path / "fault.py").write_text(FAULTY)
    faults = ", ".join(f'[{{ name = "fault", how = "{how}" }}]' for how in FAULTS)
    tricks = f'tricks = [{faults}, [], ["ema", "spectral_norm"]]'
    grid = write_grid(tmp_path, tricks=tricks, name='name = "toy"\nplugins = ["fault.py"]')
    done = gan_bench("run", grid, "--slots", 1, cwd=tmp_path, code=1)
    assert "4 of 6 runs failed" in done.stderr
    assert done.stdout == "runs/toy/report.html\n"
    store, failed = tmp_path / "runs" / "toy", {}
    assert sorted(status(store).values()) == ["failed"] * 4 + ["finished"] * 2
    for folder in run_folders(store):
        if json.loads((folder / "result.json").read_text())["status"] == "failed":
            (trick,) = json.loads((folder / "run.json").read_text())["settings"]["tricks"]
            failed[trick["how"]] = folder
    page = (store / "report.html").read_text()
    assert failed.keys() == FAULTS.keys()
    for how, reason in FAULTS.items():
        assert reason in json.loads((failed[how] / "result.json").read_text())["reason"]
        assert reason in page
    assert "in go_wrong" in json.loads((failed["raise"] / "result.json").read_text())["traceback"]
    assert "a plugin that prints" in (failed["raise"] / "output.txt").read_text()
    # The plugin changed the worker's default dtype; the runs after it must not have noticed.
    good = [folder for folder in run_folders(store) if folder not in failed.values()]
    assert len(good) == 2
    for folder in good:
        one, two = (s / "runs" / folder.name / "checkpoint.pt" for s in (store, finished / "runs" / "toy"))
        import torch
        from stores import assert_equal

        assert_equal(*(torch.load(f, weights_only=True) for f in (one, two)))


def run_with_plugin(folder: Path, code: str, **replaced: str) -> Path:
    """A grid of one cell with a plugin file beside it."""
    (folder / "plugin.py").write_text(code)
    return write_grid(folder, name='name = "toy"\nplugins = ["plugin.py"]', **replaced)


@pytest.mark.slow
def test_a_shorter_run_never_deletes_a_longer_one(finished, tmp_path):
    grid = write_grid(tmp_path, steps="steps = 30", tricks='tricks = [[], ["hinge"]]')
    gan_bench("run", grid, cwd=tmp_path)
    before = times(tmp_path / "runs" / "toy")
    done = gan_bench("run", grid, "--set", "steps=10", cwd=tmp_path, code=2)
    assert "trained further than is asked" in done.stderr
    assert times(tmp_path / "runs" / "toy") == before
    gan_bench("run", grid, "--set", "steps=10", "--fresh", cwd=tmp_path)
    assert list(pd.read_csv(tmp_path / "runs" / "toy" / "results.csv").g_steps) == [10, 10]


def test_cells_of_equal_data_are_refused(tmp_path):
    from PIL import Image

    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        for i in range(30):
            Image.new("L", (8, 8), i * 8).save(tmp_path / place / f"{i}.png")
    levels = ", ".join(f'{{ name = "folder", root = "{p}", size = 8, channels = 1 }}' for p in "ab")
    grid = write_grid(tmp_path, tricks=f"dataset = [{levels}]")
    assert "train on equal data" in gan_bench("run", grid, cwd=tmp_path, code=2).stderr


def test_two_commands_on_one_store_don_t_meet(tmp_path, monkeypatch):
    grid, told = write_grid(tmp_path), []

    def while_it_trains(*_):
        told.append(gan_bench("run", grid, "--out", "store", cwd=tmp_path, code=2).stderr)
        return True, set()

    monkeypatch.setattr(GridWork, "_train", while_it_trains)
    gan_bench("run", grid, "--out", "store", cwd=tmp_path)
    assert len(told) == 1
    assert "another gan-bench run is at work" in told[0]


@pytest.mark.slow
def test_two_processes_on_one_store_don_t_meet(tmp_path):
    grid = write_grid(tmp_path, steps="steps = 3000")
    first = start(grid, "store")
    try:
        wait_for_checkpoint(first, tmp_path / "store", "run.json")
        assert (
            "another gan-bench run is at work" in gan_bench("run", grid, "--out", "store", cwd=tmp_path, code=2).stderr
        )
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate()


@pytest.mark.slow
def test_a_script_without_a_guard_runs_a_grid_once(tmp_path):
    write_grid(tmp_path, steps="steps = 3")
    (tmp_path / "script.py").write_text(
        "import gan_bench\nprint('here')\nprint(len(gan_bench.run('grid.toml', slots=1).runs), 'runs')\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "here\n2 runs\n"


@pytest.mark.slow
def test_brackets_in_names_and_reasons_are_text(tmp_path):
    code = FAULTY.replace('RuntimeError("a deliberate fault")', 'KeyError("bad path [/usr/x]")')
    grid = run_with_plugin(tmp_path, code, tricks='tricks = [[], ["fault"]]', steps="steps = 10")
    assert "[/usr/x]" in gan_bench("run", grid, "--only", "fault", cwd=tmp_path, code=1).stderr


LISTENER = """
from gan_bench import hookimpl

@hookimpl
def gan_bench_run_ended(folder):
    raise RuntimeError("a listener's fault")
"""
METRIC = """
from gan_bench import Metric, hookimpl

class Nan(Metric):
    \"\"\"Never a number.\"\"\"
    name = "nan"
    def label(self, features):
        return "nan"
    def score(self, generated, real):
        return float("nan")

@hookimpl
def gan_bench_metrics():
    return [Nan]
"""


@pytest.fixture(scope="module")
def strange(tmp_path_factory) -> Path:
    """The only run of a store, with such a listener and such a metric."""
    folder = tmp_path_factory.mktemp("strange")
    grid = run_with_plugin(folder, LISTENER + METRIC, steps="steps = 3", metrics='metrics = ["nan", "fid"]')
    gan_bench("run", grid, "--only", "no tricks", cwd=folder)
    (run,) = run_folders(folder / "runs" / "toy")
    return run


@pytest.mark.slow
def test_a_listener_that_raises_does_no_harm(strange):
    assert json.loads((strange / "result.json").read_text())["status"] == "finished"
    assert "a listener's fault" in (strange / "output.txt").read_text()


def test_a_metric_that_is_not_a_number_is_told(strange):
    scores = json.loads(next(strange.rglob("snapshots/*/scores.json")).read_text())["scores"]
    assert [(s["value"] is None, s.get("error")) for s in scores] == [(True, "nan is nan"), (False, None)]


@pytest.mark.slow
def test_scores_are_not_made_again_where_no_weights_were_kept(tmp_path):
    grid = write_grid(tmp_path, steps="steps = 10", samples='samples = 64\nkeep = "last"')
    gan_bench("run", grid, cwd=tmp_path)
    gan_bench("run", grid, "--set", "evaluate.samples=80", cwd=tmp_path)
    done = gan_bench("run", grid, "--set", "evaluate.samples=80", cwd=tmp_path)
    assert "nothing is trained" in done.stderr


@pytest.mark.slow
def test_fail_fast_stops_at_the_first_failure(tmp_path):
    (tmp_path / "fault.py").write_text(FAULTY + ENDED)
    grid = write_grid(tmp_path, tricks='tricks = [["fault"], []]', name='name = "toy"\nplugins = ["fault.py"]')
    gan_bench("run", grid, "--slots", 1, "--fail-fast", cwd=tmp_path, code=1)
    assert ended(tmp_path) == [["runs/toy", {"runs": 2, "finished": 0, "failed": 1}, False]]
    assert len(run_folders(tmp_path / "runs" / "toy")) == 1


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (GRID.replace("width = 4", "width = 0"), "grid.toml:4: architecture.width: must be at least 1 (found: 0)"),
        (GRID.replace("batch_size", "batchsize"), "Did you mean 'batch_size'?"),
        (GRID.replace("seeds = [0]", "seeds = ["), "grid.toml:"),
        (GRID.replace("size = 8", "size = 8, kind = 1"), "grid.toml:3: dataset.kind"),
        (GRID.replace('"digits", size = 8', '"folder", root = "nowhere"'), "grid.toml:3: dataset: there is no folder"),
        (GRID.replace('[[], ["ema", ', '[["hinge"], ["label_noise", "hinge", '), "replace"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, text, error):
    (tmp_path / "grid.toml").write_text(text)
    done = gan_bench("run", "grid.toml", cwd=tmp_path, code=2)
    assert error in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


def test_the_same_from_python(finished):
    results = api.load(finished / "runs" / "toy")
    assert len(results.runs) == 2
    assert set(results.curves.run) == set(results.runs.run)
    generator = api.load_generator(run_folders(finished / "runs" / "toy")[0])
    import torch

    assert generator(torch.randn(3, 8)).shape == (3, 1, 8, 8)


def test_sample_draws_from_a_finished_run(finished):
    from PIL import Image

    folder = run_folders(finished / "runs" / "toy")[0]
    for name, seed in (("a.png", 3), ("b.png", 3), ("c.png", 4)):
        gan_bench("sample", folder, "-n", 20, "-o", name, "--seed", seed, cwd=finished)
    a, b, c = ((finished / name).read_bytes() for name in ("a.png", "b.png", "c.png"))
    assert a == b != c
    assert Image.open(finished / "a.png").size == (10 * 9 + 1, 2 * 9 + 1)


def test_samples_drawn_from_a_run_have_its_own_scores(finished):
    folder = run_folders(finished / "runs" / "toy")[0]
    own = json.loads((sorted((folder / "snapshots").glob("step-*"))[-1] / "scores.json").read_text())["scores"]
    count = own[0]["protocol"]["generated"]
    for output in ("drawn.npz", "drawn"):
        gan_bench("sample", folder, "-n", count, "-o", output, cwd=finished)
        arguments = (
            "--against",
            "digits",
            "--set",
            "size=8",
            "--metrics",
            "fid",
            "--features",
            "random",
            "--format",
            "json",
        )
        again = json.loads(gan_bench("score", output, *arguments, cwd=finished).stdout)["scores"]
        assert again == own
    for words in (("-o", "drawn"), ("-o", "x.npz", "--format", "png"), ("-o", "x.jpg"), ("-o", "no/x.npz")):
        gan_bench("sample", folder, *words, cwd=finished, code=2)
    gan_bench("sample", folder, "-o", finished / "drawn.npz", "--format", "png-folder", cwd=finished, code=2)


@pytest.mark.slow
def test_what_starts_processes_may_be_killed_while_it_starts_one(tmp_path, monkeypatch):
    ensure_running, waitpid, killed = forkserver.ForkServer.ensure_running, os.waitpid, {}

    def and_kill_it_once(self):
        ensure_running(self)
        if not killed:
            killed[self._forkserver_pid] = time.monotonic()
            os.kill(self._forkserver_pid, signal.SIGKILL)
            os.waitid(os.P_PID, self._forkserver_pid, os.WEXITED | os.WNOWAIT)

    def after_a_second(pid, options):
        """A busy machine may take its time to bury the dead."""
        return (0, 0) if time.monotonic() < killed.get(pid, 0) + 1 else waitpid(pid, options)

    grid = write_grid(tmp_path, steps="steps = 2", snapshots="snapshots = 1")
    monkeypatch.setattr(
        "gan_bench.workers.processes.warm_up", lambda *_: None
    )  # it is killed when the first worker is to come
    monkeypatch.setattr(forkserver.ForkServer, "ensure_running", and_kill_it_once)
    monkeypatch.setattr(os, "waitpid", after_a_second)
    gan_bench("run", grid, "--slots", 1, cwd=tmp_path)
    assert killed
    assert all((run / "result.json").exists() for run in run_folders(tmp_path / "runs" / "toy"))
