"""kill -9 at any instant, of any of the command's processes: the same command ends with the same bits."""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path

import fuzz
import pytest
from stores import assert_equal_stores, gan_bench, run_folders, write_grid
from victim import Victim

from gan_bench.files import LEFTOVER

LONG = {
    "steps": "steps = 120",
    "snapshots": "snapshots = 3",
    "tricks": 'tricks = [[], ["ema", "spectral_norm"], [{ name = "r1", every = 3 }]]',
}  # dropout, batch norm, channels last and fused Adam in all of them
CHOSEN = [  # where, the how manieth time, whom
    ("decoding", 1, "all"),
    ("half a file", 1, "all"),
    ("before a rename", 9, "all"),
    ("after a rename", 14, "all"),
    ("half a line", 4, "all"),
    ("evaluation", 2, "all"),
    ("report", 1, "all"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    gan_bench("run", write_grid(folder, **LONG), "--out", "store", cwd=folder)
    return folder / "store"


@pytest.mark.slow
def test_killed_at_a_chosen_point_it_ends_with_the_same_bits(tmp_path):
    short = LONG | {"steps": "steps = 30", "tricks": 'tricks = [[], ["ema", "spectral_norm"]]'}
    grid = write_grid(tmp_path, **short)
    gan_bench("run", grid, "--slots", 1, "--out", "whole", cwd=tmp_path)
    victim = Victim(tmp_path, tmp_path / "whole", grid, "--slots", 1)
    victim.kill_at("after a rename", 14, "all")
    victim.finish_and_compare("mended")


@pytest.mark.slow
def test_where_a_worker_alone_is_killed_the_command_ends_with_the_same_bits(tmp_path, whole):
    victim = Victim(tmp_path, whole, write_grid(tmp_path, **LONG))
    victim.kill_at("half a file", 9, "one")  # the command itself writes the first ones
    assert_equal_stores(whole, tmp_path / "killed")


@pytest.mark.slow
def test_killed_while_it_clears_what_is_trained_afresh(tmp_path, whole):
    victim, store = Victim(tmp_path, whole, write_grid(tmp_path, **LONG)), tmp_path / "killed"
    shutil.copytree(whole, store)
    old = {run.name: (run / "run.json").stat().st_mtime_ns for run in run_folders(store)}
    victim.kill_at("before clearing", 1, "all", "--fresh")
    assert old.items() == {run.name: (run / "run.json").stat().st_mtime_ns for run in run_folders(store)}.items()
    victim.kill_at("half cleared", 1, "all", "--fresh")
    assert sum((run / "result.json").exists() for run in run_folders(store)) < len(old)
    victim.kill_at("before clearing", 2, "one", "--fresh")
    assert not [path for path in (store / "runs").rglob("*") if LEFTOVER.fullmatch(path.name)]
    assert all((run / "run.json").stat().st_mtime_ns > old[run.name] for run in run_folders(store))
    assert_equal_stores(whole, store)


@pytest.mark.slow
def test_killed_at_every_point_and_at_random_it_ends_with_the_same_bits(tmp_path, whole):
    victim, chance, stores = Victim(tmp_path, whole, write_grid(tmp_path, **LONG)), random.Random(0), 0
    began = time.monotonic()
    gan_bench("run", victim.grid, "--out", "again", cwd=tmp_path)
    seconds = time.monotonic() - began + 4  # a process of its own has to import
    while victim.kills < 10 * fuzz.times:
        for point, count, who in CHOSEN:
            victim.kill_at(point, count, who)
        victim.finish_and_compare(f"chosen-{stores}")
        for _ in range(3):
            victim.kill_after(chance.uniform(0, seconds), chance)
        victim.finish_and_compare(f"random-{stores}")
        stores += 1
    print(f"{victim.kills} kills, {2 * stores} stores compared")
