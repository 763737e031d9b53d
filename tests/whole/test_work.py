"""The jobs of a cluster, started by hand as any scheduler would: the store is that of a local run, bit for bit."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest
from slurm import PLUGIN
from stores import GRID, assert_equal_stores, command, gan_bench, run_folders, write_grid

from gan_bench.store.folder import RunFolder

pytestmark = pytest.mark.slow


def test_shares_that_are_lost_are_given_out_again(tmp_path):
    grid = write_grid(tmp_path, GRID + "\n[cluster]\nminutes = 1e-9\n")

    def work(*options: object, code: int = 0) -> str:
        return gan_bench("work", "store", *options, cwd=tmp_path, code=code).output

    work("--prepare", "--grid", grid)
    assert "0 of 2 runs finished, 0 failed, 0 training, 2 waiting" in gan_bench("status", "store", cwd=tmp_path).stdout
    assert not run_folders(tmp_path / "store")
    work("--shard", "0/2")
    assert len(run_folders(tmp_path / "store")) == 1
    work("--finish", code=75)
    assert (
        "1 of 2 runs finished, 0 failed, 0 training, 1 waiting (given out again)"
        in gan_bench("status", "store", cwd=tmp_path).stdout
    )
    work("--shard", "1/2")  # none is left for it
    assert len(run_folders(tmp_path / "store")) == 1
    work("--shard", "0/2")
    work("--finish")
    assert "ended; the report is written" in gan_bench("status", "store", cwd=tmp_path).stdout
    gan_bench("run", grid, "--out", "local", cwd=tmp_path)
    assert_equal_stores(tmp_path / "local", tmp_path / "store")
    assert (tmp_path / "store" / "report.html").exists()


def test_a_share_that_is_told_to_end_saves_and_goes_on(tmp_path):
    (tmp_path / "slow.py").write_text(PLUGIN)
    grid = write_grid(
        tmp_path, name='name = "toy"\nplugins = ["slow.py"]', tricks='tricks = [["slow"], ["slow", "ema"]]'
    )
    gan_bench("work", "store", "--prepare", "--grid", grid, cwd=tmp_path)
    slow = {**os.environ, "SLURM_ARRAY_TASK_ID": "0", "SLURM_CPUS_ON_NODE": "1"}
    share = subprocess.Popen(command("work", "store", "--shard", "0/1"), cwd=tmp_path, env=slow)
    until = time.monotonic() + 600
    while not list((tmp_path / "store").glob("runs/*/curves.jsonl")):
        assert share.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(share.pid, signal.SIGTERM)
    assert share.wait(60) == 130
    assert RunFolder(run_folders(tmp_path / "store")[0]).read().checkpoint.steps
    gan_bench("work", "store", "--shard", "0/1", cwd=tmp_path)
    gan_bench("work", "store", "--finish", cwd=tmp_path)
    gan_bench("run", grid, "--out", "local", cwd=tmp_path)
    assert_equal_stores(tmp_path / "local", tmp_path / "store")
