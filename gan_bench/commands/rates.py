"""How fast networks train on a cluster's nodes: measured by the first job, told by the next `gan-bench plan`."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from gan_bench.commands.bundle import FOLDER
from gan_bench.console import duration
from gan_bench.files import write_json
from gan_bench.planning.cost import CellPlan, Pilot, makespan, second_stage
from gan_bench.workers.device import device_name

if TYPE_CHECKING:
    import torch

    from gan_bench.grid.schema import Cluster


GPU_OPTIONS = ("gres", "gpus", "gpus-per-node", "gpus-per-task")  # of sbatch


class Rates(BaseModel):
    """What was measured."""

    device: str = ""  # on which
    gpu: bool = False  # whether that is one
    pilots: dict[str, Pilot] = {}

    def of(self, networks: str) -> Pilot | None:
        """Of a cell's `networks`."""
        return self.pilots.get(_key(networks))


def read_rates(store: Path) -> Rates:
    """What a store's jobs have measured."""
    with suppress(FileNotFoundError, ValidationError):
        return Rates.model_validate_json((store / FOLDER / "rates.json").read_bytes())
    return Rates()


def keep_rates(store: Path, device: torch.device, pilots: Mapping[str, Pilot]) -> None:
    """Add what was measured; on another device, in place of what was."""
    name, before = device_name(device), read_rates(store)
    known = before.pilots if before.device == name else {}
    known |= {_key(networks): pilot for networks, pilot in pilots.items()}
    write_json(store / FOLDER / "rates.json", Rates(device=name, gpu=device.type == "cuda", pilots=known).model_dump())


def cluster_line(on: str, plans: Sequence[CellPlan], samples: int, cluster: Cluster, *, coming: int, gpu: bool) -> str:
    """What a cluster would take for what is left and for runs that are still to be known, `coming` in number, as far as the
    device that was measured, a GPU or a core, stands for those of its nodes."""
    waiting = sum(plan.waiting for plan in plans)
    seconds = sum(plan.seconds_left(samples) for plan in plans)
    each = workers_of(cluster) if on == "slurm" else 1
    most = max(1, min(cluster.most, max(waiting, coming)))
    workers = min(most, math.ceil(seconds / each / 60 / cluster.minutes) or 1) if on == "slurm" else most
    length = makespan(plans, samples, workers * each) if waiting else 0.0
    length += second_stage(plans, coming, samples, workers * each)[0]
    seconds += second_stage(plans, coming, samples, 1)[0]
    name = "task" if on == "slurm" else "worker"
    hours = "GPU hours" if gpu or uses_gpus(cluster) else "core hours"
    return (
        f"{on}: {workers} {name}{'s' if workers > 1 else ''} (cluster.most {cluster.most}), about {duration(length)} once all "
        f"run, {seconds / 3600:.2g} {hours}; scoring comes on top"
    )


def workers_of(cluster: Cluster) -> int:
    """How many runs a task trains at a time, at least: by the GPUs that it asks for, or else the cores."""
    options = cluster.sbatch
    number = next((one.rpartition(":")[2] for one in _gpus(cluster)), str(options.get("cpus-per-task", 1)))
    return max(1, int(number)) if number.isdecimal() else 1


def uses_gpus(cluster: Cluster) -> bool:
    """Whether tasks ask for GPUs."""
    return bool(_gpus(cluster))


def _gpus(cluster: Cluster) -> list[str]:
    """What is asked for of them, such as "gpu:a100:2" among other resources, or "2"."""
    asked = [(name, one) for name in GPU_OPTIONS for one in str(cluster.sbatch.get(name, "")).split(",") if one]
    return [one for name, one in asked if name != "gres" or one.partition(":")[0] in ("gpu", "gres/gpu")]


def _key(networks: str) -> str:
    return hashlib.sha256(networks.encode()).hexdigest()[:16]
