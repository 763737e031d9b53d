"""Kinds of devices: on one of the same kind the same is computed to the last bit."""

from __future__ import annotations

import platform
import re
from contextlib import suppress
from functools import cache
from pathlib import Path

import torch

CPUINFO = Path("/proc/cpuinfo")
PROCESSOR = ("vendor_id", "cpu family", "model", "CPU implementer", "CPU part")  # its lines; the last two: of ARM


def kind(device: torch.device) -> str:
    """What a device computes depends on, in words: the GPU or the CPU's instructions, and the versions of what computes there."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        return f"{name}, torch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}"
    parts = ("CPU", platform.machine(), _processor(), torch.backends.cpu.get_cpu_capability())
    return f"{' '.join(filter(None, parts))}, torch {torch.__version__}"


def features_folder(cache: Path, device: torch.device) -> Path:
    """Where what extractors learnt and found on a kind of device is kept, so that none reads what another one has made."""
    return cache / "features" / re.sub(r"[^A-Za-z0-9.+-]+", "-", kind(device))


@cache
def _processor() -> str:
    """The processor's maker, family and model, by which libraries choose how they compute; "" where the system does not say.

    Neither the instructions (AVX-512 is that of several generations) nor the name, which in clouds says nothing, tell as much.
    """
    found: dict[str, str] = {}
    with suppress(OSError):
        for line in CPUINFO.read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            found.setdefault(key.strip(), value.strip())
    return " ".join(found[key] for key in PROCESSOR if key in found)
