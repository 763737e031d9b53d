"""What is asked of Slurm: arguments, scripts and answers, with commands of its names that write down what they get."""

from __future__ import annotations

import json
import os
from pathlib import Path
from threading import Timer

import pytest
from filelock import FileLock
from stores import GRID, gan_bench, run_folders, write_grid

from gan_bench.commands import following
from gan_bench.commands.on_slurm import seconds_of
from gan_bench.commands.submission import Ending, Submission
from gan_bench.errors import GanBenchError
from gan_bench.workers import pilot, slurm
from gan_bench.workers.shards import Given
from gan_bench.workers.slurm import Task, as_options, queue

CLUSTER = """
[cluster]
most = 3
signal_seconds = 90
sbatch = { partition = "short", mem = "4G", exclusive = true, hold = false, nice = 10 }
setup = ["module load cuda", "export A='b c'"]
"""

FAKE = """#!/bin/sh
n=$(ls {folder} | grep -c '^env')
name=$(basename "$0")
{{ for word in "$@"; do echo "$word"; done; }} > {folder}/$name-$n.arguments
case $name in
  sbatch)
    [ "$n" = "$FAIL_AT" ] && {{ echo "sbatch: error: QOSMaxSubmitJobPerUserLimit" >&2; exit 1; }}
    cat > {folder}/sbatch-$n.script; env > {folder}/env-$n; echo "$((100 + n));cluster" ;;
  squeue) cat {folder}/queue 2>/dev/null; exit 0 ;;
  scontrol) echo "MaxArraySize            = $MAX_ARRAY" ;;
  scancel) : > {folder}/queue ;;
esac
"""


@pytest.fixture
def fake(tmp_path, monkeypatch) -> Path:
    """The folder where the commands leave what they got."""
    folder = tmp_path / "fake"
    folder.mkdir()
    (tmp_path / "bin").mkdir()
    for name in ("sbatch", "squeue", "scontrol", "scancel"):
        file = tmp_path / "bin" / name
        file.write_text(FAKE.format(folder=folder))
        file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("MAX_ARRAY", "1001")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "1")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")
    return folder


def submitted(fake: Path) -> list[list[str]]:
    return [(fake / f"sbatch-{n}.arguments").read_text().splitlines() for n in range(len(list(fake.glob("env-*"))))]


def run(folder: Path, *options: object, code: int = 0, text: str = GRID + CLUSTER) -> str:
    grid = write_grid(folder, text)
    return gan_bench(
        "run", grid, "--on", "slurm", "--detach", "--out", "a store", *options, cwd=folder, code=code
    ).output


def test_three_jobs_are_submitted_and_nothing_is_decoded(tmp_path, fake, monkeypatch):
    monkeypatch.setenv("GAN_BENCH_CACHE", str(tmp_path / "cache"))
    run(tmp_path, "--seeds", "0-9")
    assert not (tmp_path / "cache").exists()
    name = Submission.latest(tmp_path / "a store").name
    logs = tmp_path / "a store" / ".cluster" / name / "logs"
    common = ["--partition=short", "--mem=4G", "--exclusive", "--nice=10"]
    own = [["--open-mode=append", "--requeue"]] * 3
    prepare, train, finish = submitted(fake)
    assert prepare == ["--parsable", *common, f"--job-name={name}-prepare", f"--output={logs}/prepare.log", *own[0]]
    assert train == [
        *("--parsable", *common, f"--job-name={name}-train", f"--output={logs}/train-%a.log", *own[1]),
        *("--array=0-2", "--signal=B:USR1@90", "--dependency=afterok:100", "--kill-on-invalid-dep=yes"),
    ]
    assert finish[-1] == "--dependency=afterany:101"
    script = (fake / "sbatch-1.script").read_text().splitlines()
    assert script[:4] == ["#!/bin/bash", "trap '' USR1", "module load cuda", "export A='b c'"]
    assert script[4].startswith("exec ")
    assert script[4].endswith(f" work '{tmp_path}/a store' --shard \"$SLURM_ARRAY_TASK_ID\"/3 --submission {name}")
    environment = (fake / "env-0").read_text()
    assert "CUDA_VISIBLE_DEVICES" not in environment  # the login node's
    assert "SLURM_MEM_PER_NODE" not in environment
    assert "SLURM_CONF=/etc/slurm.conf" in environment


@pytest.mark.parametrize(("most", "array", "tasks"), [("64", "1001", 20), ("64", "11", 11), ("7", "1001", 7)])
def test_an_array_is_as_long_as_there_are_runs_and_the_cluster_and_the_user_allow(
    tmp_path, fake, monkeypatch, most, array, tasks
):
    monkeypatch.setenv("MAX_ARRAY", array)
    run(tmp_path, "--seeds", "0-9", "--set", f"cluster.most={most}")
    assert f"--array=0-{tasks - 1}" in submitted(fake)[1]


def test_what_lives_is_not_submitted_again_and_what_lacks_is(tmp_path, fake):
    run(tmp_path)
    name = Submission.latest(tmp_path / "a store").name
    waiting = f"101_0|PENDING||{name}-train|Dependency\n102|PENDING||{name}-finish|Dependency\n"
    everything = f"100|RUNNING|n1|{name}-prepare|None\n{waiting}"
    (fake / "queue").write_text(everything)
    assert "already" in run(tmp_path)
    assert len(submitted(fake)) == 3
    (fake / "queue").write_text(everything.splitlines()[0] + "\n")  # killed after the first
    run(tmp_path)
    assert "--dependency=afterok:100" in submitted(fake)[3]
    assert "--dependency=afterany:103" in submitted(fake)[4]
    (fake / "queue").write_text("\n".join(everything.splitlines()[:2]) + "\n")
    run(tmp_path)
    assert "--dependency=afterany:101" in submitted(fake)[5]
    assert Submission.latest(tmp_path / "a store").name == name
    assert "of another command" in run(tmp_path, "--seeds", "0-3", code=2)
    (fake / "queue").write_text("")
    run(tmp_path, "--seeds", "0-3")
    assert Submission.latest(tmp_path / "a store").name != name


@pytest.mark.parametrize(
    "other",
    [
        ("run", "--on", "local", "--out", "a store", "grid.toml"),
        ("run", "--on", "ray", "--out", "a store", "grid.toml"),
        ("work", "a store", "--prepare", "--grid", "grid.toml"),
    ],
)
def test_another_command_is_not_in_the_way_of_living_jobs(tmp_path, fake, other):
    run(tmp_path)
    before = (tmp_path / "a store" / ".cluster" / "command.json").read_bytes()
    name = Submission.latest(tmp_path / "a store").name
    (fake / "queue").write_text(f"102|PENDING||{name}-finish|Dependency\n")
    assert "gan-bench stop" in gan_bench(*other, cwd=tmp_path, code=2).stderr
    assert (tmp_path / "a store" / ".cluster" / "command.json").read_bytes() == before


def test_a_second_command_on_ray_leaves_the_bundle_of_the_first(tmp_path):
    pytest.importorskip("ray")
    store = tmp_path / "a store"
    store.mkdir()
    with FileLock(store / ".lock"):
        done = gan_bench("run", write_grid(tmp_path, GRID), "--on", "ray", "--out", store, cwd=tmp_path, code=2)
    assert "another gan-bench run is at work" in done.stderr
    assert not (store / ".cluster").exists()


def test_what_has_ended_is_submitted_anew_though_idle_jobs_live(tmp_path, fake):
    run(tmp_path)
    before = Submission.latest(tmp_path / "a store")
    (fake / "queue").write_text(f"101_0|PENDING||{before.name}-train|Priority\n")
    before.end(Ending(runs=2))
    run(tmp_path)
    assert Submission.latest(tmp_path / "a store").name != before.name


def test_what_slurm_refuses_is_told_and_leaves_no_job_behind(tmp_path, fake, monkeypatch):
    monkeypatch.setenv("FAIL_AT", "1")
    assert "QOSMaxSubmitJobPerUserLimit" in run(tmp_path, code=2)
    assert Submission.latest(tmp_path / "a store").stopped.exists()


def test_where_there_is_no_slurm(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "there is no scontrol here" in run(tmp_path, code=2)


@pytest.mark.parametrize(
    ("cluster", "told"),
    [
        ('sbatch = { time = "00:01:00" }', "give them more time"),
        ('sbatch = { array = "0-3" }', "gan-bench gives this option to sbatch itself"),
        ("sbatch = { mail_type = 1 }", "must be the long name of an option"),
    ],
)
def test_options_that_can_not_work_are_refused(tmp_path, fake, cluster, told):
    assert told in run(tmp_path, code=2, text=f"{GRID}\n[cluster]\n{cluster}\n")
    assert not submitted(fake)


@pytest.mark.parametrize(
    ("limit", "seconds"),
    [
        ("5", 300),
        ("5:30", 330),
        ("1:00:00", 3600),
        ("1-2", 93600),
        ("1-2:03", 93780),
        ("0-0:0:9", 9),
        ("UNLIMITED", None),
    ],
)
def test_time_limits_are_read_as_sbatch_reads_them(limit, seconds):
    assert seconds_of(limit) == seconds


def test_the_queue_is_read(fake):
    (fake / "queue").write_text(
        "12_3|RUNNING|n1|a-train|None\n13|PENDING||a-finish|(Nodes required for job are DOWN, DRAINED | reserved)\nodd\n"
    )
    assert queue(["a-train", "a-finish"]) == [
        Task("12_3", "RUNNING", "n1", "a-train", "None"),
        Task("13", "PENDING", "", "a-finish", "(Nodes required for job are DOWN, DRAINED | reserved)"),
    ]
    assert queue(["a"])[0].job == "12"
    asked = (fake / "squeue-0.arguments").read_text().splitlines()
    assert asked[:3] == ["--noheader", "--array", "--name=a"]


@pytest.mark.parametrize(
    ("environment", "job"),
    [
        ({}, ""),
        ({"SLURM_JOB_ID": "12"}, "12"),
        ({"SLURM_JOB_ID": "13", "SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "0"}, "12_0"),
        ({"SLURM_JOB_ID": "12", "SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "1"}, "12_1"),
    ],
)
def test_a_task_is_never_named_by_the_number_of_its_array(monkeypatch, environment, job):
    for name in ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert slurm.own_job() == job


def test_options_of_sbatch():
    assert as_options({"a": True, "b": False, "c": 3, "d": "x y"}) == ["--a", "--c=3", "--d=x y"]


def test_an_error_of_slurm_is_one_of_the_user(fake, monkeypatch):
    monkeypatch.setenv("FAIL_AT", "0")
    with pytest.raises(GanBenchError, match="sbatch: sbatch: error: QOS"):
        slurm.submit("#!/bin/sh", {})


def test_status_and_stop_of_what_is_none(tmp_path):
    (tmp_path / "store").mkdir()
    assert "has no jobs on Slurm" in gan_bench("stop", "store", cwd=tmp_path, code=2).output
    assert "were given to a cluster" in gan_bench("work", "store", "--shard", "0/2", cwd=tmp_path, code=2).output
    assert "such as 0/8" in gan_bench("work", "store", "--shard", "2/2", cwd=tmp_path, code=2).output
    assert "give one of" in gan_bench("work", "store", cwd=tmp_path, code=2).output


def test_status_counts_what_is_there(tmp_path, fake):
    run(tmp_path)
    name = Submission.latest(tmp_path / "a store").name
    (fake / "queue").write_text(
        f"101_0|RUNNING|n7|{name}-train|None\n101_1|PENDING||{name}-train|Resources\n101_2|PENDING||{name}-train|Resources\n"
    )
    told = gan_bench("status", "a store", cwd=tmp_path).stdout
    assert "Slurm: 1 task on n7; 2 tasks waiting (Resources)" in told
    assert "No run is given out yet" in told
    assert json.loads((tmp_path / "a store" / ".cluster" / "submission.json").read_text())["tasks"] == 2


def test_what_tasks_tell_is_followed(tmp_path, fake, monkeypatch):
    """Its jobs are done by hand, as Slurm would."""
    monkeypatch.setattr(following, "READ_SECONDS", 0.05)
    run(tmp_path)
    store = tmp_path / "a store"
    submission = Submission.latest(store)

    def work(*options: str) -> None:
        gan_bench("work", store, *options, "--submission", submission.name, cwd=tmp_path)

    work("--prepare")
    work("--shard", "1/2")  # the other one has enough time for both
    assert not run_folders(store)
    work("--shard", "0/2")
    assert "2 of 2 runs finished" in gan_bench("status", store, cwd=tmp_path).stdout
    (fake / "queue").write_text(f"102|PENDING||{submission.name}-finish|Dependency\n")
    end = Timer(1.0, submission.end, [Ending(runs=2, lines=("said at the end",))])
    end.start()
    told = gan_bench("run", "grid.toml", "--on", "slurm", "--out", "a store", cwd=tmp_path).output
    end.join()
    for line in ("2 runs for 1 task", "1 finishing job waiting (Dependency)", "seed 0: finished", "said at the end"):
        assert line in told
    (submission.folder / "ending.json").unlink()
    (fake / "queue").write_text("")
    work("--finish")
    assert submission.ending == Ending(runs=2)
    assert (store / "report.html").exists()


BROKEN = """
import multiprocessing, os
from gan_bench import Trick, hookimpl

class Broken(Trick):
    name = "broken"
    def edit(self, recipe):
        left = [3]
        def step():
            left[0] -= 1
            if not left[0]:
                raise ValueError("at its third step")
        recipe.after_g_step(step)

class Deadly(Trick):
    name = "deadly"
    def edit(self, recipe):
        if multiprocessing.parent_process():
            recipe.after_g_step(lambda: os._exit(7))

@hookimpl
def gan_bench_tricks():
    return [Broken, Deadly]
"""


def prepared(folder: Path, **replaced: str) -> tuple[list[Given], str]:
    """The runs that are given out, and what is told."""
    grid = write_grid(folder, GRID + "\n[cluster]\nmost = 4\n", **replaced)
    told = gan_bench("work", "store", "--prepare", "--grid", grid, cwd=folder).output
    return Submission.latest(folder / "store").round(1).given(), told


def test_runs_of_which_no_step_can_be_timed_are_given_out_all_the_same(tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN)
    given, told = prepared(
        tmp_path, name='name = "toy"\nplugins = ["broken.py"]', tricks='tricks = [[], ["broken"], ["deadly"]]'
    )
    seconds = [one.seconds for one in given]
    assert min(seconds) > 0
    assert seconds == [seconds[0]] * 3
    assert "ValueError: at its third step" in told
    assert "its process died" in told


def test_what_takes_too_long_is_not_timed(tmp_path, monkeypatch):
    monkeypatch.setattr(pilot, "TRIED_SECONDS", 0.01)
    given, told = prepared(tmp_path)
    assert [one.seconds for one in given] == [0.0, 0.0]
    assert "it took longer than 0.01 s" in told
