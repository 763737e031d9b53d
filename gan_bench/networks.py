"""Building a run's networks, and describing them layer by layer."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from gan_bench.layers import quicken
from gan_bench.plugin import Architecture, DataSpec
from gan_bench.streams import Streams

T = TypeVar("T")
REAL_PARAMETERS = 2_000_000  # of two networks, below which computing takes less time than the meta device's Python


def build_networks(architecture: Architecture, data: DataSpec, streams: Streams) -> tuple[nn.Module, nn.Module]:
    """Generator and discriminator with fresh weights, in training mode, on the streams' device.

    Weights are drawn on the CPU, from streams of their own, so that they are equal on every device.
    """
    meta = streams.device.type == "meta"
    weights = Streams(streams.seed, torch.device("meta" if meta else "cpu"))
    with torch.device(weights.device):
        with weights["weights of G"]:
            generator = architecture.generator(data)
        with weights["weights of D"]:
            discriminator = architecture.discriminator(data)
    for name, network in (("generator", generator), ("discriminator", discriminator)):
        if not isinstance(network, nn.Module):
            raise ValueError(f"{architecture.name}.{name} returned {type(network).__name__}, not a torch.nn.Module")
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


def check_shapes(generator: nn.Module, discriminator: nn.Module, data: DataSpec, latent: int) -> None:
    """Pass a batch of two through both networks. ValueError: an output has the wrong shape or dtype."""
    device = next(generator.parameters()).device
    with Streams(0, device)["shapes"]:
        samples = generator(torch.randn(2, latent, device=device))
        logits = discriminator(torch.randn(2, *data.shape, device=device))
    for name, output, shape in (("generator", samples, (2, *data.shape)), ("discriminator", logits, (2, 1))):
        if not isinstance(output, torch.Tensor) or tuple(output.shape) != shape or output.dtype != torch.float32:
            found = (
                f"{output.dtype} {tuple(output.shape)}" if isinstance(output, torch.Tensor) else type(output).__name__
            )
            raise ValueError(f"the {name} must return float32 {shape} for a batch of two, it returns {found}")


def describe(network: nn.Module, input_shape: tuple[int, ...]) -> dict[str, Any]:
    """Parameters and layer table of a network; `input_shape` is one sample's.

    `parameters` counts the trainable ones and the moving statistics of normalisation layers, as Keras counts; `flops` are
    those of one sample's forward pass (a multiply-add is two).
    """
    layers: list[dict[str, Any]] = []

    def record(name: str, module: nn.Module, output: torch.Tensor) -> None:
        trainable, statistics = _count(module)
        layers.append(
            {
                "name": name,
                "type": (module.extra_repr() and f"{type(module).__name__}({module.extra_repr()})")
                or type(module).__name__,
                "shape": list(output.shape[1:]),
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

    ValueError, or whatever the plugin raises: they can't be built for such data, or return wrong shapes.
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
    generator, discriminator = build_networks(architecture, data, Streams(0, device))
    if sum(p.numel() for network in (generator, discriminator) for p in network.parameters()) < REAL_PARAMETERS:
        for network in (generator, discriminator):
            zeros = {name: torch.zeros(value.shape, dtype=value.dtype) for name, value in network.state_dict().items()}
            network.load_state_dict(zeros, assign=True)
    check_shapes(generator, discriminator, data, architecture.latent)
    return {
        "generator": describe(generator, (architecture.latent,)),
        "discriminator": describe(discriminator, data.shape),
    }


def _count(module: nn.Module) -> tuple[int, int]:
    """Trainable parameters, and numbers in floating-point buffers."""
    trainable = sum(p.numel() for p in module.parameters() if p.requires_grad)
    return trainable, sum(b.numel() for b in module.buffers() if b.is_floating_point())
