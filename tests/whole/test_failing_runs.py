"""Runs that fail in every way a plugin can: each is isolated, recorded with its cause, and the others keep their bits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stores import assert_equal_runs, gan_bench, run_folders, write_grid

FAULTS = '''
import os, random, time
import numpy as np
import torch
from gan_bench import Field, Trick, hookimpl

leaked = []


class Fault(Trick):
    """Goes wrong in a chosen way, after some steps."""

    name = "fault"
    how: str = Field(description="a method below")
    marker: str = Field("", description="a file that tells that it has happened")

    def edit(self, recipe):
        def go_wrong():
            if not recipe.step.is_meta and int(recipe.step) == 30:
                getattr(self, self.how)()

        recipe.after_g_step(go_wrong)

    def die_once(self):
        if not os.path.exists(self.marker):
            open(self.marker, "w").close()
            os.kill(os.getpid(), 9)

    def hang(self):
        while True:
            time.sleep(0.1)

    def change_state(self):
        torch.set_default_dtype(torch.float64)
        torch.set_num_threads(2)
        os.chdir("/")
        torch.manual_seed(5), np.random.seed(5), random.seed(5)
        with open(self.marker, "a") as file:
            file.write(f"{os.getpid()} ")

    def leak(self):
        leaked.append(torch.ones(2**30 + 2**28, dtype=torch.uint8))
        self.change_nothing()

    def change_nothing(self):
        with open(self.marker, "a") as file:
            file.write(f"{os.getpid()} ")

    def device_fault(self):
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")


@hookimpl
def gan_bench_tricks():
    return [Fault]
'''


def grid_of(folder: Path, *tricks: str) -> Path:
    (folder / "faults.py").write_text(FAULTS)
    tables = ", ".join(f"[{trick}]" for trick in tricks)
    return write_grid(folder, tricks=f"tricks = [{tables}]", name='name = "toy"\nplugins = ["faults.py"]')


def fault(how: str, marker: str = "") -> str:
    return f'{{ name = "fault", how = "{how}", marker = "{marker}" }}'


def by_trick(store: Path) -> dict[str, Path]:
    """Run folders by how their fault goes wrong, "" for none."""
    settings = {f: json.loads((f / "run.json").read_text())["settings"] for f in run_folders(store)}
    return {
        (own["tricks"][0].get("how", own["tricks"][0]["name"]) if own["tricks"] else ""): f
        for f, own in settings.items()
    }


def result(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text())


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """Runs without and with a harmless trick, alone."""
    folder = tmp_path_factory.mktemp("undisturbed")
    gan_bench("run", write_grid(folder, tricks='tricks = [[], ["ema"]]'), "--slots", 1, "--out", "store", cwd=folder)
    return folder / "store"


def assert_others_undisturbed(store: Path, undisturbed: Path) -> None:
    mine, theirs = by_trick(store), by_trick(undisturbed)
    for name in ("", "ema"):
        assert_equal_runs(mine[name], theirs[name])


@pytest.mark.slow
def test_a_run_whose_process_died_is_tried_again_and_has_the_same_bits(tmp_path, undisturbed):
    marker = tmp_path / "died"
    grid = grid_of(tmp_path, fault("die_once", str(marker)), "", '"ema"')
    done = gan_bench("run", grid, "--slots", 1, cwd=tmp_path)
    assert marker.exists()
    said = " ".join(done.stderr.split())  # lines are wrapped
    assert "signal SIGKILL" in said
    assert "tried again from its checkpoint" in said
    gan_bench("run", grid, "--out", "again", "--only", "fault", cwd=tmp_path)  # it does not die any more
    store = tmp_path / "runs" / "toy"
    assert_equal_runs(by_trick(store)["die_once"], by_trick(tmp_path / "again")["die_once"])
    assert_others_undisturbed(store, undisturbed)


@pytest.mark.slow
def test_a_plugin_that_hangs_is_ended_and_its_place_is_told(tmp_path, undisturbed):
    grid = grid_of(tmp_path, fault("hang"), "", '"ema"')
    done = gan_bench("run", grid, "--slots", 1, "--step-seconds", 0.5, "--retries", 0, cwd=tmp_path, code=1)
    assert "a step took longer than 0.5 s" in done.stderr
    store = tmp_path / "runs" / "toy"
    failure = result(by_trick(store)["hang"])
    assert failure["reason"] == "a step took longer than 0.5 s"
    assert "in hang" in failure["traceback"]
    assert_others_undisturbed(store, undisturbed)


@pytest.mark.slow
def test_global_state_is_put_back_and_the_process_replaced(tmp_path, undisturbed):
    marker = tmp_path / "processes"
    grid = grid_of(tmp_path, fault("change_state", str(marker)), "", '"ema"', fault("change_nothing", str(marker)))
    gan_bench("run", grid, "--slots", 1, cwd=tmp_path, code=1)  # its own networks don't fit the new dtype
    first, second = marker.read_text().split()
    assert first != second
    store = tmp_path / "runs" / "toy"
    assert (
        "changed default dtype, number of threads, working folder"
        in (by_trick(store)["change_state"] / "output.txt").read_text()
    )
    assert_others_undisturbed(store, undisturbed)


@pytest.mark.slow
def test_a_process_that_leaks_memory_is_replaced(tmp_path, undisturbed):
    marker = tmp_path / "processes"
    grid = grid_of(tmp_path, "", fault("leak", str(marker)), '"ema"', fault("change_nothing", str(marker)))
    gan_bench("run", grid, "--slots", 1, cwd=tmp_path)
    first, second = marker.read_text().split()
    assert first != second
    assert_others_undisturbed(tmp_path / "runs" / "toy", undisturbed)


@pytest.mark.slow
def test_a_fault_of_the_device_ends_the_process_and_fails_only_its_run(tmp_path, undisturbed):
    grid = grid_of(tmp_path, fault("device_fault"), "", '"ema"')
    done = gan_bench("run", grid, "--slots", 1, cwd=tmp_path, code=1)
    assert "its GPU had a fault" in done.stderr
    store = tmp_path / "runs" / "toy"
    folder = by_trick(store)["device_fault"]
    assert "its GPU had a fault" in result(folder)["reason"]
    assert "illegal memory access" in (folder / "output.txt").read_text()
    assert_others_undisturbed(store, undisturbed)


@pytest.mark.slow
def test_a_run_that_has_finished_stays_so_whatever_comes_after(tmp_path):
    listener = """
import os
from gan_bench import hookimpl

@hookimpl
def gan_bench_run_ended(folder):
    os.kill(os.getpid(), 9)
"""
    (tmp_path / "listener.py").write_text(listener)
    grid = write_grid(tmp_path)
    gan_bench("run", grid, "--plugin", tmp_path / "listener.py", cwd=tmp_path)
    for folder in run_folders(tmp_path / "runs" / "toy"):
        assert result(folder)["status"] == "finished"


@pytest.mark.slow
def test_only_failed_runs_just_those(tmp_path):
    marker = tmp_path / "died"
    grid = grid_of(tmp_path, fault("die_once", str(marker)), "")
    gan_bench("run", grid, "--retries", 0, cwd=tmp_path, code=1)
    store = tmp_path / "runs" / "toy"
    before = (by_trick(store)[""] / "result.json").stat().st_mtime_ns
    done = gan_bench("run", grid, "--only", "failed", cwd=tmp_path)
    assert "from step 30" not in done.stderr
    assert result(by_trick(store)["die_once"])["status"] == "finished"
    assert (by_trick(store)[""] / "result.json").stat().st_mtime_ns == before


AWKWARD = '''
import os, subprocess, sys, threading, time, warnings
import torch
from gan_bench import Field, Trick, hookimpl


class Awkward(Trick):
    """Leaves behind what nobody expects."""

    name = "awkward"
    how: str = Field(description="a method below")

    def edit(self, recipe):
        def leave():
            if not recipe.step.is_meta and int(recipe.step) == 30:
                getattr(self, self.how)()

        recipe.after_g_step(leave)

    def thread(self):
        threading.Thread(target=time.sleep, args=(300,)).start()

    def fork(self):
        if not os.fork():
            time.sleep(300)
            os._exit(0)

    def arithmetic(self):
        torch.backends.mkldnn.enabled = False
        torch.set_float32_matmul_precision("medium")
        torch.set_autocast_enabled("cpu", True)
        torch.set_flush_denormal(True)
        torch.backends.cudnn.benchmark = True

    def panic(self):
        class Panic(BaseException):
            pass

        raise Panic("caf\\\\udce9.png is no picture")

    def unspeakable(self):
        class Unspeakable(Exception):
            def __str__(self):
                raise self

        raise Unspeakable

    def patch(self):
        torch.Tensor.backward = torch.randn = None  # and then trains on, without them

    def deaf(self):
        os.closerange(3, 256)
        time.sleep(300)

    def verbose(self):
        raise ValueError("a" + 50_000_000 * "x" + "b")


@hookimpl
def gan_bench_run_ended(folder):
    sys.exit(1)


@hookimpl
def gan_bench_tricks():
    return [Awkward]
'''


HOW = {  # of those that fail: the reason that is recorded
    "thread": None,
    "fork": None,
    "arithmetic": None,
    "panic": "Panic: caf\\udce9.png is no picture",
    "unspeakable": "Unspeakable: its text can't be had (Unspeakable)",
    "patch": "TypeError: 'NoneType' object is not callable (in awkward at awkward.py:13)",
    "verbose": f"ValueError: a{'x' * 987} [...] {'x' * 999}b",
}


@pytest.mark.parametrize("how", [pytest.param(how, marks=[pytest.mark.slow] * (how != "unspeakable")) for how in HOW])
def test_what_a_run_leaves_behind_holds_up_nobody(tmp_path, undisturbed, how):
    (tmp_path / "awkward.py").write_text(AWKWARD)
    tricks = f'tricks = [[{{ name = "awkward", how = "{how}" }}], [], ["ema"]]'
    grid = write_grid(tmp_path, tricks=tricks, name='name = "toy"\nplugins = ["awkward.py"]')
    gan_bench("run", grid, "--slots", 1, cwd=tmp_path, code=1 if HOW[how] else 0)
    store = tmp_path / "runs" / "toy"
    for folder in run_folders(store):
        assert "SystemExit" in (folder / "output.txt").read_text()  # of the listener
        (folder / "output.txt").unlink()
    assert_others_undisturbed(store, undisturbed)
    if HOW[how]:
        failure = result(by_trick(store)[how])
        assert failure["reason"].endswith(HOW[how])  # after file and line, where they are a plugin's
        assert len(failure["traceback"]) < 60_000


@pytest.mark.slow
def test_a_process_that_no_longer_answers_is_ended(tmp_path, undisturbed):
    (tmp_path / "awkward.py").write_text(AWKWARD)
    tricks = 'tricks = [[{ name = "awkward", how = "deaf" }], [], ["ema"]]'
    grid = write_grid(tmp_path, tricks=tricks, name='name = "toy"\nplugins = ["awkward.py"]')
    gan_bench("run", grid, "--slots", 1, cwd=tmp_path, code=1)
    store = tmp_path / "runs" / "toy"
    assert result(by_trick(store)["deaf"])["reason"] == "the worker process ended (it no longer answered)"
    for name in ("", "ema"):
        (by_trick(store)[name] / "output.txt").unlink()  # the listener's
    assert_others_undisturbed(store, undisturbed)
