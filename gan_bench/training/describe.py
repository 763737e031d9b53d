"""Networks described layer by layer."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.kinds import Architecture
from gan_bench.api.randomness import Streams
from gan_bench.scoring.samples import evaluating
from gan_bench.training.layers import quicken
from gan_bench.training.networks import build_networks, check_outputs

T = TypeVar("T")
REAL_PARAMETERS = 2_000_000  # of two networks, below which computing takes less time than the meta device's Python
REAL_WORK = 1e10  # FLOPs of passing two samples for real, drawing the weights included: half a second


def describe(network: nn.Module, *inputs: torch.Tensor) -> dict[str, Any]:
    """Parameters and layer table of a network, from what it makes of `inputs`, a batch of samples and perhaps their labels.

    `parameters` counts all of them and the moving statistics of normalisation layers, as Keras counts, `trainable` those that
    are trained; `flops` are those of the forward pass of one sample (a multiply-add is two). The layers' numbers add up to the
    network's: one that several layers share stands with the first.
    """
    from gan_bench.training.flops import Flops  # takes a while to import, which a finished grid does without

    layers: list[dict[str, Any]] = []
    counted: set[int] = set()  # ids of tensors

    def record(name: str, module: nn.Module, whole: bool, output: Any = None) -> None:
        while isinstance(output, tuple | list) and output:
            output = output[0]  # of a recurrent layer
        layers.append(
            {
                "name": name,
                "type": _type_of(module),
                "shape": list(output.shape[1:]) if isinstance(output, torch.Tensor) else [],
                **_count(module, counted, whole),
            }
        )

    found = list(_layers(network))
    hooks = [
        module.register_forward_hook(lambda m, _, out, name=name, whole=whole: record(name, m, whole, out))
        for name, module, whole in found
    ]
    try:
        with evaluating(network), Flops() as counter:
            network(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    for name, module, whole in found:  # of those that no pass has gone through, such as lists of parameters
        if any(id(tensor) not in counted for tensor in _numbers(module, whole)):
            record(name, module, whole)
    return {**_count(network, set()), "flops": counter.get_total_flops() // len(inputs[0]), "layers": layers}


def _layers(network: nn.Module) -> Iterator[tuple[str, nn.Module, bool]]:
    """Name, module, and whether all that it holds is its own, of what makes a row of the table.

    That is a module without children, or a parametrised one, whose children make its parameters; and one with children for
    what it holds beside them.
    """
    inner: set[nn.Module] = set()  # of parametrised ones
    for name, module in network.named_modules():
        whole = is_parametrized(module) or not list(module.children())
        if module not in inner and (whole or next(_numbers(module, whole=False), None) is not None):
            yield name, module, whole
        if whole:
            inner.update(module.modules())


def _type_of(module: nn.Module) -> str:
    """Class and settings of a layer, of PyTorch's class where ours or a parametrised one stands in for it."""
    ours = (quicken.__module__, is_parametrized.__module__)
    cls = next(cls for cls in type(module).__mro__ if not cls.__module__.startswith(ours))
    settings = module.extra_repr()
    return f"{cls.__name__}({settings})" if settings else cls.__name__


def _numbers(module: nn.Module, whole: bool = True) -> Iterator[torch.Tensor]:
    """Parameters and moving statistics of a module, those of its children included if it is to be taken as a `whole`."""
    yield from module.parameters(whole)
    yield from (buffer for buffer in module.buffers(whole) if buffer.is_floating_point())


def _count(module: nn.Module, counted: set[int], whole: bool = True) -> dict[str, int]:
    """How many numbers of a module have not been `counted` yet, and how many of them are trained."""
    new = {id(tensor): tensor for tensor in _numbers(module, whole) if id(tensor) not in counted}
    counted.update(new)
    trained = [t for t in new.values() if isinstance(t, nn.Parameter) and t.requires_grad]
    return {"parameters": sum(t.numel() for t in new.values()), "trainable": sum(t.numel() for t in trained)}


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
    labels = (torch.zeros(1, dtype=torch.int64, device=device),) if architecture.takes_labels else ()
    found = {
        "generator": describe(generator, torch.empty(1, architecture.latent, device=device), *labels),
        "discriminator": describe(discriminator, torch.empty(1, *data.shape, device=device), *labels),
    }
    work = sum(100 * network["parameters"] + 8 * network["flops"] for network in found.values())
    if device != cpu and work < REAL_WORK:
        check_outputs(*build(cpu), data, architecture)
    return found
