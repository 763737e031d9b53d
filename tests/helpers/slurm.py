"""Slurm's own daemons on this machine: a controller and two nodes, in a temporary folder."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

NODES = ("n1", "n2")
UP_SECONDS = 60  # until both nodes are idle, on a busy machine

PLUGIN = '''
import multiprocessing, os, time
from gan_bench import Field, Trick, hookimpl


class Slow(Trick):
    """On Slurm, takes its time."""

    name = "slow"
    milliseconds: float = Field(20, ge=0, description="of each step")

    def edit(self, recipe):
        if "SLURM_ARRAY_TASK_ID" in os.environ:
            recipe.after_g_step(lambda: time.sleep(self.milliseconds / 1000))


class Crash(Trick):
    """On Slurm, ends its process."""

    name = "crash"

    def edit(self, recipe):
        if "SLURM_JOB_ID" in os.environ and multiprocessing.parent_process():  # where it is timed too
            recipe.after_g_step(lambda: os._exit(7))


@hookimpl
def gan_bench_tricks():
    return [Slow, Crash]
'''

CONFIG = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
KillWait=10
SlurmdTimeout=10
ReturnToService=2
SelectType=select/cons_tres
JobRequeue=1
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0,requeue_delay=1
NodeName=n[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{ports[1]}-{ports[2]}] CPUs={cpus} RealMemory=4000
PartitionName=low Nodes=n[1-2] Default=YES PriorityTier=1 MaxTime=INFINITE
PartitionName=high Nodes=n[1-2] PriorityTier=10 PreemptMode=OFF MaxTime=INFINITE
"""


def missing() -> str:
    """Why there can be no cluster here; "" if there can be one."""
    absent = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if not shutil.which(name, path=_path())]
    if absent:
        return f"{', '.join(absent)}: not installed (apt-get install slurm-wlm munge)"
    return "" if os.getuid() == 0 else "Slurm's daemons start jobs as root alone"


class Cluster:
    """`with Cluster(folder) as cluster:` its daemons run, and `environment` leads commands to them."""

    def __init__(self, folder: Path, cpus: int = 1) -> None:
        self.folder = folder
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        self.config = folder / "slurm.conf"
        text = CONFIG.format(host=platform.node(), folder=folder, ports=_free_ports(3), cpus=cpus)
        self.config.write_text(text)
        (folder / "state").mkdir()
        self.calls = folder / "calls"  # a line for each call of Slurm's commands
        self.calls.touch()
        self.bin = folder / "bin"
        self.bin.mkdir()
        for name in ("sbatch", "squeue", "scancel", "scontrol", "sacct", "srun", "sinfo"):
            real = shutil.which(name, path=_path()) or f"/usr/bin/{name}"
            wrapper = self.bin / name
            wrapper.write_text(
                f'#!/bin/sh\necho "${{SLURM_JOB_ID:-login}} {name} $*" >> {self.calls}\nexec {real} "$@"\n'
            )
            wrapper.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        """Of a shell on its login node, which has no GPU."""
        own = {"SLURM_CONF": str(self.config), "PATH": f"{self.bin}{os.pathsep}{_path()}", "CUDA_VISIBLE_DEVICES": ""}
        return {**os.environ, **own}

    def __enter__(self) -> Cluster:
        try:
            key = self.folder / "munge.key"
            key.write_bytes(os.urandom(128))
            key.chmod(0o600)
            for name, line in {
                "munged": f"--foreground --force --key-file={key} --socket={self.folder}/munge.socket "
                f"--pid-file={self.folder}/munged.pid --seed-file={self.folder}/munged.seed "
                f"--log-file={self.folder}/munged.log",
            }.items():
                self.start(name, [name, *line.split()])
            _until(lambda: (self.folder / "munge.socket").exists(), "munged")
            self.start_controller()
            for node in NODES:
                self.start_node(node)
            _until(lambda: self.ask("sinfo", "-h", "-N", "-o", "%T").split() == ["idle", "idle"] * 2, "the nodes")
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start a daemon in the foreground of a session of its own."""
        with (self.folder / f"{name}.out").open("ab") as out:
            self.daemons[name] = subprocess.Popen(
                command, env={**self.environment, "PATH": _path()}, stdout=out, stderr=out, start_new_session=True
            )

    def start_controller(self) -> None:
        """Start slurmctld, for the first time or again."""
        self.start("slurmctld", ["slurmctld", "-D", "-f", str(self.config)])

    def start_node(self, node: str, before: Sequence[str] = ()) -> None:
        """Start a slurmd, for the first time or again; `before` stands before its command."""
        self.start(node, [*before, "slurmd", "-D", "-N", node, "-f", str(self.config)])

    def kill(self, name: str) -> None:
        """SIGKILL to a daemon."""
        self.daemons[name].kill()
        self.daemons.pop(name).wait()

    def ask(self, *command: str) -> str:
        """What one of Slurm's commands prints; not counted among the calls."""
        environment = {**self.environment, "PATH": _path()}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout

    def __exit__(self, *_: object) -> None:
        if "slurmctld" in self.daemons:
            self.ask("scancel", "--user=root", "--signal=KILL", "--full")
            self.ask("scancel", "--user=root")
        for pid in [*self.step_daemons(), *self.processes()]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for daemon in self.daemons.values():
            daemon.kill()
            daemon.wait()

    def processes(self, *words: str) -> list[int]:
        """Living processes of this cluster's jobs, whose command lines hold these words."""
        found = []
        for pid, environment in self._started():
            with suppress(OSError):
                line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if b"SLURM_JOB_ID=" in environment and all(word in line for word in words):
                    found.append(pid)
        return found

    def step_daemons(self) -> list[int]:
        """Slurm's own processes of jobs that run."""
        return [pid for pid, _ in self._started() if _name(pid).startswith("slurmstepd")]

    def _started(self) -> Iterator[tuple[int, bytes]]:
        """Processes that were told of this cluster, and their environments."""
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                environment = (folder / "environ").read_bytes()
                if f"SLURM_CONF={self.config}".encode() in environment.split(b"\0"):
                    yield int(folder.name), environment


def _name(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text()
    return ""


def _path() -> str:
    return f"{os.environ['PATH']}{os.pathsep}/usr/sbin{os.pathsep}/sbin"


def _until(condition, what: str) -> None:
    deadline = time.monotonic() + UP_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come up"
        time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    """A row of ports that nobody listens at; each process of the tests begins elsewhere, for two clusters may start at a time."""
    rows = range(27000, 32000, 10)
    for i in range(len(rows)):
        first = rows[(os.getpid() + i) % len(rows)]
        sockets: list[socket.socket] = []
        try:
            for port in range(first, first + count):
                sockets.append(socket.socket())
                sockets[-1].bind(("127.0.0.1", port))
            return list(range(first, first + count))
        except OSError:
            continue
        finally:
            for one in sockets:
                one.close()
    raise OSError("no ports are free")
