"""What tests of architectures ask of networks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gan_bench.api.data_spec import DataSpec
from gan_bench.api.kinds import Architecture

CLASSES = ("a", "b", "c")


def count(network: nn.Module) -> int:
    """Trained parameters."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def both(architecture: Architecture, data: DataSpec, seed: int = 0) -> tuple[nn.Module, nn.Module]:
    """Fresh networks of fixed weights."""
    torch.manual_seed(seed)
    return architecture.generator(data), architecture.discriminator(data)


def moved(network: nn.Module) -> nn.Module:
    """The network with all parameters changed a little: what starts at zero no longer hides what comes before it."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return network


def outputs(network: nn.Module, *inputs: Tensor) -> list[Tensor]:
    """What a network makes of a batch: one tensor, or logits and class logits."""
    found = network(*inputs)
    return list(found) if isinstance(found, tuple) else [found]


def untrained(network: nn.Module, *inputs: Tensor) -> list[str]:
    """Parameters that no gradient reaches."""
    network.zero_grad()
    sum(output.square().sum() for output in outputs(network, *inputs)).backward()
    return [name for name, parameter in network.named_parameters() if parameter.grad is None]


def assert_rows_are_alone(network: nn.Module, x: Tensor, *labels: Tensor) -> None:
    """Each sample has the output that it has by itself, and a gradient that knows of no other."""
    network.eval()
    x = x.clone().requires_grad_()
    together = outputs(network, x, *labels)
    (gradient,) = torch.autograd.grad(sum(output[0].sum() for output in together), x)
    assert gradient[0].abs().sum() > 0
    assert gradient[1:].abs().max() == 0
    for row in range(len(x)):
        alone = outputs(network, x[row : row + 1], *(y[row : row + 1] for y in labels))
        for one, of_all in zip(alone, together, strict=True):
            torch.testing.assert_close(one[0], of_all[row], rtol=1e-4, atol=1e-4)


def sized(*sizes: Sequence[int]) -> list[DataSpec]:
    """Pictures of these shapes, in three classes."""
    return [DataSpec(tuple(size), "image", CLASSES) for size in sizes]
