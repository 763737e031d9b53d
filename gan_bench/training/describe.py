"""Networks described layer by layer."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.kinds import Architecture
from gan_bench.api.randomness import Streams
from gan_bench.training.networks import build_networks, check_outputs

T = TypeVar("T")
REAL_PARAMETERS = 2_000_000  # of two networks, below which computing takes less time than the meta device's Python
REAL_WORK = 1e10  # FLOPs of passing two samples for real, drawing the weights included: half a second


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
