"""Process-wide state, which a plugin may change and another run must not notice."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch


def keep_freed_memory() -> None:
    """Let this process keep memory that it frees, for its next batch.

    glibc gives large blocks back to the system, which clears them before they come again, unless it has seen a larger one
    freed; this one is never touched. It saves a third of the time of features, and up to 2 % of training.
    """
    torch.empty(31 * 2**20, dtype=torch.uint8)


@contextmanager
def tf32_products(wanted: bool) -> Iterator[None]:
    """Whether float32 matrix products and convolutions on a GPU round their factors to TF32's 10 bits, or don't."""
    cudnn: Any = torch.backends.cudnn  # whose module mypy does not know by its parts
    places = torch.backends.cuda.matmul, cudnn.conv
    before = [place.fp32_precision for place in places]
    try:
        for place in places:
            place.fp32_precision = "tf32" if wanted else "ieee"
        yield
    finally:
        for place, precision in zip(places, before, strict=True):
            place.fp32_precision = precision


def _working_folder() -> str | None:
    try:
        return os.getcwd()
    except FileNotFoundError:  # it was deleted
        return None


def _enter_folder(folder: str | None) -> None:
    if folder is not None:
        os.chdir(folder)


def _attribute(holder: Any, name: str) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    return lambda: getattr(holder, name), lambda value: setattr(holder, name, value)


def _autocast(device: str) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    def write(value: tuple[bool, torch.dtype]) -> None:
        torch.set_autocast_enabled(device, value[0])
        torch.set_autocast_dtype(device, value[1])

    return lambda: (torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)), write


_backends: Any = torch.backends  # whose modules mypy does not know by their parts
SETTINGS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {  # how each is read and written
    "default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "default device": (torch.get_default_device, torch.set_default_device),
    "number of threads": (torch.get_num_threads, torch.set_num_threads),
    "deterministic algorithms": (
        lambda: (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()),
        lambda value: torch.use_deterministic_algorithms(value[0], warn_only=value[1]),
    ),
    "gradients": (torch.is_grad_enabled, torch.set_grad_enabled),
    "autocast": _autocast("cpu"),
    "autocast on GPUs": _autocast("cuda"),
    "working folder": (_working_folder, _enter_folder),
    "oneDNN": _attribute(_backends.mkldnn, "enabled"),
    "oneDNN's precision of products": _attribute(_backends.mkldnn.matmul, "fp32_precision"),
    "oneDNN's precision of convolutions": _attribute(_backends.mkldnn.conv, "fp32_precision"),
    "CUDA's precision of products": _attribute(_backends.cuda.matmul, "fp32_precision"),
    **{f"cuDNN, {flag}": _attribute(_backends.cudnn, flag) for flag in ("enabled", "benchmark", "deterministic")},
}


@contextmanager
def preserved() -> Iterator[list[str]]:
    """Put settings and random states of PyTorch, NumPy and Python back at the end.

    The list then names the settings that had been changed.
    """
    settings = {name: read() for name, (read, _) in SETTINGS.items()}
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    changed: list[str] = []
    try:
        yield changed
    finally:
        for name, (read, write) in SETTINGS.items():
            if read() != settings[name]:
                changed.append(name)
                write(settings[name])
        torch.set_flush_denormal(False)  # which can't be read
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])


def resident_bytes() -> int:
    """Memory that this process occupies; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
