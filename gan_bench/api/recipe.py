"""The recipe of a run: everything that the training loop reads and that tricks may change before training."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar, get_args

import torch
from torch import Tensor, nn

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.losses import BinaryCrossEntropy, Loss, NetworkName, TargetTransform
from gan_bench.api.randomness import Stream, Streams, make_stream
from gan_bench.api.seen import Hook, Penalty, Term

NETWORKS: tuple[NetworkName, ...] = get_args(NetworkName)
Transform = Callable[[Tensor], Tensor]
Around = Callable[[torch.optim.Optimizer], torch.optim.Optimizer]
FakeTransform = Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor | None]]
P = ParamSpec("P")
R = TypeVar("R")


class Reports(Protocol):
    """Takes in what a run reports while it trains."""

    def report(self, name: str, value: Tensor) -> None:
        """Count one more value of a trick's scalar. ValueError: it can't have this name, or there are too many."""


class Sampler(nn.Module):
    """A network as it is sampled: called with normal latents (B, latent), and labels if it takes them."""

    def __init__(self, network: nn.Module, latents: list[Transform]) -> None:
        super().__init__()
        self.network, self.transforms = network, latents

    def forward(self, z: Tensor, *labels: Tensor) -> Tensor:
        for transform in self.transforms:
            z = transform(z)
        samples: Tensor = self.network(z, *labels)
        return samples


def of_shape(changed: Tensor, samples: Tensor, call: str) -> Tensor:
    """What a trick has made of samples. ValueError: it has another shape."""
    if changed.shape != samples.shape:
        raise ValueError(f"what {call} gets must keep its shape {tuple(samples.shape)} (found: {tuple(changed.shape)})")
    return changed


class Recipe:
    """Losses, networks, optimiser settings and what surrounds them.

    Tricks edit a recipe once. What they register runs under the trick's own random stream, so plain `torch.rand_like` and
    the like are right in it; it must be torch operations only, on the device, without reading numbers back.
    """

    __slots__ = (  # a misspelt attribute must not be set in silence
        "_before_sampling",
        "_build_discriminator",
        "_draw_labels",
        "_latents",
        "_reports",
        "_sampled",
        "_streams",
        "_trick",
        "after",
        "batch_size",
        "before",
        "d_steps",
        "data",
        "discriminator",
        "fake_logits",
        "fake_transforms",
        "g_penalties",
        "g_per_d",
        "generator",
        "input_transforms",
        "joined",
        "latent",
        "latent_transforms",
        "loss",
        "lr_factors",
        "optimizer",
        "optimizers_around",
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
        latent: int,
        batch_size: int,
        total_steps: int,
        streams: Streams,
        reports: Reports,
        build_discriminator: Callable[[DataSpec], nn.Module],
        draw_labels: Callable[[int], Tensor] | None = None,
    ) -> None:
        self.data = data
        self.latent = latent  # size of z
        self.batch_size = batch_size
        self.generator, self.discriminator = generator, discriminator
        # Settings of each network's optimiser: name, lr, betas, ... In place of a name there may be a callable.
        self.optimizer = optimizer
        self.loss: Loss = BinaryCrossEntropy()
        self.d_steps = 1  # D updates in every G step ...
        self.g_per_d = 1  # ... or one D update in every so many G steps
        # Whether D learns from real and fake samples in one pass; None: in one where that makes no difference.
        self.joined: bool | None = None
        self.total_steps = total_steps  # reading it needs `needs_length = True` in the trick
        self.penalties: list[Penalty] = []
        self.g_penalties: list[Penalty] = []
        self.input_transforms: list[Transform] = []
        self.fake_transforms: list[FakeTransform] = []
        self.latent_transforms: list[Transform] = []  # while training
        self.target_transforms: list[TargetTransform] = []
        self.lr_factors: dict[NetworkName, list[Callable[[], Tensor]]] = {name: [] for name in NETWORKS}
        self.optimizers_around: dict[NetworkName, list[Around]] = {name: [] for name in NETWORKS}
        self.before: dict[NetworkName, list[Hook]] = {name: [] for name in NETWORKS}
        self.after: dict[NetworkName, list[Hook]] = {name: [] for name in NETWORKS}
        self.state: dict[str, Tensor | nn.Module | torch.optim.Optimizer] = {}
        self._latents: list[Transform] = []  # while sampling
        self._before_sampling: list[tuple[str, Callable[[], None]]] = []
        self._streams, self._reports = streams, reports
        self._build_discriminator, self._draw_labels = build_discriminator, draw_labels
        self._trick = "core"
        # What changes while training is a tensor on the device, kept in the checkpoint.
        device = streams.device
        self.step = self.register("step", torch.zeros((), dtype=torch.int64, device=device))  # G steps done
        # Of D's latest update; they take the shape (B, k) of what D gives.
        self.real_logits = self.register("real_logits", torch.zeros(batch_size, 1, device=device))
        self.fake_logits = self.register("fake_logits", torch.zeros(batch_size, 1, device=device))

    @property
    def sampled(self) -> nn.Module:
        """The network that snapshots sample and score: the generator, whichever that is, unless a trick has set another."""
        network: nn.Module = getattr(self, "_sampled", self.generator)
        return network

    @sampled.setter
    def sampled(self, network: nn.Module) -> None:
        self._sampled = network

    @property
    def conditional(self) -> bool:
        """Whether the networks take labels: `(z, y)` and `(x, y)`."""
        return self._draw_labels is not None

    # What a trick calls.

    def d_inputs(self, transform: Transform) -> None:
        """Transform all that D sees, (B, *shape) to the same shape: real and fake alike, in both networks' steps."""
        self.input_transforms.append(self._own(transform))

    def d_fakes(self, transform: Callable[..., Any]) -> None:
        """Transform the fakes (B, *shape) that D learns from, in its updates alone, before `d_inputs`: `transform(fake)`.

        One of two arguments is given their labels (B,) as well (None where networks take none) and returns both.
        """
        wanted = [p for p in inspect.signature(transform).parameters.values() if p.default is p.empty]
        whole, own = len(wanted) > 1, self._own(transform)

        def transformed(fake: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor | None]:
            fake = fake.clone()  # for it may work in place
            changed, labels = own(fake, labels) if whole else (own(fake), labels)
            return of_shape(changed, fake, "d_fakes"), labels

        self.fake_transforms.append(transformed)

    def latents(self, transform: Transform, *, training: bool = True) -> None:
        """Transform latents (B, latent), drawn from N(0, 1), wherever G is given them; or only when it is sampled.

        When it is sampled the transform may draw numbers too; these are then the evaluation's.
        """
        self._latents.append(transform)
        if training:
            self.latent_transforms.append(self._own(transform))

    def targets(self, transform: TargetTransform) -> None:
        """Transform targets (B, k): `transform(target, network, real)`, `network` being whose loss it is."""
        self.target_transforms.append(self._own(transform))

    def penalty(self, term: Term, *, every: int = 1, pairs: bool = True, by_samples: bool = True) -> None:
        """Add `term(discriminator, seen)`, a scalar, to D's loss in every `every`-th update, weighted by `every`.

        Where networks take labels, one that pairs real and fake samples has fakes made of the real batch's labels. One that
        does not differentiate by the samples that `seen` holds saves D's update their derivatives with `by_samples = False`.
        """
        self.penalties.append(Penalty(self._own(term), every, pairs, needs_real=True, by_samples=by_samples))

    def g_penalty(self, term: Term, *, every: int = 1, needs_real: bool = False) -> None:
        """Add `term(discriminator, seen)`, a scalar, to G's loss in every `every`-th update, weighted by `every`.

        What `seen` holds of the real batch costs a pass of D and is there only if it `needs_real`.
        """
        self.g_penalties.append(Penalty(self._own(term), every, needs_real, needs_real))

    def lr_schedule(self, factor: Callable[[], Tensor], network: NetworkName | None = None) -> None:
        """Multiply a network's learning rate (both networks' if none is named) by `factor()`, a scalar, in every update."""
        for name in NETWORKS if network is None else (network,):
            self.lr_factors[name].append(self._own(torch.no_grad()(factor)))

    def optimizer_around(self, make: Around, network: NetworkName | None = None) -> None:
        """Put `make(optimizer)`, an `OptimizerAround`, in place of a network's optimiser (of both networks' if none is named)."""
        for name in NETWORKS if network is None else (network,):
            self.optimizers_around[name].append(make)

    def before_d_step(self, function: Callable[[], None], *, every: int = 1) -> None:
        """Call `function()` without gradients in every `every`-th update of D, between the backward pass and the update."""
        self._hook(self.before["discriminator"], function, every)

    def before_g_step(self, function: Callable[[], None], *, every: int = 1) -> None:
        """Call `function()` without gradients in every `every`-th update of G, between the backward pass and the update."""
        self._hook(self.before["generator"], function, every)

    def after_d_step(self, function: Callable[[], None], *, every: int = 1) -> None:
        """Call `function()` without gradients after every `every`-th update of D."""
        self._hook(self.after["discriminator"], function, every)

    def after_g_step(self, function: Callable[[], None], *, every: int = 1) -> None:
        """Call `function()` without gradients after every `every`-th update of G."""
        self._hook(self.after["generator"], function, every)

    def before_sampling(self, function: Callable[[], None]) -> None:
        """Call `function()` without gradients before a snapshot is sampled and its weights are saved.

        It draws from a stream of its own, the same at every snapshot; what it changes is put back afterwards.
        """
        self._before_sampling.append((self._trick, torch.no_grad()(function)))

    def register(self, name: str, value: R) -> R:
        """Keep a tensor, module or optimiser that changes during training in the checkpoint; returns it."""
        self.state[f"{self._trick}.{name}"] = value  # type: ignore[assignment]
        return value

    def report(self, name: str, value: Tensor) -> None:
        """Put the mean of this scalar over each window of steps into the curves.

        ValueError: the core has the name; or it is no text, or one scalar too many.
        """
        self._reports.report(name, value)

    def draw_inputs(self, count: int) -> tuple[Tensor, ...]:
        """What a generator is called with: latents (count, latent) as in sampling, and labels (count,) if it takes them."""
        z = torch.randn(count, self.latent, device=self.step.device)
        for transform in self._latents:
            z = transform(z)
        return (z,) if self._draw_labels is None else (z, self._draw_labels(count))

    def build_discriminator(self, data: DataSpec) -> nn.Module:
        """A fresh D of the run's architecture for data of another shape, its weights drawn as those of the first."""
        return self._build_discriminator(data)

    # What the core calls.

    @property
    def pairs(self) -> bool:
        """Whether fakes take the real batch's labels."""
        return self.loss.generator_needs_real or any(p.pairs for p in (*self.penalties, *self.g_penalties))

    def draw_labels(self, count: int) -> Tensor | None:
        """Labels (count,) in the data's proportions; None: the networks take none."""
        return None if self._draw_labels is None else self._draw_labels(count)

    def state_dict(self) -> dict[str, Any]:
        """What tricks have registered, for the checkpoint."""
        return {name: v if isinstance(v, Tensor) else v.state_dict() for name, v in self.state.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        for logits in ("real_logits", "fake_logits"):
            getattr(self, logits).resize_(state[f"core.{logits}"].shape)
        for name, value in self.state.items():
            if isinstance(value, Tensor):
                value.copy_(state[name])
            else:
                value.load_state_dict(state[name])

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
        """What D sees of samples. ValueError: a trick gives it another shape."""
        seen = samples.clone() if self.input_transforms else samples  # for one may work in place
        for transform in self.input_transforms:
            seen = transform(seen)
        return of_shape(seen, samples, "d_inputs")

    def sampler(self, network: nn.Module | None = None) -> nn.Module:
        """What is sampled (or this network in its place), from normal latents."""
        network = network or self.sampled
        return Sampler(network, self._latents) if self._latents else network

    @contextmanager
    def as_of(self, step: int) -> Iterator[None]:
        """`step` is inside what it was after so many G steps, for networks of that time that go by it."""
        now = self.step.clone()
        try:
            self.step.fill_(step)
            yield
        finally:
            self.step.copy_(now)

    @contextmanager
    def ready_to_sample(self) -> Iterator[None]:
        """Networks are inside as tricks want them sampled, and afterwards as they were: training does not notice."""
        if not self._before_sampling:
            yield
            return
        networks = {self.generator, self.discriminator, self.sampled}
        networks |= {value for value in self.state.values() if isinstance(value, nn.Module)}
        modes = [(module, module.training) for network in networks for module in network.modules()]
        tensors = [value for value in self.state.values() if isinstance(value, Tensor)]
        tensors += [tensor for network in networks for tensor in (*network.parameters(), *network.buffers())]
        before = [tensor.detach().clone() for tensor in tensors]
        try:
            for trick, function in self._before_sampling:
                with make_stream(self._streams.seed, f"{trick} before sampling", self._streams.device):
                    function()
            yield
        finally:
            with torch.no_grad():
                for tensor, value in zip(tensors, before, strict=True):
                    tensor.copy_(value)
            for module, mode in modes:
                module.training = mode

    def _hook(self, hooks: list[Hook], function: Callable[[], None], every: int) -> None:
        hooks.append(Hook(self._own(torch.no_grad()(function)), every))

    def _own(self, function: Callable[P, R]) -> Callable[P, R]:
        """The function under the random stream of the trick that registers it."""
        stream = self._streams[self._trick]

        @wraps(function)
        def under_stream(*args: P.args, **kwargs: P.kwargs) -> R:
            with stream:
                return function(*args, **kwargs)

        return under_stream
