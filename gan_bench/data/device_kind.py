"""Kinds of devices: on one of the same kind the same is computed to the last bit."""

from __future__ import annotations

import platform
from contextlib import suppress
from pathlib import Path

import torch


def kind(device: torch.device) -> str:
    """What a device computes depends on, in words: the GPU or the CPU's instructions, and the versions of what computes there."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        return f"{name}, torch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}"
    parts = ("CPU", platform.machine(), _vendor(), torch.backends.cpu.get_cpu_capability())
    return f"{' '.join(filter(None, parts))}, torch {torch.__version__}"


def _vendor() -> str:
    """Who made the processor, whose own libraries treat others' otherwise; "" where the system does not say."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("vendor_id"):
                return line.partition(":")[2].strip()
    return ""
