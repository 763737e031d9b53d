"""How many cores there are for us."""

from __future__ import annotations

import os


def cores() -> int:
    """Cores that this process may use. Slurm tells its jobs how many, and does not bind them everywhere."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    granted = os.environ.get("SLURM_CPUS_ON_NODE", "")
    return min(found, int(granted)) if granted.isdecimal() and int(granted) else found
