"""What a run trains on."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

import torch

from gan_bench.data.cores import cores
from gan_bench.data.device_kind import kind as kind
from gan_bench.errors import GanBenchError


def hardware(device: torch.device) -> dict[str, Any]:
    """Processor, cores, system, and the GPU if it is one, for the record."""
    facts: dict[str, Any] = {"processor": processor(), "cores": os.cpu_count(), "system": platform.platform()}
    if device.type == "cuda":
        facts["gpu"] = torch.cuda.get_device_name(device)
    return facts


def device_name(device: torch.device) -> str:
    """The name of a GPU or of the processor."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor()


def processor() -> str:
    """The processor's name."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def resolve_devices(devices: str, slots: int | None) -> list[str]:
    """The device of each worker process: "auto" takes every GPU, else the CPU.

    A GPU has one process, whose slots are streams; on the CPU a slot is a process, one a core unless `slots` says.
    GanBenchError: a device that is not there.
    """
    import torch

    gpus = torch.cuda.device_count()
    if devices == "auto":
        names = [f"cuda:{i}" for i in range(gpus)] or ["cpu"]
    else:
        names = ["cuda:0" if name.strip() == "cuda" else name.strip() for name in devices.split(",")]
    known = ["cpu", *(f"cuda:{i}" for i in range(gpus))]
    for name in names:
        if name not in known:
            raise GanBenchError(f"there is no device {name!r} here, only {', '.join(known)}")
    return [name for name in names for _ in range((slots or cores()) if name == "cpu" else 1)]
