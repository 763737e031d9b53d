"""Building a run's networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.faults import cause, place_of
from gan_bench.api.kinds import Architecture
from gan_bench.api.randomness import Streams
from gan_bench.errors import GanBenchError
from gan_bench.training.layers import quicken

KNOWN = ("torch.nn.modules", "torch.nn.utils", quicken.__module__)  # whose modules and hooks see a sample at a time
Shape = tuple[int | None, ...]
HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")  # of a module


class NetworkError(GanBenchError, ValueError):
    """A network that can't be trained, with the file and line of the method that builds it."""


def build_networks(architecture: Architecture, data: DataSpec, streams: Streams) -> tuple[nn.Module, nn.Module]:
    """Generator and discriminator with fresh weights, in training mode, on the streams' device.

    Weights are drawn on the CPU, from streams of their own, so that they are equal on every device. NetworkError: what an
    architecture builds is no such network, or it wants labels and the data have none.
    """
    if architecture.takes_labels and data.classes is None:
        raise NetworkError(
            f'{architecture.name} is conditional, and these data have no classes: set conditional = "none"'
        )
    meta = streams.device.type == "meta"
    weights = Streams(streams.seed, torch.device("meta" if meta else "cpu"))
    with torch.device(weights.device):
        with weights["weights of G"], _blamed(architecture.generator):
            generator = architecture.generator(data)
        with weights["weights of D"], _blamed(architecture.discriminator):
            discriminator = architecture.discriminator(data)
    for network, build in ((generator, architecture.generator), (discriminator, architecture.discriminator)):
        if fault := fault_of(network):
            raise NetworkError(f"{place_of(build)}: the {build.__name__}{fault}")
        make_ready(network.train(), streams.device)
    return generator, discriminator


def make_ready(network: nn.Module, device: torch.device) -> None:
    """Put a network on the device, in its memory format and with faster layers where there are any; what is ready stays."""
    network.to(device).to(memory_format=memory_format(network))
    quicken(network, device)


def memory_format(network: nn.Module) -> torch.memory_format:
    """The memory format of a network's weights and inputs: channels last where it has 2-D convolutions.

    A fixed rule, because another format gives other bits.
    """
    convolutional = any(isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)) for module in network.modules())
    return torch.channels_last if convolutional else torch.contiguous_format


def fault_of(network: Any, *, trained: bool = True) -> str:
    """Why this is no network, or not one of float32 parameters that can be `trained`, as its name goes on; "" where it is."""
    if not isinstance(network, nn.Module):
        return f" must be a torch.nn.Module (found: {type(network).__name__})"
    if not trained:
        return ""
    if not any(parameter.requires_grad for parameter in network.parameters()):
        return " has no parameters that could be trained"
    for name, parameter in network.named_parameters():
        if parameter.dtype != torch.float32:
            return f"'s parameters must be float32 (found: {name} of {parameter.dtype})"
    return ""


def check_outputs(generator: nn.Module, discriminator: nn.Module, data: DataSpec, architecture: Architecture) -> None:
    """Pass a batch of two through both networks, and through the generator in evaluation mode too.

    NetworkError: an output has the wrong shape or dtype, no gradient leads from it to the parameters, or (but for the meta
    device, which has no numbers) it is not finite.
    """
    device = next(generator.parameters()).device
    with Streams(0, device)["shapes"]:
        labels = (torch.zeros(2, dtype=torch.int64, device=device),) if architecture.takes_labels else ()
        shape, build = (2, *data.shape), architecture.generator
        with _blamed(build):
            latents = torch.randn(2, architecture.latent, device=device)
            samples = output_of(generator, (latents, *labels), shape, f"{place_of(build)}: the generator")
            latents = torch.randn(2, architecture.latent, device=device)
            output_of(generator.eval(), (latents, *labels), shape, f"{place_of(build)}: the generator")
            generator.train()
        build = architecture.discriminator
        with _blamed(build):
            for judged in (some_samples(2, data, device), samples):
                logits_of(discriminator, (judged, *labels), 2, data, f"{place_of(build)}: the discriminator")


def logits_of(
    network: nn.Module, inputs: tuple[torch.Tensor, ...], rows: int | None, data: DataSpec, what: str
) -> torch.Tensor:
    """The logits that D makes of a batch: (rows, k), of some number of rows where None. NetworkError: as `output_of`."""
    found = network(*inputs)
    if isinstance(found, tuple) and len(found) == 2 and len(inputs) > 1:
        found, class_logits = found
        check_output(class_logits, (len(inputs[1]), len(data.classes or ())), f"{what}'s second output", network)
    return check_output(found, (rows, None), what, network)


def output_of(network: nn.Module, inputs: tuple[torch.Tensor, ...], shape: Shape, what: str) -> torch.Tensor:
    """What a network makes of a batch. NetworkError, about `what`: it has the wrong shape or dtype, or is not finite."""
    return check_output(network(*inputs), shape, what, network)


def check_output(found: Any, shape: Shape, what: str, network: nn.Module) -> torch.Tensor:
    """What a network gave, if it is what can be trained on: float32 of this shape, in which None stands for any number."""
    of = f" for a batch of {'two' if shape[0] == 2 else shape[0]}" if shape[0] else ""
    of += "" if network.training else " in evaluation mode"
    wanted = str(shape).replace("None", "k")
    fits = isinstance(found, torch.Tensor) and len(found.shape) == len(shape) and found.numel() > 0
    if (
        not fits
        or found.dtype != torch.float32
        or any(s not in (n, None) for n, s in zip(found.shape, shape, strict=True))
    ):
        given = f"{found.dtype} {tuple(found.shape)}" if isinstance(found, torch.Tensor) else type(found).__name__
        raise NetworkError(f"{what} must return float32 {wanted}{of}, it returns {given}")
    if network.training and not found.requires_grad:
        raise NetworkError(f"{what}'s output leads no gradient to its parameters, so it could not learn")
    if not found.is_meta and not (finite := found.isfinite()).all():
        bad = found[~finite]
        count = f"{len(bad)} of {found.numel()} are not"
        raise NetworkError(f"{what} must return finite numbers{of}, but {count} (found: {bad[0].item()})")
    return found


def some_samples(count: int, data: DataSpec, device: torch.device) -> torch.Tensor:
    """Samples (count, *shape) in the range of real ones, of noise: a picture of one grey may be one that a network can't bear."""
    if data.kind == "points":
        return torch.randn(count, *data.shape, device=device)
    return torch.rand(count, *data.shape, device=device) * 2 - 1


@contextmanager
def _blamed(build: Callable[..., Any]) -> Iterator[None]:
    """An error without a line of a plugin's (a call with too few arguments, say) is told with the line of `build`."""
    try:
        yield
    except Exception as error:
        if isinstance(error, GanBenchError) or not (text := cause(error)).startswith(type(error).__name__):
            raise
        raise NetworkError(f"{place_of(build)}: {text}") from error


def mixes_batch(network: nn.Module) -> bool:
    """Whether a sample's output, or its gradient, may depend on the other samples of its batch.

    Only PyTorch's own modules other than batch normalisation are known not to, and those whose class says so of its own
    `forward` (`per_sample = True`), as long as nobody else has a hook on them or has given one a `forward` of its own.
    """
    return any(_of_whole_batch(module) for module in network.modules()) or not _known(
        _hooks(nn.modules.module, "_global")
    )


def _of_whole_batch(module: nn.Module) -> bool:
    mixing = isinstance(module, nn.modules.batchnorm._BatchNorm) or "forward" in vars(module)
    own = next(cls for cls in type(module).__mro__ if "forward" in vars(cls))  # the class that has a word on it
    undeclared = [] if vars(own).get("per_sample") else [type(module)]
    return mixing or not _known([*undeclared, *_hooks(module)])


def _hooks(holder: Any, prefix: str = "") -> list[Any]:
    """The hooks of a module, or, with the prefix "_global", those on every module of this process."""
    return [hook for kind in HOOKS for hook in getattr(holder, prefix + kind).values()]


def _known(parts: Iterable[Any]) -> bool:
    """Whether all of these classes and functions are PyTorch's or ours."""
    return all(str(getattr(part, "__module__", "")).startswith(KNOWN) for part in parts)
