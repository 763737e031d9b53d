"""Grids on Slurm's own daemons: whatever is killed, preempted, stopped or lost, the store is that of a local run, bit for bit."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import fuzz
import pytest
from slurm import PLUGIN, Cluster, missing
from stores import assert_equal_stores, command, gan_bench, run_folders, write_grid

from gan_bench.commands.submission import Submission
from gan_bench.store.folder import RunFolder
from gan_bench.workers.events import Failed, Returned, Started
from gan_bench.workers.journal import Begun, Journals, Line, Over

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing())]

GRID = """
name = "toy"
plugins = ["slow.py"]
dataset = { name = "digits", size = 8 }
architecture = { name = "dcgan", depth = 1, width = 4, latent = 8 }
seeds = [0, 1]
steps = 60
batch_size = 16

[optimizer]
lr = 1e-3

[evaluate]
snapshots = 2
samples = 64
metrics = ["fid"]
features = "random"

[cluster]
most = 2
minutes = 0.001

[[compare]]
title = "Average?"
tricks = [["slow"], ["slow", "ema"]]
"""

SEARCH = """
name = "toy"
plugins = ["slow.py"]
dataset = { name = "digits", size = 8 }
architecture = { name = "labelled", width = 8 }
seeds = [0]
steps = 20
batch_size = 16

[evaluate]
snapshots = 1
samples = 64
metrics = ["fid"]
features = "random"

[cluster]
most = 2

[search]
draws = 2
seed = 2
[search.space]
"optimizer.lr" = { choice = [1e-9, 1e-2] }

[[compare]]
title = "Labels?"
"architecture.conditional" = ["none", "concat"]
"""


class Desk:
    """A folder on the cluster's disk, with the environment of its login node."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        self.folder, self.cluster = folder, cluster
        self.store = folder / "store"
        self.locals: dict[str, Path] = {}
        (folder / "slow.py").write_text(PLUGIN)

    def write(self, text: str = GRID, *, own_cache: bool = False) -> None:
        """Begin with another grid and an empty store, where `own_cache` says so with a cache of its own."""
        os.environ["GAN_BENCH_CACHE"] = str(self.folder / "cache")
        if own_cache:
            del os.environ["GAN_BENCH_CACHE"]
        if self.store.exists():
            self.store.rename(self.folder / f"store-{time.time_ns()}")
        self.text = text
        write_grid(self.folder, text)
        self.cluster.calls.write_text("")

    def run(self, *options: object, code: int = 0) -> str:
        """The command to its end; what it tells."""
        return gan_bench(
            "run", "grid.toml", "--on", "slurm", "--out", "store", *options, cwd=self.folder, code=code
        ).output

    def start(self, *options: str) -> subprocess.Popen[str]:
        """The command as a process of its own."""
        line = command("run", "grid.toml", "--on", "slurm", "--out", "store", *options)
        return subprocess.Popen(line, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def tell(self, *command: object) -> str:
        """What another command tells of the store."""
        return gan_bench(*command, "store", cwd=self.folder).stdout

    @property
    def submission(self) -> Submission:
        found = Submission.latest(self.store)
        assert found is not None
        return found

    def trains(self, runs: int = 1) -> bool:
        """Whether so many runs have been begun."""
        return len(list(self.store.glob("runs/*/curves.jsonl"))) >= runs

    def told(self) -> list[Line]:
        """All that tasks have told."""
        rounds = range(1, self.submission.rounds() + 1)
        return [line for number in rounds for line in Journals(self.submission.round(number).journals).new()]

    def at_work(self) -> set[str]:
        """Journals of tasks that train now."""
        told = self.told()
        return {line.journal for line in told if isinstance(line.entry, Started)} - {
            line.journal for line in told if isinstance(line.entry, Over)
        }

    def calls(self, name: str) -> list[str]:
        """Calls of one of Slurm's commands by those that were typed."""
        lines = [line.split(" ", 2) for line in self.cluster.calls.read_text().splitlines()]
        return [line[2] for line in lines if line[:2] == ["login", name]]

    def equals_a_local_run(self, *options: str) -> None:
        """Bit for bit."""
        os.environ["GAN_BENCH_CACHE"] = str(self.folder / "cache")
        if self.text not in self.locals:
            self.locals[self.text] = self.folder / f"local-{len(self.locals)}"
            gan_bench("run", "grid.toml", "--out", self.locals[self.text], *options, cwd=self.folder)
        assert_equal_stores(self.locals[self.text], self.store)
        assert (self.store / "report.html").exists()


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("slurm")
    with Cluster(folder) as cluster, pytest.MonkeyPatch.context() as patch:
        for key, value in cluster.environment.items():
            patch.setenv(key, value)
        patch.setenv("GAN_BENCH_CACHE", "")
        home = folder / "home"
        home.mkdir()
        yield Desk(home, cluster)


def until(condition: Callable[[], object], what: str, seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def test_a_grid_is_submitted_once_and_followed(desk):
    """An unlabelled dataset; typed again, killed, and typed again."""
    desk.write(GRID.replace('{ name = "digits", size = 8 }', '{ name = "photo_patches", size = 8 }'), own_cache=True)
    began = time.monotonic()
    assert "Given to Slurm" in desk.run("--detach")
    assert "already" in desk.run("--detach")
    assert "another command are at work" in desk.run("--seeds", "0", code=2)
    assert "waiting (Dependency)" in desk.tell("status")
    follower = desk.start()
    until(desk.trains, "no run began")
    follower.kill()
    follower.communicate()
    assert "on n1, n2" in desk.tell("status")
    follower = desk.start()
    output = follower.communicate(timeout=600)[0]
    assert follower.returncode == 0, output
    assert output.rstrip().endswith("store/report.html")
    assert "ended; the report is written" in desk.tell("status")
    assert [len(desk.calls(name)) for name in ("sbatch", "sacct", "scontrol")] == [3, 0, 1]
    assert len(desk.calls("squeue")) < 9 + (time.monotonic() - began) / 15
    assert {file.name for file in (desk.store / ".cluster" / "cache").iterdir()} >= {"datasets", "features"}
    desk.equals_a_local_run()


def test_what_is_killed_at_random_goes_on(desk):
    """Workers, Slurm's process of a job, a node's daemon, the controller, and the command that follows."""
    desk.write(GRID.replace('"slow"', '{ name = "slow", milliseconds = 100 }'))
    cluster, chance = desk.cluster, random.Random(7)
    follower = desk.start("--retries", "9")
    until(desk.trains, "no run began")
    for name in chance.sample(["a worker", "slurmstepd", "n1", "slurmctld", "the follower"], 5):
        time.sleep(chance.uniform(0.2, 2))
        if name == "the follower":
            follower.kill()
            follower.communicate()
            follower = desk.start("--retries", "9")
        elif name == "slurmctld":
            cluster.kill(name)
            cluster.start_controller()
        elif name == "n1":
            cluster.kill(name)
            cluster.start_node(name)
        else:
            found = cluster.processes("forkserver") if name == "a worker" else cluster.step_daemons()
            for pid in chance.sample(found, min(1, len(found))):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    output = follower.communicate(timeout=600)[0]
    assert follower.returncode == 0, output
    desk.equals_a_local_run()


def test_a_preemption_costs_a_run_nothing_and_a_crash_does(desk):
    """With `--fuzz 10` there are ten in a row."""
    slow = f'{{ name = "slow", milliseconds = {80 + 20 * fuzz.times} }}'
    text = GRID.replace('"slow"', slow).replace('"ema"]', '"ema"], ["crash"]')
    desk.write(text)
    follower = desk.start("--retries", "1")
    until(lambda: desk.trains(2), "no run began")
    for _ in range(fuzz.times):
        until(lambda: len(desk.at_work()) == 2, "no run goes on")
        desk.cluster.ask("sbatch", "--partition=high", "--array=1-2", "--output=/dev/null", "--wrap=sleep 1")
        until(lambda: not desk.at_work(), "not preempted")
    output = follower.communicate(timeout=600)[0]
    assert follower.returncode == 1, output
    assert "2 of 6 runs failed" in output
    failed = {line.entry.run for line in desk.told() if isinstance(line.entry, Failed)}
    returned = [line.entry for line in desk.told() if isinstance(line.entry, Returned)]
    deaths = [entry.run for entry in returned if "exit code 7" in entry.reason]  # others were asked to end
    assert len(failed) == 2
    assert sorted(deaths) == sorted(failed)  # one further try each
    starts = [
        line.entry.run for line in desk.told() if isinstance(line.entry, Started) and line.entry.run not in failed
    ]
    assert len(starts) > len(set(starts)) == 4  # some were preempted
    for run in failed:
        (desk.store / "runs" / run).rename(desk.folder / run)
    desk.text = text.replace(', ["crash"]', "")
    write_grid(desk.folder, desk.text)
    desk.equals_a_local_run()


def test_what_is_near_its_time_limit_saves_and_goes_on(desk):
    """The last task of the array, which has its number, and no other one."""
    desk.write(GRID.replace('"slow"', '{ name = "slow", milliseconds = 100 }'))
    follower = desk.start()
    until(lambda: desk.trains(2), "no run began")
    time.sleep(2)
    last = max(task.number for task in desk.submission.living() if "_" in task.number)
    desk.cluster.ask("scancel", "--batch", "--signal=USR1", last)
    output = follower.communicate(timeout=600)[0]
    assert follower.returncode == 0, output
    overs = [line.entry.text for line in desk.told() if isinstance(line.entry, Over)]
    assert sum("time limit" in text for text in overs) == 1
    lives = [line.entry for line in desk.told() if isinstance(line.entry, Begun)]
    assert sorted(begun.shard for begun in lives) == [0, 1, 1]
    assert [
        line.entry.steps for line in desk.told() if isinstance(line.entry, Started) and line.entry.steps
    ]  # exact steps
    assert desk.submission.rounds() == 1  # Slurm itself has started the tasks again
    desk.equals_a_local_run()


def test_ctrl_c_saves_and_the_rest_is_trained_here(desk):
    desk.write(GRID.replace('"slow"', '{ name = "slow", milliseconds = 100 }'))
    follower = desk.start()
    until(lambda: desk.trains(2), "no run began")
    time.sleep(1)
    follower.send_signal(signal.SIGINT)
    output = follower.communicate(timeout=200)[0]
    assert follower.returncode == 130, output
    assert "Stopped. The same command goes on from here." in output
    assert not desk.submission.living()
    assert "stopped; the same command goes on" in desk.tell("status")
    assert any(RunFolder(run).read().checkpoint.steps not in (0, 30, 60) for run in run_folders(desk.store))
    gan_bench("run", "grid.toml", "--out", "store", cwd=desk.folder)
    desk.equals_a_local_run()


def test_stop_ends_the_jobs_and_a_search_goes_on_in_a_second_array(desk):
    """Of a grid with conditional networks."""
    desk.write(SEARCH.replace('["slow.py"]', f'["{Path(__file__).parents[1]}/helpers/labelled.py"]'))
    desk.run("--detach", "--allow-plugins")
    assert "Its jobs have ended" in desk.tell("stop")
    assert "Slurm has no job of it" in desk.tell("stop")
    output = desk.run("--allow-plugins")
    assert "draw" in output
    assert desk.submission.rounds() == 2
    desk.equals_a_local_run("--allow-plugins")


def test_a_plugin_that_was_edited_on_one_node_is_refused_by_name(desk):
    desk.write()
    cluster = desk.cluster
    other = desk.folder / "other.py"
    other.write_text(PLUGIN.replace("20", "30"))
    script = f'mount --bind {other} {desk.folder}/slow.py && exec "$0" "$@"'
    cluster.kill("n2")
    cluster.start_node("n2", ["unshare", "-m", "sh", "-c", script])
    try:
        until(lambda: cluster.ask("sinfo", "-h", "-n", "n2", "-o", "%T").split()[:1] == ["idle"], "n2 is not back")
        output = desk.run(code=2)
    finally:
        cluster.kill("n2")
        cluster.start_node("n2")
    assert f"n2: the plugin file {desk.folder}/slow.py" in output
    assert "is not the one that the command was typed with" in output
