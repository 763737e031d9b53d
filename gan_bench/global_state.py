"""PyTorch's process-wide settings, which a plugin may change and another run must not notice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def preserved() -> Iterator[None]:
    """Put default dtype, threads, deterministic flags and the CPU's random state back at the end."""
    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    deterministic, generator = torch.are_deterministic_algorithms_enabled(), torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)
        torch.set_rng_state(generator)
