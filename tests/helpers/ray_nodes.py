"""A real Ray cluster on this machine: a head without places, and nodes that join, drain and are killed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray._raylet import GcsClient
from ray.cluster_utils import Cluster
from ray.core.generated.autoscaler_pb2 import DrainNodeReason

HEAD_SECONDS = 5  # without its head, after which a process of Ray's ends
# A node is dead after so many looks in a row that it lets wait so long: some 20 s, not a minute.
DEAD = {"failure_threshold": 4, "period_ms": 1000, "timeout_ms": 5000}


class Nodes:
    """A cluster; every process that it starts is its own, and found by who started it."""

    def __init__(self) -> None:
        os.environ |= {
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_gcs_rpc_server_reconnect_timeout_s": str(HEAD_SECONDS),
            **{f"RAY_health_check_{key}": str(value) for key, value in DEAD.items()},
        }
        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        self.address: str = self.cluster.address

    def join(self, **options: Any) -> Any:
        """A node more, of one core. (Only the main thread may start one.)"""
        return self.cluster.add_node(**{"num_cpus": 1, **options})

    def lose(self, node: Any) -> None:
        """Kill a node's raylet, and wait for it: its actors end when it is no zombie any more."""
        (raylet,) = node.all_processes["raylet"]
        raylet.process.kill()
        raylet.process.wait()
        self.cluster.worker_nodes.discard(node)
        node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)

    def freeze(self, node: Any) -> list[int]:
        """Stop all of a node's processes where they are; returns them."""
        (raylet,) = node.all_processes["raylet"]
        frozen = [*self.workers(node), *self.actors(node), raylet.process.pid]
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        self.cluster.worker_nodes.discard(node)
        return frozen

    def drain(self, node: Any, seconds: float = 30) -> None:
        """Tell that a node will be taken away."""
        deadline = int((time.time() + seconds) * 1000)
        reason = DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
        accepted, why = GcsClient(self.address).drain_node(node.node_id, reason, "a test", deadline)
        assert accepted, why

    def actors(self, node: Any) -> list[int]:
        """Processes of a node's actors."""
        (raylet,) = node.all_processes["raylet"]
        return [pid for pid in children(raylet.process.pid) if title(pid).startswith("ray::Seat")]

    def workers(self, node: Any) -> list[int]:
        """Processes of its workers, which the server of each actor has forked."""
        servers = [child for actor in self.actors(node) for child in children(actor) if "forkserver" in title(child)]
        return [worker for server in servers for worker in children(server) if title(worker)]  # a zombie has none

    def kill_head(self) -> None:
        """Kill the process that knows of all nodes."""
        (gcs,) = self.cluster.head_node.all_processes["gcs_server"]
        gcs.process.kill()
        gcs.process.wait()

    def end(self) -> None:
        """End all of it."""
        for node in self.cluster.list_all_nodes():
            node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)


def children(parent: int) -> list[int]:
    """Processes that a process has started, and that still run."""
    found = []
    for task in Path(f"/proc/{parent}/task").glob("*/children"):
        try:
            found += [int(pid) for pid in task.read_text().split()]
        except OSError:
            continue
    return found


def title(pid: int) -> str:
    """What a process calls itself."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def kill(pids: list[int]) -> bool:
    """Kill the first of some processes, and wait until it is dead: on a busy machine it may live on for a while."""
    for pid in pids[:1]:
        os.kill(pid, signal.SIGKILL)
        eventually(lambda pid=pid: not title(pid))
    return bool(pids)


def eventually(what: Callable[[], object], seconds: float = 400) -> Any:
    """Wait until something holds, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)
    return found
