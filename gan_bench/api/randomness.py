"""Random streams: one for each purpose of a run, derived from its seed and never from its cell.

Runs of equal seed therefore draw equal weights, latents and data order in every cell, as far as their networks are equal,
and a trick that draws numbers shifts nobody else's.
"""

from __future__ import annotations

import hashlib
from typing import Any

import torch


def derive(seed: int, purpose: str) -> int:
    """A 63-bit seed for one purpose of a run."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{purpose}".encode()).digest()[:8], "big") >> 1


def default_generator(device: torch.device) -> torch.Generator:
    """The generator that PyTorch's layers and functions draw from on this device."""
    if device.type == "cuda":
        torch.cuda.init()  # before it there are no generators
        return torch.cuda.default_generators[device.index or 0]
    return torch.default_generator


class Stream:
    """A purpose's random state. Inside ``with stream:`` it takes the place of the device's default generator.

    What is drawn there goes on from where the stream last stopped; the caller's own state is put back afterwards.
    """

    _outer: Any  # the default generator's own state, while this one is in its place

    def __init__(self, seed: int, purpose: str, device: torch.device) -> None:
        self._default = default_generator(device)
        self.state = torch.Generator(self._default.device).manual_seed(derive(seed, purpose)).get_state()

    def __enter__(self) -> None:
        self._outer = self._default.get_state()
        self._default.set_state(self.state)

    def __exit__(self, *_: object) -> None:
        self.state = self._default.get_state()
        self._default.set_state(self._outer)


class CudaStream(Stream):
    """A purpose's random state on a GPU, where a CUDA graph can draw from it.

    A graph knows the generators that were registered with it, not numbers that were copied into the default generator. So
    the default generator is made to share this one's state for a while, as PyTorch itself does for checkpointed regions.
    """

    def __init__(self, seed: int, purpose: str, device: torch.device) -> None:
        self._default = default_generator(device)
        self.generator = torch.Generator(self._default.device).manual_seed(derive(seed, purpose))

    @property
    def state(self) -> torch.Tensor:
        """Seed and offset."""
        return self.generator.get_state()

    @state.setter
    def state(self, state: torch.Tensor) -> None:
        # A new generator: the old one may have been left behind in the middle of a capture that failed.
        self.generator = torch.Generator(self._default.device)
        self.generator.set_state(state)

    def __enter__(self) -> None:
        self._outer = self._default.graphsafe_get_state()
        self._default.graphsafe_set_state(self.generator)

    def __exit__(self, *_: object) -> None:
        self._default.graphsafe_set_state(self._outer)


def make_stream(seed: int, purpose: str, device: torch.device) -> Stream:
    """A stream of the kind that a device needs."""
    return (CudaStream if device.type == "cuda" else Stream)(seed, purpose, device)


class Streams:
    """All streams of a run, made when first asked for."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self.seed, self.device = seed, device
        self._streams: dict[str, Stream] = {}

    def __getitem__(self, purpose: str) -> Stream:
        if purpose not in self._streams:
            self._streams[purpose] = make_stream(self.seed, purpose, self.device)
        return self._streams[purpose]

    def generators(self) -> list[torch.Generator]:
        """The generators that a CUDA graph of this run draws from."""
        return [stream.generator for stream in self._streams.values() if isinstance(stream, CudaStream)]

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Where every stream stands."""
        return {purpose: stream.state for purpose, stream in self._streams.items()}

    def load_state_dict(self, states: dict[str, torch.Tensor]) -> None:
        """Put every stream where it stood."""
        for purpose, state in states.items():
            self[purpose].state = state
