"""What is asked of Slurm: arguments, scripts and answers, with commands of its names that write down what they get."""

from __future__ import annotations

import json
import os
from pathlib import Path
from threading import Timer
from types import SimpleNamespace

import pytest
from filelock import FileLock
from stores import GRID, gan_bench, run_folders, write_grid

from gan_bench.commands import following, submission, work
from gan_bench.commands.on_slurm import seconds_of
from gan_bench.commands.rates import uses_gpus, workers_of
from gan_bench.commands.submission import Ending, Submission
from gan_bench.errors import GanBenchError
from gan_bench.grid.schema import Cluster
from gan_bench.planning.runs import select
from gan_bench.workers import pilot, slurm
from gan_bench.workers.events import Advanced, Started
from gan_bench.workers.journal import Begun, Journal, Journals, Over
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
    cat > {folder}/sbatch-$n.script; env > {folder}/env-$n; echo "Welcome"; echo "$((100 + n));cluster"; echo "Bye" ;;
  squeue) env > {folder}/squeue.env; cat {folder}/queue 2>/dev/null; exit 0 ;;
  scontrol) echo "MaxArraySize            = $MAX_ARRAY"; echo "SchedulerParameters     = bf_interval=1,$MORE" ;;
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
    monkeypatch.setenv("SBATCH_CLUSTERS", "other")
    monkeypatch.setenv("SQUEUE_STATES", "RUNNING")
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
    assert script[4].endswith(
        f" work '{tmp_path}/a store' --shard \"$SLURM_ARRAY_TASK_ID\"/3 --round 1 --submission {name}"
    )
    environment = (fake / "env-0").read_text()
    assert "CUDA_VISIBLE_DEVICES" not in environment  # the login node's
    assert "SLURM_MEM_PER_NODE" not in environment
    assert "SBATCH_CLUSTERS" not in environment
    assert "SLURM_CONF=/etc/slurm.conf" in environment


@pytest.mark.parametrize(
    ("most", "array", "more", "tasks"),
    [("64", "1001", "", 20), ("64", "11", "", 11), ("7", "1001", "", 7), ("64", "1001", "max_array_tasks=5", 5)],
)
def test_an_array_is_as_long_as_there_are_runs_and_the_cluster_and_the_user_allow(
    tmp_path, fake, monkeypatch, most, array, more, tasks
):
    monkeypatch.setenv("MAX_ARRAY", array)
    monkeypatch.setenv("MORE", more)
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


def test_what_has_ended_is_told_once_and_submitted_anew_though_idle_jobs_live(tmp_path, fake):
    run(tmp_path)
    before = Submission.latest(tmp_path / "a store")
    (fake / "queue").write_text(f"101_0|PENDING||{before.name}-train|Priority\n")
    assert before.end(Ending(runs=2, failed=1, lines=("said at the end",))).failed == 1
    assert before.end(Ending(stopped=True)).failed == 1
    told = run(tmp_path, code=1)
    assert "1 of 2 runs failed" in told
    assert "said at the end" in told
    run(tmp_path)
    latest = Submission.latest(tmp_path / "a store")
    assert latest.name != before.name
    latest.end(Ending(runs=2))
    run(tmp_path, "--fresh")  # another command
    latest = Submission.latest(tmp_path / "a store")
    assert latest.name != before.name
    latest.end(Ending(stopped=True))
    run(tmp_path, "--fresh")
    assert Submission.latest(tmp_path / "a store").name != latest.name


def test_jobs_that_are_completing_are_in_nobodys_way_unless_they_are_being_stopped(tmp_path, fake, monkeypatch):
    run(tmp_path)
    before = Submission.latest(tmp_path / "a store")
    (fake / "queue").write_text(f"101_0|RUNNING|n1|{before.name}-train|None\n")
    before.stopped.touch()
    assert "are still ending" in run(tmp_path, code=2)
    (fake / "queue").write_text(f"101_0|COMPLETING|n1|{before.name}-train|None\n")
    monkeypatch.setattr(submission, "STOP_SECONDS", 0.0)
    assert before.stop()
    assert before.ending == Ending(stopped=True)
    run(tmp_path)
    assert Submission.latest(tmp_path / "a store").name != before.name


def test_ctrl_c_between_two_submissions_leaves_no_job_behind(tmp_path, fake, monkeypatch):
    given = iter(["100"])

    def submit(*_: object) -> str:
        name = Submission.latest(tmp_path / "a store").name
        (fake / "queue").write_text(f"100|PENDING||{name}-prepare|Priority\n")
        if number := next(given, None):
            return number
        raise KeyboardInterrupt

    monkeypatch.setattr(slurm, "submit", submit)
    run(tmp_path, code=130)
    assert (fake / "queue").read_text() == ""
    assert Submission.latest(tmp_path / "a store").ending == Ending(stopped=True)


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
        ("sbatch = { p = 1 }", "must be the long name of an option"),
        ("sbatch = { wait = true }", "gan-bench can't submit its jobs so"),
        (r'sbatch = { partition = "a\u0000b" }', "must be one line of readable text"),
        ("signal_seconds = 70_000", "65535"),
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
    assert asked[:4] == ["--noheader", "--array", "--name=a", f"--user={os.getuid()}"]
    assert "SQUEUE_STATES" not in (fake / "squeue.env").read_text()


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


def test_a_job_asks_slurm_again(monkeypatch):
    monkeypatch.setattr(slurm, "PAUSES", (0.0, 0.0))
    answers = iter(["", "", "yes", ""])

    def asked() -> str:
        if answer := next(answers, ""):
            return answer
        raise GanBenchError("Socket timed out")

    assert slurm.patiently(asked) == "yes"
    with pytest.raises(GanBenchError, match="Socket timed out"):
        slurm.patiently(asked)


def test_options_of_sbatch():
    assert as_options({"a": True, "b": False, "c": 3, "d": "x y"}) == ["--a", "--c=3", "--d=x y"]


def test_an_error_of_slurm_is_one_of_the_user(fake, monkeypatch):
    monkeypatch.setenv("FAIL_AT", "0")
    with pytest.raises(GanBenchError, match="sbatch: sbatch: error: QOS"):
        slurm.submit("#!/bin/sh", {})


def test_status_and_stop_of_what_is_none(tmp_path):
    (tmp_path / "store").mkdir()
    assert "--watch" in run(tmp_path, "--watch", code=2)
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
    file = tmp_path / "a store" / ".cluster" / "submission.json"
    assert json.loads(file.read_text())["tasks"] == 2
    file.write_bytes(b"\xff")
    assert "is damaged; delete it" in gan_bench("status", "a store", cwd=tmp_path, code=2).output


@pytest.mark.slow
def test_what_tasks_tell_is_followed(tmp_path, fake, monkeypatch):
    """Its jobs are done by hand, as Slurm would."""
    monkeypatch.setattr(following, "READ_SECONDS", 0.05)
    run(tmp_path)
    store = tmp_path / "a store"
    submission = Submission.latest(store)

    def work(*options: str) -> None:
        gan_bench("work", store, *options, "--submission", submission.name, cwd=tmp_path)

    (fake / "queue").write_text("".join(f"101_{task}|PENDING||{submission.name}-train|None\n" for task in range(2)))
    work("--prepare")
    assert (fake / "scancel-3.arguments").read_text().split() == ["--quiet", "101_[1-1]"]  # the one without runs
    (fake / "queue").write_text(f"101_1|CANCELLED||{submission.name}-train|None\n")
    assert not submission.cancelled()
    (fake / "queue").write_text(f"101_0|CANCELLED||{submission.name}-train|None\n")
    assert submission.cancelled()
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
    assert "2 of 2 runs finished" in gan_bench("status", store, cwd=tmp_path).stdout
    (submission.folder / "ending.json").unlink()
    (fake / "queue").write_text("")
    work("--finish")
    assert submission.ending == Ending(runs=2)
    assert (store / "report.html").exists()


def test_who_follows_what_another_command_has_replaced_says_so(tmp_path, fake, monkeypatch):
    monkeypatch.setattr(following, "READ_SECONDS", 0.05)
    run(tmp_path)
    store = tmp_path / "a store"
    (fake / "queue").write_text(f"101_0|PENDING||{Submission.latest(store).name}-train|None\n")
    anew = Timer(0.5, Submission.new, [store, 2])
    anew.start()
    told = gan_bench("run", "grid.toml", "--on", "slurm", "--out", "a store", cwd=tmp_path, code=130).output
    anew.join()
    assert "Another command has begun it anew; the same command follows that one." in told


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


@pytest.mark.slow
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
    assert given[0].seconds == given[1].seconds >= 3600, "a task each"
    assert "it took longer than 0.01 s" in told


@pytest.mark.slow
def test_arrays_in_which_runs_come_further_are_not_in_vain(tmp_path, monkeypatch):
    """A preempted run that saves again and again is given out as long as it does; one that never does is lost."""
    monkeypatch.setattr(work, "FRUITLESS", 2)
    given, _ = prepared(tmp_path)
    latest = Submission.latest(tmp_path / "store")

    def finish(code: int) -> str:
        return gan_bench("work", "store", "--finish", cwd=tmp_path, code=code).output

    def come(steps: int) -> None:
        journal = Journal(latest.round(latest.rounds()).journals, Begun(0, "n1", "", 1))
        journal(Started(given[0].job.run, steps, 0))
        journal(Advanced(given[0].job.run, steps + 5, 0, {}, {}))

    for steps in (0, 5, 10):
        come(steps)
        finish(75)
    come(5)  # no further than before
    finish(75)
    told = finish(1)
    assert "2 runs were lost with their tasks 2 times" in told
    assert latest.ending.failed == latest.ending.runs == 2
    assert (tmp_path / "store" / "results.csv").exists()
    assert (tmp_path / "store" / "report.html").exists()


@pytest.mark.slow
def test_a_job_waits_for_a_store_that_another_copy_of_it_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(work, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(work, "OCCUPIED_SECONDS", 0.0)

    def finish(code: int) -> str:
        return gan_bench("work", "store", "--finish", cwd=tmp_path, code=code).output

    prepared(tmp_path)
    lock = FileLock(tmp_path / "store" / ".lock", thread_local=False)
    lock.acquire()
    assert "another gan-bench run is at work" in finish(2)
    assert Submission.latest(tmp_path / "store").ending is None
    monkeypatch.setattr(work, "OCCUPIED_SECONDS", 60.0)
    end = Timer(0.7, lock.release)
    end.start()
    finish(75)
    end.join()


@pytest.mark.slow
def test_a_job_that_can_not_submit_the_next_array_says_why(tmp_path, fake, monkeypatch):
    monkeypatch.setattr(slurm, "PAUSES", (0.0,))
    run(tmp_path)
    monkeypatch.setenv("FAIL_AT", "3")
    job = ("work", "a store", "--submission", Submission.latest(tmp_path / "a store").name)
    gan_bench(*job, "--prepare", cwd=tmp_path)
    assert "QOSMaxSubmitJobPerUserLimit" in gan_bench(*job, "--finish", cwd=tmp_path, code=2).output
    told = run(tmp_path, code=2)
    assert told.count("QOSMaxSubmitJobPerUserLimit") == 1


@pytest.mark.slow
def test_a_task_trains_what_its_array_was_given_on_a_device_of_its_kind(tmp_path, monkeypatch):
    monkeypatch.setattr(work, "ROUND_SECONDS", 0.0)
    prepared(tmp_path)
    latest = Submission.latest(tmp_path / "store")
    task = ("work", "store", "--shard", "0/1", "--round")
    assert f"does not see {latest.folder}/round-2" in gan_bench(*task, "2", cwd=tmp_path, code=2).output
    file = latest.round(1).folder / "round.json"
    file.write_text(file.read_text().replace('"cpu"', '"cuda"'))
    gan_bench(*task, "1", cwd=tmp_path, code=1)
    assert isinstance(Journals(latest.round(1).journals).new()[-1].entry, Over)
    gan_bench("work", "store", "--finish", cwd=tmp_path, code=75)
    gan_bench(*task, "1", cwd=tmp_path)
    assert latest.round(2).facts["device"] == "cuda"  # whatever the node that finishes has
    assert not run_folders(tmp_path / "store")


@pytest.mark.slow
def test_a_run_trains_only_while_its_task_does(tmp_path, fake):
    run(tmp_path)
    latest = Submission.latest(tmp_path / "a store")
    gan_bench("work", "a store", "--prepare", cwd=tmp_path)
    one = latest.round(1).given()[0]
    Journal(latest.round(1).journals, Begun(0, "n1", "101_0", 1))(Started(one.job.run, 7, 0))
    (fake / "queue").write_text(f"101_0|RUNNING|n1|{latest.name}-train|None\n")
    assert f"n1: {one.title}: step 7 of 60" in gan_bench("status", "a store", cwd=tmp_path).stdout
    (fake / "queue").write_text(f"102|RUNNING|n1|{latest.name}-finish|None\n")
    assert "0 training, 2 waiting" in gan_bench("status", "a store", cwd=tmp_path).stdout


def test_runs_that_had_failed_are_selected_though_they_have_begun_since():
    runs = [
        SimpleNamespace(name=name, folder=SimpleNamespace(read=lambda failed=failed: SimpleNamespace(failed=failed)))
        for name, failed in (("begun", False), ("failed", True), ("finished", False))
    ]
    assert [run.name for run in select(runs, "failed", begun={"begun"})] == ["begun", "failed"]


def test_a_first_job_without_the_gpu_that_it_asked_for_gives_nothing_out(tmp_path):
    grid = write_grid(tmp_path, GRID + '\n[cluster]\nsbatch = { gres = "tmp:1,gpu:2" }\n')
    made = ("work", "store", "--prepare", "--grid", grid)
    assert "has no GPU that PyTorch can use" in gan_bench(*made, cwd=tmp_path, code=2).output


@pytest.mark.parametrize(
    ("asked", "workers", "gpus"),
    [
        ({"gres": "gpu:2,tmp:10"}, 2, True),
        ({"gres": "tmp:10,gpu:a100:4"}, 4, True),
        ({"gres": "tmp:10", "cpus-per-task": 3}, 3, False),
        ({"gpus": "v100:2"}, 2, True),
    ],
)
def test_gpus_are_counted_among_what_else_is_asked_for(asked, workers, gpus):
    cluster = Cluster(sbatch=asked)
    assert (workers_of(cluster), uses_gpus(cluster)) == (workers, gpus)
