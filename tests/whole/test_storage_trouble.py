"""Disks that are full or read-only, folders that vanish, files that are damaged: told, and nothing that was saved is lost."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch
from fake_store import write_store
from stores import assert_equal, assert_equal_runs, assert_equal_stores, command, gan_bench, run_folders, write_grid

LONG = {"steps": "steps = 100", "snapshots": "snapshots = 2"}
TROUBLE = '''
import os, shutil
from pathlib import Path
from gan_bench import Field, Trick, hookimpl


class Trouble(Trick):
    """Makes trouble for the store once."""

    name = "trouble"
    how: str = Field(description="a method below")
    folder: str = Field(description="where")

    def edit(self, recipe):
        def trouble():
            once = Path(self.folder, "once")
            if not recipe.step.is_meta and int(recipe.step) == 30 and once.exists():
                once.unlink()
                getattr(self, self.how)()

        recipe.after_g_step(trouble)

    def fill(self):
        with open(self.folder + "/filler", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass

    def delete_run(self):
        for run in Path(self.folder, "store", "runs").glob("[!.]*"):
            if "trouble" in (run / "run.json").read_text():
                shutil.rmtree(run)

    def delete_store(self):
        shutil.rmtree(Path(self.folder, "store"))

    def forbid(self):
        for run in Path(self.folder, "store", "runs").glob("[!.]*"):
            if "trouble" in (run / "run.json").read_text():
                run.chmod(0o500)


@hookimpl
def gan_bench_tricks():
    return [Trouble]
'''


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A store without trouble."""
    folder = tmp_path_factory.mktemp("whole")
    gan_bench("run", write_grid(folder, **LONG), "--out", "store", cwd=folder)
    return folder / "store"


def grid_with_trouble(folder: Path, how: str, where: Path) -> Path:
    (folder / "trouble.py").write_text(TROUBLE)
    tricks = f'tricks = [[{{ name = "trouble", how = "{how}", folder = "{where}" }}], [], ["ema", "spectral_norm"]]'
    return write_grid(folder, **(LONG | {"tricks": tricks, "name": 'name = "toy"\nplugins = ["trouble.py"]'}))


def assert_has_runs_of(store: Path, whole: Path) -> None:
    for folder in run_folders(whole):
        assert_equal_runs(store / "runs" / folder.name, folder)


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of 3 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("no file system may be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.slow
def test_a_file_that_can_t_be_written_fails_its_run_and_later_it_goes_on(tmp_path, whole):
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))  # enough for tables and pictures

    grid = write_grid(tmp_path, **LONG)
    done = subprocess.run(
        command("run", grid, "--out", "store"), cwd=tmp_path, capture_output=True, text=True, preexec_fn=limit
    )
    assert done.returncode == 2
    assert "/report.html: File too large" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    for folder in run_folders(tmp_path / "store"):
        result = json.loads((folder / "result.json").read_text())
        assert result["status"] == "failed"
        assert result["reason"].startswith("OSError: [Errno 27] File too large")
    gan_bench("run", grid, "--out", "store", cwd=tmp_path)
    assert_equal_stores(tmp_path / "store", whole)


@pytest.mark.slow
def test_a_disk_that_fills_up_stops_runs_and_later_they_go_on(tmp_path, whole, small_disk):
    filler, once = small_disk / "filler", small_disk / "once"
    once.touch()
    grid = grid_with_trouble(tmp_path, "fill", small_disk)
    done = subprocess.run(
        command("run", grid, "--out", small_disk / "store", "--slots", 1), cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "No space left on device. What was saved before is whole. Make room" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    filler.unlink()
    store = tmp_path / "store"
    (small_disk / "store").rename(small_disk / "kept")
    subprocess.run(["cp", "-a", small_disk / "kept", store], check=True)  # its report has no room on the small disk
    gan_bench("run", grid, "--out", store, cwd=tmp_path)
    assert_has_runs_of(store, whole)


def test_a_disk_without_room_is_told_before_anything_trains(tmp_path, small_disk):
    grid = write_grid(tmp_path, samples='samples = 64\nkeep = "all"')
    done = gan_bench("run", grid, "--out", small_disk / "store", "--set", "architecture.width=64", cwd=tmp_path, code=2)
    assert "runs need about 25.2 MB in" in done.stderr
    assert not run_folders(small_disk / "store")


def test_a_read_only_disk_is_told(tmp_path, small_disk):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    done = gan_bench("run", write_grid(tmp_path), "--out", small_disk / "store", cwd=tmp_path, code=2)
    assert f"{small_disk / 'store'}: Read-only file system" in done.stderr


def test_a_read_only_store_is_reported_elsewhere(tmp_path, small_disk):
    store = write_store(small_disk / "store", seeds=1, snapshots=1, steps=50)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    told = gan_bench("report", store, cwd=tmp_path, code=2).stderr
    assert f"{store} can't be written (Read-only file system). Give -o FILE to write the report elsewhere." in told
    done = gan_bench("report", store, "-o", tmp_path / "page.html", cwd=tmp_path)
    assert f"results.csv and comparisons.csv are not written to {store} (Read-only file system)\n" in done.stderr
    assert (tmp_path / "page.html").read_text().rstrip().endswith("</html>")


@pytest.mark.slow
def test_a_permission_that_is_lost_costs_its_run_alone_and_later_it_goes_on(tmp_path, whole):
    grid, store = grid_with_trouble(tmp_path, "forbid", tmp_path), tmp_path / "store"
    (tmp_path / "once").touch()
    powerless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []  # as anybody is
    if powerless and not shutil.which("setpriv"):
        pytest.skip("root may do anything, and there is no setpriv to change that")
    run = [*powerless, *command("run", grid, "--out", store, "--slots", 1)]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "failed: PermissionError: [Errno 13]" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert_has_runs_of(store, whole)
    forbidden = next(folder for folder in run_folders(store) if not (whole / "runs" / folder.name).exists())
    assert not (forbidden / "result.json").exists()
    forbidden.chmod(0o700)
    assert subprocess.run(run, cwd=tmp_path, capture_output=True).returncode == 0
    plain = next(f for f in run_folders(whole) if not json.loads((f / "run.json").read_text())["settings"]["tricks"])
    one, two = (torch.load(run / "checkpoint.pt", weights_only=True) for run in (plain, forbidden))
    for name in ("steps", "generator", "discriminator", "g_optimizer", "d_optimizer", "snapshots"):
        assert_equal(one[name], two[name], name)


SLOW_DISK = """
import os, time
from gan_bench import files, hookimpl, store

def slowed(function):
    def slow(path, *args, **options):
        # A flush of a checkpoint takes as long as is said, everything else a moment.
        time.sleep(float(os.environ["FLUSH_SECONDS"]) if "checkpoint" in str(path) and function is flush else 0.02)
        return function(path, *args, **options)
    return slow

flush = files.flush
files.flush = store.flush = slowed(flush)
os.replace, os.open = slowed(os.replace), slowed(os.open)

@hookimpl
def gan_bench_tricks():
    return []
"""


@pytest.mark.slow
def test_a_slow_disk_only_takes_time_and_a_stop_does_not_wait_for_it(tmp_path, whole):
    (tmp_path / "slow_disk.py").write_text(SLOW_DISK)
    run = command("run", write_grid(tmp_path, **LONG), "--out", "store", "--plugin", "slow_disk.py")
    environment = os.environ | {"FLUSH_SECONDS": "300"}
    process = subprocess.Popen(run, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: list(tmp_path.glob("store/runs/*/.checkpoint.pt.*")), process)
        process.terminate()
        began = time.monotonic()
        errors = process.communicate()[1]
    finally:
        process.kill()
    assert process.returncode == 130, errors
    assert time.monotonic() - began < 100, "it waited for the disk; a quiet machine needs 5 s"
    environment["FLUSH_SECONDS"] = "0.3"
    done = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert_equal_stores(tmp_path / "store", whole)


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, "it ended before"
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_a_folder_that_can_t_be_read_is_left_alone_and_others_go_on(tmp_path, whole):
    store = tmp_path / "store"
    subprocess.run(["cp", "-a", whole, store], check=True)
    first, second = run_folders(store)
    (first / "result.json").unlink()
    (first / "result.json").mkdir()  # no permission is needed to be refused
    (second / "result.json").unlink()
    done = gan_bench("run", write_grid(tmp_path, **LONG), "--out", store, cwd=tmp_path, code=1)
    assert "left alone: [Errno 21] Is a directory" in " ".join(done.stderr.split())
    assert json.loads((second / "result.json").read_text())["status"] == "finished"
    assert sorted(pd.read_csv(store / "results.csv").status) == ["damaged", "finished"]


@pytest.mark.slow
def test_a_deleted_run_folder_fails_its_run_and_no_other(tmp_path, whole):
    grid, store = grid_with_trouble(tmp_path, "delete_run", tmp_path), tmp_path / "store"
    gan_bench("run", grid, "--out", "undisturbed", cwd=tmp_path)
    (tmp_path / "once").touch()
    done = gan_bench("run", grid, "--out", store, "--slots", 1, cwd=tmp_path, code=1)
    assert "failed: FileNotFoundError" in done.stderr
    assert_has_runs_of(store, whole)
    gan_bench("run", grid, "--out", store, cwd=tmp_path)
    assert_equal_stores(store, tmp_path / "undisturbed")


@pytest.mark.slow
def test_a_deleted_store_costs_no_other_run(tmp_path, whole):
    grid, store = grid_with_trouble(tmp_path, "delete_store", tmp_path), tmp_path / "store"
    (tmp_path / "once").touch()
    done = gan_bench("run", grid, "--out", store, "--slots", 1, cwd=tmp_path, code=1)
    assert "failed: FileNotFoundError" in done.stderr
    assert_has_runs_of(store, whole)
    assert sorted(pd.read_csv(store / "results.csv").status) == ["failed", "finished", "finished"]


@pytest.mark.slow
def test_a_damaged_checkpoint_of_a_finished_run_is_told_when_it_is_needed(tmp_path, whole):
    """Other metrics don't need it; longer training starts anew."""
    store, grid = tmp_path / "store", write_grid(tmp_path, **LONG)
    subprocess.run(["cp", "-a", whole, store], check=True)
    folder = run_folders(store)[0]
    content = (folder / "checkpoint.pt").read_bytes()
    (folder / "checkpoint.pt").write_bytes(content[:4000] + b"\xff\n" + content[4002:])
    damaged = (folder / "checkpoint.pt").read_bytes()
    gan_bench("run", grid, "--out", store, "--set", "evaluate.samples=80", cwd=tmp_path)
    assert (folder / "checkpoint.pt").read_bytes() == damaged
    longer = ("--set", "steps=150", "--set", "evaluate.snapshots=3")
    done = gan_bench("run", grid, "--out", store, *longer, cwd=tmp_path)
    assert "checkpoint.pt can't be used" in " ".join(done.stderr.split())  # wrapped where the path's length has it
    assert (folder / "checkpoint.damaged.pt").read_bytes() == damaged
    (folder / "checkpoint.damaged.pt").unlink()
    gan_bench("run", grid, "--out", "straight", *longer, cwd=tmp_path)
    assert_equal_stores(store, tmp_path / "straight")
