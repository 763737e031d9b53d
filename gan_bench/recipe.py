"""The recipe of a run: everything that the training loop reads and that tricks may change before training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor, nn

from gan_bench.checksums import TIMES
from gan_bench.losses import BinaryCrossEntropy, Loss, NetworkName, TargetTransform
from gan_bench.plugin import DataSpec, Trick
from gan_bench.streams import Streams

Discriminate = Callable[[Tensor], Tensor]
REPORTS = 64  # scalars that a run may report
TAKEN = TIMES | {
    *("run", "step", "d_steps", "images", "crc"),
    *("loss_d", "loss_g", "logit_real", "logit_fake", "grad_norm_d", "grad_norm_g"),
}  # names of the curves' other columns
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


class Recipe:
    """Losses, networks, optimiser settings and what surrounds them.

    Tricks edit a recipe once. What they register runs under the trick's own random stream, so plain `torch.rand_like` and
    the like are right in it; it must be torch operations only, on the device, without reading numbers back.
    """

    __slots__ = (  # a misspelt attribute must not be set in silence
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
        "sampled",
        "state",
        "step",
        "target_transforms",
        "total_steps",
        "window",
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
    ) -> None:
        self.data = data
        self.generator, self.discriminator = generator, discriminator
        self.sampled: nn.Module = generator  # the network that snapshots sample and score
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
        self.window = Window(streams.device)
        self._streams = streams
        self._trick = "core"
        # What changes while training is a tensor on the device, kept in the checkpoint.
        device = streams.device
        self.step = self.register("step", torch.zeros((), dtype=torch.int64, device=device))  # G steps done
        self.real_logits = self.register(
            "real_logits", torch.zeros(batch_size, 1, device=device)
        )  # of D's latest update
        self.fake_logits = self.register("fake_logits", torch.zeros(batch_size, 1, device=device))

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
        if name in TAKEN:
            raise ValueError(f"a trick can't report {name!r}, which the curves have already")
        self.window.add(name, value)

    # What the core calls.

    def apply(self, tricks: Sequence[Trick]) -> None:
        """Let every trick edit the recipe, in the order written, under its own random stream.

        Raises ValueError where a trick can't be used with these networks or this loss.
        """
        for trick in tricks:
            before = self._replaceable()
            self._trick = f"trick:{trick.name}"
            with self._streams[self._trick]:
                trick.edit(self)
            changed = {what for what, value in self._replaceable().items() if value != before[what]}
            if undeclared := sorted(changed - set(trick.replaces)):
                raise ValueError(
                    f"{trick.name} replaces the {' and the '.join(undeclared)}; say so: replaces = {set(undeclared)}"
                )
        self._trick = "core"
        if self.d_steps > 1 and self.g_per_d > 1:
            raise ValueError(
                f"{self.d_steps} D updates a G step and {self.g_per_d} G steps a D update exclude each other"
            )
        if self.target_transforms and not self.loss.has_targets:
            raise ValueError(f"the loss {type(self.loss).__name__} has no targets that a trick could change")
        self.loss.target_transforms = self.target_transforms

    def _replaceable(self) -> dict[str, Any]:
        """What only one trick of a run may replace, and has to declare."""
        return {"loss": self.loss, "schedule": (self.d_steps, self.g_per_d), "sampled": self.sampled}

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


class Window:
    """Sums of reported scalars since the window began; they stay on the device until the window ends."""

    def __init__(self, device: torch.device) -> None:
        self.table = torch.zeros(REPORTS, dtype=torch.float64, device=device)  # a sum for each name, in order
        self.sums: dict[str, Tensor] = {}  # views into the table
        self.counts: dict[str, int] = {}

    def add(self, name: str, value: Tensor) -> None:
        """Count one more value of this name."""
        if name not in self.sums:
            self._make_room(name)
        self.sums[name] += value.detach()
        self.counts[name] += 1

    def read(self) -> Callable[[], dict[str, float | None]]:
        """The means so far, None for what was not reported in this window: a function that waits for the device."""
        counts, table = dict(self.counts), self.table
        if table.device.type == "cpu":
            table = table.clone()
        else:
            table = table.to("cpu", non_blocking=True)  # into pinned memory; the device goes on meanwhile
            copied = torch.cuda.Event()
            copied.record()

        def means() -> dict[str, float | None]:
            if self.table.device.type != "cpu":
                copied.synchronize()
            sums = table.tolist()
            return {name: sums[i] / count if count else None for i, (name, count) in enumerate(counts.items())}

        return means

    def means(self) -> dict[str, float | None]:
        """The means so far."""
        return self.read()()

    def clear(self) -> None:
        """Begin a new window."""
        self.table.zero_()
        self.counts = dict.fromkeys(self.counts, 0)

    def state_dict(self) -> dict[str, Any]:
        """Partial sums, for the checkpoint."""
        return {"sums": {name: total.clone() for name, total in self.sums.items()}, "counts": dict(self.counts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from partial sums."""
        for name, total in state["sums"].items():
            if name not in self.sums:
                self._make_room(name)
            self.sums[name].copy_(total)
        self.counts = dict(state["counts"])

    def _make_room(self, name: str) -> None:
        if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= 100:
            raise ValueError(f"what is reported needs a name of 1 to 100 readable characters (found: {name!r})")
        if len(self.sums) == REPORTS:
            raise ValueError(f"a run reports at most {REPORTS} scalars; {name!r} is one too many")
        self.sums[name] = self.table[len(self.sums)]
        self.counts[name] = 0


def mixes_batch(network: nn.Module) -> bool:
    """Whether a sample's output may depend on the other samples of its batch.

    Only PyTorch's own modules other than batch normalisation are known not to; a module of any other class may.
    """
    return any(
        isinstance(module, nn.modules.batchnorm._BatchNorm)
        or not type(module).__module__.startswith(("torch.nn.modules", "torch.nn.utils", "gan_bench.layers"))
        for module in network.modules()
    )


_FUSED = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


def build_optimizer(settings: dict[str, Any], parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser of settings `{"name": "adam", "lr": 1e-4, ...}`, fused where PyTorch has it."""
    options = {key: value for key, value in settings.items() if key != "name"}
    device = parameters[0].device.type
    if device == "cuda" and settings["name"] != "sgd":  # which counts no steps
        options["capturable"] = True  # the step count on the device, where a CUDA graph can raise it; from the start
    if settings["name"] == "rmsprop":
        return torch.optim.RMSprop(parameters, **options)
    build: Any = _FUSED[settings["name"]]
    return build(parameters, fused=device != "meta", **options)
