"""Building a run's networks, and describing them layer by layer."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from gan_bench.errors import GanBenchError, cause, short_path
from gan_bench.layers import quicken
from gan_bench.plugin import Architecture, DataSpec
from gan_bench.streams import Streams

T = TypeVar("T")
REAL_PARAMETERS = 2_000_000  # of two networks, below which computing takes less time than the meta device's Python
REAL_WORK = 1e10  # FLOPs of passing two samples for real, drawing the weights included: half a second


class NetworkError(GanBenchError, ValueError):
    """A network that can't be trained, with the file and line of the method that builds it."""


def build_networks(architecture: Architecture, data: DataSpec, streams: Streams) -> tuple[nn.Module, nn.Module]:
    """Generator and discriminator with fresh weights, in training mode, on the streams' device.

    Weights are drawn on the CPU, from streams of their own, so that they are equal on every device.
    """
    meta = streams.device.type == "meta"
    weights = Streams(streams.seed, torch.device("meta" if meta else "cpu"))
    with torch.device(weights.device):
        with weights["weights of G"], _blamed(architecture.generator):
            generator = architecture.generator(data)
        with weights["weights of D"], _blamed(architecture.discriminator):
            discriminator = architecture.discriminator(data)
    for network, build in ((generator, architecture.generator), (discriminator, architecture.discriminator)):
        _check_module(network, build)
        network.train().to(streams.device).to(memory_format=memory_format(network))
        if streams.device.type == "cpu":
            quicken(network)
    return generator, discriminator


def memory_format(network: nn.Module) -> torch.memory_format:
    """The memory format of a network's weights and inputs: channels last where it has 2-D convolutions.

    A fixed rule, because another format gives other bits.
    """
    convolutional = any(isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)) for module in network.modules())
    return torch.channels_last if convolutional else torch.contiguous_format


def _check_module(network: Any, build: Callable[..., Any]) -> None:
    """NetworkError: what `build` returned is no network, or not one of float32 parameters that can be trained."""
    what = f"{place_of(build)}: the {build.__name__}"
    if not isinstance(network, nn.Module):
        raise NetworkError(f"{what} must be a torch.nn.Module (found: {type(network).__name__})")
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise NetworkError(f"{what} has no parameters that could be trained")
    for name, parameter in network.named_parameters():
        if parameter.dtype != torch.float32:
            raise NetworkError(f"{what}'s parameters must be float32 (found: {name} of {parameter.dtype})")


def check_outputs(generator: nn.Module, discriminator: nn.Module, data: DataSpec, architecture: Architecture) -> None:
    """Pass a batch of two through both networks, and through the generator in evaluation mode too.

    NetworkError: an output has the wrong shape or dtype, no gradient leads from it to the parameters, or (but for the meta
    device, which has no numbers) it is not finite.
    """
    device = next(generator.parameters()).device

    def output(network: nn.Module, inputs: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
        build = architecture.generator if network is generator else architecture.discriminator
        with _blamed(build):
            return output_of(network, inputs, shape, f"{place_of(build)}: the {build.__name__}")

    with Streams(0, device)["shapes"]:
        samples = output(generator, torch.randn(2, architecture.latent, device=device), (2, *data.shape))
        output(discriminator, some_samples(2, data, device), (2, 1))
        output(discriminator, samples, (2, 1))
        output(generator.eval(), torch.randn(2, architecture.latent, device=device), (2, *data.shape))
        generator.train()


def output_of(network: nn.Module, inputs: torch.Tensor, shape: tuple[int, ...], what: str) -> torch.Tensor:
    """What a network makes of two samples. NetworkError, about `what`: it has the wrong shape or dtype, or is not finite."""
    found = network(inputs)
    of = f" for a batch of two{'' if network.training else ' in evaluation mode'}"
    if not isinstance(found, torch.Tensor) or tuple(found.shape) != shape or found.dtype != torch.float32:
        given = f"{found.dtype} {tuple(found.shape)}" if isinstance(found, torch.Tensor) else type(found).__name__
        raise NetworkError(f"{what} must return float32 {shape}{of}, it returns {given}")
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


def place_of(what: Callable[..., Any]) -> str:
    """File and line of a function or class."""
    code = getattr(inspect.unwrap(what), "__code__", None)
    if code:  # most often, and quick
        return f"{short_path(code.co_filename)}:{code.co_firstlineno}"
    try:
        return f"{short_path(str(inspect.getsourcefile(what)))}:{inspect.getsourcelines(what)[1]}"
    except (OSError, TypeError):  # typed into a notebook or a prompt, or not written in Python
        return "a place unknown"


def describe(network: nn.Module, input_shape: tuple[int, ...]) -> dict[str, Any]:
    """Parameters and layer table of a network; `input_shape` is one sample's.

    `parameters` counts the trainable ones and the moving statistics of normalisation layers, as Keras counts; `flops` are
    those of one sample's forward pass (a multiply-add is two).
    """
    layers: list[dict[str, Any]] = []

    def record(name: str, module: nn.Module, output: Any) -> None:
        trainable, statistics = _count(module)
        while isinstance(output, tuple | list) and output:
            output = output[0]  # of a recurrent layer
        layers.append(
            {
                "name": name,
                "type": (module.extra_repr() and f"{type(module).__name__}({module.extra_repr()})")
                or type(module).__name__,
                "shape": list(output.shape[1:]) if isinstance(output, torch.Tensor) else [],
                "parameters": trainable + statistics,
                "trainable": trainable,
            }
        )

    hooks = [
        module.register_forward_hook(lambda m, _, out, name=name: record(name, m, out))
        for name, module in network.named_modules()
        if not list(module.children())
    ]
    mode = network.training
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network.eval()(torch.empty(1, *input_shape, device=next(network.parameters()).device))
    finally:
        network.train(mode)
        for hook in hooks:
            hook.remove()
    trainable, statistics = _count(network)
    return {
        "parameters": trainable + statistics,
        "trainable": trainable,
        "flops": counter.get_total_flops(),
        "layers": layers,
    }


@functools.cache
def describe_architecture(architecture: Architecture, data: DataSpec) -> dict[str, dict[str, Any]]:
    """Both networks of an architecture, described without computing or allocating anything where they allow it.

    Those that are not very large are also tried for real, with fresh weights. NetworkError, or whatever the plugin raises:
    they can't be built for such data, or return what can't be used.
    """
    return on_meta_or_cpu(lambda device: _describe_architecture(architecture, data, device))


def on_meta_or_cpu(build: Callable[[torch.device], T]) -> T:
    """Try something on the meta device, and for real if it fails there: the code may read numbers, which meta has not."""
    try:
        return build(torch.device("meta"))
    except Exception:  # noqa: BLE001 - if it is a plugin's fault, it is raised again below
        return build(torch.device("cpu"))


def _describe_architecture(
    architecture: Architecture, data: DataSpec, device: torch.device
) -> dict[str, dict[str, Any]]:
    def build(device: torch.device) -> tuple[nn.Module, nn.Module]:
        return build_networks(architecture, data, Streams(0, device))

    networks, cpu = build(device), torch.device("cpu")
    if device != cpu and sum(p.numel() for network in networks for p in network.parameters()) < REAL_PARAMETERS:
        networks, device = build(cpu), cpu
    check_outputs(*networks, data, architecture)
    generator, discriminator = networks
    found = {
        "generator": describe(generator, (architecture.latent,)),
        "discriminator": describe(discriminator, data.shape),
    }
    work = sum(100 * network["parameters"] + 8 * network["flops"] for network in found.values())
    if device != cpu and work < REAL_WORK:
        check_outputs(*build(cpu), data, architecture)
    return found


def _count(module: nn.Module) -> tuple[int, int]:
    """Trainable parameters, and numbers in floating-point buffers."""
    trainable = sum(p.numel() for p in module.parameters() if p.requires_grad)
    return trainable, sum(b.numel() for b in module.buffers() if b.is_floating_point())
