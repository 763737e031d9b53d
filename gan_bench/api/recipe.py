"""The recipe of a run: everything that the training loop reads and that tricks may change before training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar

import torch
from torch import Tensor, nn

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.losses import BinaryCrossEntropy, Loss, NetworkName, TargetTransform
from gan_bench.api.randomness import Stream, Streams

Discriminate = Callable[[Tensor], Tensor]
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Seen:
    """What a discriminator update was made from: its inputs (B, *shape) after `d_inputs`, and their logits (B, 1).

    `real` requires a gradient, so that a penalty can differentiate `real_logits` by it.
    """

    real: Tensor
    fake: Tensor
    real_logits: Tensor
    fake_logits: Tensor


@dataclass(frozen=True)
class Penalty:
    """A term of the discriminator's loss, computed in every `every`-th of its updates and then weighted by `every`."""

    term: Callable[[Discriminate, Seen], Tensor]
    every: int


class Reports(Protocol):
    """Takes in what a run reports while it trains."""

    def report(self, name: str, value: Tensor) -> None:
        """Count one more value of a trick's scalar. ValueError: it can't have this name, or there are too many."""


class Recipe:
    """Losses, networks, optimiser settings and what surrounds them.

    Tricks edit a recipe once. What they register runs under the trick's own random stream, so plain `torch.rand_like` and
    the like are right in it; it must be torch operations only, on the device, without reading numbers back.
    """

    __slots__ = (  # a misspelt attribute must not be set in silence
        "_reports",
        "_sampled",
        "_streams",
        "_trick",
        "after_d",
        "after_g",
        "d_steps",
        "data",
        "discriminator",
        "fake_logits",
        "g_per_d",
        "generator",
        "input_transforms",
        "loss",
        "optimizer",
        "penalties",
        "real_logits",
        "state",
        "step",
        "target_transforms",
        "total_steps",
    )

    def __init__(
        self,
        data: DataSpec,
        generator: nn.Module,
        discriminator: nn.Module,
        optimizer: dict[NetworkName, dict[str, Any]],
        *,
        batch_size: int,
        total_steps: int,
        streams: Streams,
        reports: Reports,
    ) -> None:
        self.data = data
        self.generator, self.discriminator = generator, discriminator
        self.optimizer = optimizer  # settings of each network's optimiser: name, lr, betas, ...
        self.loss: Loss = BinaryCrossEntropy()
        self.d_steps = 1  # D updates in every G step ...
        self.g_per_d = 1  # ... or one D update in every so many G steps
        self.total_steps = total_steps  # reading it needs `needs_length = True` in the trick
        self.penalties: list[Penalty] = []
        self.input_transforms: list[Callable[[Tensor], Tensor]] = []
        self.target_transforms: list[TargetTransform] = []
        self.after_d: list[Callable[[], None]] = []
        self.after_g: list[Callable[[], None]] = []
        self.state: dict[str, Tensor | nn.Module] = {}
        self._streams, self._reports = streams, reports
        self._trick = "core"
        # What changes while training is a tensor on the device, kept in the checkpoint.
        device = streams.device
        self.step = self.register("step", torch.zeros((), dtype=torch.int64, device=device))  # G steps done
        self.real_logits = self.register(
            "real_logits", torch.zeros(batch_size, 1, device=device)
        )  # of D's latest update
        self.fake_logits = self.register("fake_logits", torch.zeros(batch_size, 1, device=device))

    @property
    def sampled(self) -> nn.Module:
        """The network that snapshots sample and score: the generator, whichever that is, unless a trick has set another."""
        network: nn.Module = getattr(self, "_sampled", self.generator)
        return network

    @sampled.setter
    def sampled(self, network: nn.Module) -> None:
        self._sampled = network

    # What a trick calls.

    def d_inputs(self, transform: Callable[[Tensor], Tensor]) -> None:
        """Transform all that D sees, (B, *shape) to the same shape: real and fake alike, in both networks' steps."""
        self.input_transforms.append(self._own(transform))

    def targets(self, transform: TargetTransform) -> None:
        """Transform targets (B, 1): `transform(target, network, real)`, `network` being whose loss it is."""
        self.target_transforms.append(self._own(transform))

    def penalty(self, term: Callable[[Discriminate, Seen], Tensor], *, every: int = 1) -> None:
        """Add `term(discriminator, seen)`, a scalar, to D's loss in every `every`-th update, weighted by `every`."""
        self.penalties.append(Penalty(self._own(term), every))

    def after_d_step(self, function: Callable[[], None]) -> None:
        """Call `function()` without gradients after every update of D."""
        self.after_d.append(self._own(torch.no_grad()(function)))

    def after_g_step(self, function: Callable[[], None]) -> None:
        """Call `function()` without gradients after every update of G."""
        self.after_g.append(self._own(torch.no_grad()(function)))

    def register(self, name: str, value: R) -> R:
        """Keep a tensor or module that changes during training in the checkpoint; returns it."""
        self.state[f"{self._trick}.{name}"] = value  # type: ignore[assignment]
        return value

    def report(self, name: str, value: Tensor) -> None:
        """Put the mean of this scalar over each window of steps into the curves.

        ValueError: the core has the name; or it is no text, or one scalar too many.
        """
        self._reports.report(name, value)

    # What the core calls.

    @contextmanager
    def edited_by(self, trick: str) -> Iterator[None]:
        """What is called inside is this trick's: drawn and registered under its name.

        Weights of new layers are drawn on the CPU, so that they are equal on every device, as an architecture's are.
        """
        self._trick, streams = f"trick:{trick}", self._streams
        meta = torch.device("meta") if streams.device.type == "meta" else nullcontext()
        try:
            with Stream(streams.seed, self._trick, torch.device("cpu")), streams[self._trick], meta:
                yield
        finally:
            self._trick = "core"

    def see(self, samples: Tensor) -> Tensor:
        """What D sees of samples."""
        for transform in self.input_transforms:
            samples = transform(samples)
        return samples

    def _own(self, function: Callable[P, R]) -> Callable[P, R]:
        """The function under the random stream of the trick that registers it."""
        stream = self._streams[self._trick]

        @wraps(function)
        def under_stream(*args: P.args, **kwargs: P.kwargs) -> R:
            with stream:
                return function(*args, **kwargs)

        return under_stream
