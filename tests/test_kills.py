"""kill -9 at any instant, of any of the command's processes: the same command ends with the same bits."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from stores import assert_equal_stores, command, gan_bench, run_folders, write_grid

KILLER = Path(__file__).with_name("killer.py")
LONG = {
    "steps": "steps = 120",
    "snapshots": "snapshots = 3",
    "tricks": 'tricks = [[], ["ema", "spectral_norm"], [{ name = "r1", every = 3 }]]',
}  # dropout, batch norm, channels last and fused Adam in all of them
CHOSEN = [  # where, the how manieth time, whom
    ("before a rename", 9, "all"),
    ("after a rename", 14, "all"),
    ("half a line", 4, "all"),
    ("evaluation", 2, "all"),
    ("half a file", 5, "one"),  # of the workers: the command goes on to its end
]
START_AND_END = [("decoding", 1, "all"), ("half a file", 1, "all"), ("report", 1, "all")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    gan_bench("run", write_grid(folder, **LONG), "--out", "store", cwd=folder)
    return folder / "store"


class Victim:
    """A grid whose command is killed."""

    def __init__(self, folder: Path, whole: Path) -> None:
        self.folder, self.whole, self.kills = folder, whole, 0
        self.grid = write_grid(folder, **LONG)

    def start(self, *options: object, **environment: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command("run", self.grid, "--out", "killed", *options),
            cwd=self.folder,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def kill_at(self, point: str, count: int, who: str, *options: str) -> None:
        """Run the command until it is killed at a chosen point, or to its end if one of its workers was."""
        counter = self.folder / "counter"
        counter.unlink(missing_ok=True)
        cache = str(self.folder / f"cache-{self.kills}") if point == "decoding" else os.environ["GAN_BENCH_CACHE"]
        process = self.start(
            "--plugin",
            KILLER,
            *options,
            KILL_AT=f"{point}:{count}:{who}",
            KILL_COUNTER=str(counter),
            GAN_BENCH_CACHE=cache,
        )
        errors = process.communicate(timeout=900)[1].decode()
        assert process.returncode == (-signal.SIGKILL if who == "all" else 0), errors
        assert counter.stat().st_size >= count
        self.kills += 1

    def kill_after(self, seconds: float, chance: random.Random) -> None:
        """Kill the parent, another process, or all, after a time; the command may come to its end before or after."""
        process = self.start()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            who = chance.choice(["all", "parent", "another"])
            others = [pid for pid in processes(process.pid) if pid != process.pid]
            if who == "all":
                os.killpg(process.pid, signal.SIGKILL)
            elif who == "parent" or not others:
                process.kill()
            else:
                os.kill(chance.choice(others), signal.SIGKILL)
            self.kills += 1
        errors = process.communicate(timeout=900)[1].decode()
        assert process.returncode in (0, -signal.SIGKILL), errors

    def finish_and_compare(self, name: str) -> None:
        """The same command ends, with every tensor, curve, score and picture of the uninterrupted run; the store gets a name."""
        gan_bench("run", self.grid, "--out", "killed", cwd=self.folder)
        assert_equal_stores(self.whole, self.folder / "killed")
        (self.folder / "killed").rename(self.folder / name)


def processes(session: int) -> list[int]:
    """All processes of a session, as far as they still run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(folder.name)) == session:
                found.append(int(folder.name))
        except ProcessLookupError:
            continue
    return found


def test_killed_at_chosen_points_it_ends_with_the_same_bits(tmp_path, whole):
    victim = Victim(tmp_path, whole)
    for point, count, who in CHOSEN:
        victim.kill_at(point, count, who)
    assert victim.kills == 5
    assert_equal_stores(whole, tmp_path / "killed")


@pytest.mark.slow
def test_killed_while_it_clears_what_is_trained_afresh(tmp_path, whole):
    victim, store = Victim(tmp_path, whole), tmp_path / "killed"
    shutil.copytree(whole, store)
    old = {run.name: (run / "run.json").stat().st_mtime_ns for run in run_folders(store)}
    victim.kill_at("before clearing", 1, "all", "--fresh")
    assert old.items() == {run.name: (run / "run.json").stat().st_mtime_ns for run in run_folders(store)}.items()
    victim.kill_at("half cleared", 1, "all", "--fresh")
    assert list((store / "runs").glob(".*.discarded"))
    victim.kill_at("before clearing", 2, "one", "--fresh")
    assert not list((store / "runs").glob(".*.discarded"))
    assert all((run / "run.json").stat().st_mtime_ns > old[run.name] for run in run_folders(store))
    assert_equal_stores(whole, store)


@pytest.mark.slow
def test_killed_fifty_times_it_ends_with_the_same_bits(tmp_path, whole):
    victim, chance, stores = Victim(tmp_path, whole), random.Random(0), 0
    began = time.monotonic()
    gan_bench("run", victim.grid, "--out", "again", cwd=tmp_path)
    seconds = time.monotonic() - began + 4  # a process of its own has to import
    while victim.kills < 50:
        for point, count, who in (*START_AND_END[:2], *chance.sample(CHOSEN[:-1], 2), START_AND_END[2]):
            victim.kill_at(point, count, who)
        victim.finish_and_compare(f"chosen-{stores}")
        for _ in range(6):
            victim.kill_after(chance.uniform(0, seconds), chance)
        victim.finish_and_compare(f"random-{stores}")
        stores += 1
    print(f"{victim.kills} kills, {2 * stores} stores compared")
